# `make demo` and `make test` need Python ≥ 3.11 (with venv and pip) and make, nothing else.
.DELETE_ON_ERROR:
.PHONY: demo test test-fast test-slurm test-faults fuzz check lint types unit docs readme lock bench bench-compare bench-gpu help

PYTHON ?= python3
CORES ?= 2
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

help:
	@echo "make demo   set up .venv once, run the demo experiment, say where the report is"
	@echo "make test   set up .venv once, then format check, lint, types and tests"
	@echo "make test-fast   the quick part of the tests (meant to take under two minutes)"
	@echo "make test-faults   kills, full disks, broken files, and what clusters do (minutes each; docs/faults.md)"
	@echo "make bench   time the hot paths beside the plain alternative and the machine's limit (docs/performance.md)"
	@echo "make bench-compare REV=…   the same with the package of another commit and with this one; make bench-gpu"
	@echo "make docs   build the documentation site into build/site"
	@echo "make readme   write the generated tables of README.md again"
	@echo "make lock   write requirements.lock again from pyproject.toml"

# The stamp carries the checksum of what was installed, so that touching a file does not install again.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "EthoMake needs Python 3.11 or newer; $(PYTHON) is older. Call make PYTHON=/path/to/python3.11." >&2; exit 1; }
	@if [ -f $@ ] && [ "$$(cat $@)" = "$$(cat $^ | cksum)" ]; then touch $@; else \
	  rm -f $@ && \
	  echo "Installing the packages of requirements.lock into $(VENV), once; this takes some minutes." && \
	  $(PYTHON) -m venv $(VENV) && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable . && \
	  cat $^ | cksum > $@; fi

demo: $(STAMP)
	@$(BIN)/ethomake run demo --cores $(CORES)

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/snakefmt --check Snakefile Snakefile.papers Snakefile.daart workflow/Snakefile rules
	$(BIN)/ethomake config --check

types: $(STAMP)
	$(BIN)/mypy

unit: $(STAMP)
	$(BIN)/pytest -n $(CORES) --dist worksteal

# The site, without a network; a broken link or a page without a place fails.
docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

readme: $(STAMP)
	$(BIN)/python -m docs.site.readme --write

test: lint types docs unit

test-fast: $(STAMP)
	$(BIN)/pytest -n $(CORES) --dist worksteal -m "fast and not faults and not slurm" tests

test-slurm: $(STAMP)
	$(BIN)/pytest -m "slurm" tests

test-faults: $(STAMP)
	$(BIN)/pytest -m "faults" tests

# BENCH: arguments of the suite, e.g. BENCH="--share 0.1 --only 'ridge probe'".
BENCH ?=
bench: $(STAMP)
	$(BIN)/python -m benchmarks.suite --history $(BENCH)

bench-compare: $(STAMP)
	$(BIN)/python -m benchmarks.suite.compare $(REV) $(BENCH)

bench-gpu: $(STAMP)
	$(BIN)/python -m benchmarks.gpu $(BENCH)

lock:
	$(PYTHON) -m venv --clear build/lock
	build/lock/bin/python -m pip install --quiet '.[test]'
	{ grep '^#' requirements.lock; build/lock/bin/python -m pip freeze --all --exclude ethomake | grep -v '^pip=' | sed 's/+cpu//'; } > build/requirements.lock
	mv build/requirements.lock requirements.lock

# Coverage-guided and seeded; FUZZ_SECONDS of the processor for each of 67 readers. With atheris installed libFuzzer does the mutations.
FUZZ_SECONDS ?= 60
fuzz: $(STAMP)
	PYTHONPATH=tests $(BIN)/python -m tests.security.fuzz_run --seconds $(FUZZ_SECONDS) --seed 1
