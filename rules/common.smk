# Validates the configuration before anything else, and gives the other rule files their parameters.

import json
import os
import re
import shlex
import sys
from pathlib import Path

ROOT = Path(workflow.basedir)
sys.path.insert(0, str(ROOT))  # this checkout's package, whichever one is installed

from workflow_scripts.cards import slugify
from workflow_scripts.digest import code_digest
from workflow_scripts.errors import EthoMakeError
from workflow_scripts.experiment import load_experiment
from workflow_scripts.locking import clear_after_kill, forget_run, note_run
from workflow_scripts.methods import config_model as method_options

# Jobs run `python -m workflow_scripts…`: with this interpreter, and with this checkout's package.
os.environ["PATH"] = os.pathsep.join(
    [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
)
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])
)

try:
    EXPERIMENT = load_experiment(ROOT, config)
except EthoMakeError as error:
    raise WorkflowError(str(error))

CARDS = EXPERIMENT.cards
RESULTS = f"results/{EXPERIMENT.name}"
MIRRORS = [
    *EXPERIMENT.config.mirrors,
    *filter(None, os.environ.get("ETHOMAKE_MIRRORS", "").split(os.pathsep)),
]
MIRROR_OPTIONS = " ".join(f"--mirror {shlex.quote(path)}" for path in MIRRORS)
NETWORK_OPTIONS = shlex.quote(EXPERIMENT.config.download.model_dump_json())
TWINS = [name for name, card in CARDS.items() if card.simulate]
REMOTE = [name for name, card in CARDS.items() if not card.simulate]


def one_of(names):
    """Regular expression that matches exactly these names (and nothing, for none)."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    dataset=one_of(CARDS),
    shard=r"[A-Za-z0-9._-]+",
    split=r"[a-z][a-z0-9_]*",
    method=r"[a-z][a-z0-9_]*",
    mode="sound|faithful",
    point=r"[A-Za-z0-9~,._-]+",
    seed=r"\d+",


def scaled(base):
    """Memory that grows with each attempt (retries are set in the profiles)."""
    return lambda wildcards, attempt: base * attempt


def as_json(value):
    """One line of JSON for a stage's command line."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def run_of(wildcards):
    """The run a job belongs to."""
    keys = ("dataset", "method", "mode", "point", "split")
    path = "/".join(str(wildcards[key]) for key in keys)
    return EXPERIMENT.run(f"runs/{path}/seed{wildcards.seed}")


def run_columns(run, split=None):
    """What a run writes into every row of its tables."""
    columns = {
        key: getattr(run, key) for key in ("dataset", "method", "mode", "point", "seed")
    }
    return columns | {"split": split or run.split}


# After `kill -9` the same command goes on; see workflow_scripts/locking.py.
if workflow.is_main_process and clear_after_kill(Path(".snakemake")):
    print(
        "The run before this one was killed; going on where it stopped.",
        file=sys.stderr,
    )


onstart:
    note_run(Path(".snakemake"))


onsuccess:
    forget_run(Path(".snakemake"))


onerror:
    forget_run(Path(".snakemake"))
