"""Fuzz every reader for a given time: `make fuzz`, or
`PYTHONPATH=tests python -m tests.security.fuzz_run --seconds 60 [READER …]`.

Coverage-guided and seeded. Where atheris is installed (`pip install atheris`), libFuzzer mutates; else the small fuzzer
of `builders/fuzzing.py` does. The corpus of a reader begins with small valid files of its format (`corpus.py`) and the
files of `hostile.py`; it is kept in `build/fuzz/<reader>`, so that the next run goes on from there. A reader may read a
file or refuse it in one sentence; an input that does anything else is kept as `crash-…`, and the run ends with 1.
`--seconds` are of the processor, for each reader, so that a busy machine tries as much as an idle one.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import logging
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from builders import fuzzing as fuzz

from tests.security import corpus, hostile, hostile_more
from tests.sources import test_contract_of_sources as contract
from workflow_scripts.core.boundary import ROOMS
from workflow_scripts.core.errors import EthoMakeError

CORPORA = Path("build/fuzz")
LONGEST_SECONDS = 60
"""By the clock, of one input."""
SLUG = str.maketrans(" ", "_")


class _SlowError(Exception):
    """One input took longer than `LONGEST_SECONDS`."""


def labels_of(name: str) -> Callable[[Path], Any]:
    """Read as a label source, with the options of the valid file."""
    return lambda path: contract.read(name, True, path)


def data_of(name: str) -> Callable[[Path], Any]:
    """Read as a source of tracks, images or videos, with the options of the valid file."""
    return lambda path: contract.read(name, False, path)


FUZZED: dict[str, tuple[str, Callable[[Path], Any]]] = {
    **{name: (value[0], data_of(name)) for name, value in contract.VALID.items()},
    **{f"{name} labels": (value[0], labels_of(name)) for name, value in contract.VALID_LABELS.items()},
    **{
        name: value
        for name, value in {**hostile.READERS, **hostile_more.READERS, **hostile_more.OTHERS}.items()
        if name in corpus.VARIANTS
        or name.split()[0] not in {**contract.VALID, **contract.VALID_LABELS, "daart": 0, "caltech": 0}
    },
}
"""Every source with the options that its valid file needs, the files of our own, and other programs' models."""


def seeds(reader: str) -> Path:
    """Return the folder of a reader's corpus, with its first files in it."""
    folder = CORPORA / reader.translate(SLUG)
    folder.mkdir(parents=True, exist_ok=True)
    corpus.write(reader, folder, FUZZED[reader][0])
    for kind, write in hostile.ANY_FILE.items():
        path = folder / kind.translate(SLUG)
        if kind not in {"folder", "pipe", "device", "dangling link"} and not path.exists():
            write(path)
            if path.stat().st_size > 20_000:
                path.unlink()
    return folder


def try_bytes(reader: str, data: bytes, folder: Path) -> None:
    """Let a reader read some bytes; anything but a value or a sentence is raised."""
    suffix, act = FUZZED[reader]
    with tempfile.TemporaryDirectory(dir=folder) as name:  # some readers move the file, or write beside it
        path = Path(name) / f"x{suffix}"
        path.write_bytes(data)
        _act(act, path)


def _act(act: Callable[[Path], Any], path: Path) -> None:
    try:
        act(path)
    except EthoMakeError as error:
        if "\n" in str(error):
            raise AssertionError(f"not one sentence: {error!r}") from error


def _stop(number: int, frame: FrameType | None) -> None:
    raise _SlowError


def fuzz_one(reader: str, seconds: float, seed: int) -> None:
    """Fuzz one reader in this process until the time is over."""
    logging.disable(logging.CRITICAL)
    corpus = seeds(reader)
    with tempfile.TemporaryDirectory() as name:
        if importlib.util.find_spec("atheris"):
            _with_atheris(reader, corpus, Path(name), seconds, seed)
        else:
            _without(reader, corpus, Path(name), seconds, seed)


def _with_atheris(reader: str, corpus: Path, folder: Path, seconds: float, seed: int) -> None:
    import atheris

    for module in [name for name in sys.modules if name.startswith(tuple(f"workflow_scripts.{r}" for r in ROOMS))]:
        own = [value for value in vars(sys.modules[module]).values() if getattr(value, "__module__", "") == module]
        for function in [*own, *(part for one in own if isinstance(one, type) for part in vars(one).values())]:
            if hasattr(function, "__code__"):
                with contextlib.suppress(Exception):
                    atheris.instrument_func(function)
    options = [
        sys.argv[0],
        str(corpus),
        f"-seed={seed}",
        f"-timeout={LONGEST_SECONDS}",
        "-rss_limit_mb=4000",
        "-max_len=65536",
        f"-artifact_prefix={corpus}/crash-",
        "-verbosity=0",
    ]
    count = 0

    def once(data: bytes) -> None:
        nonlocal count
        if time.process_time() > seconds:  # libFuzzer has a limit by the clock alone, and what it has learnt is on disk
            print(f"{reader}: {count} inputs", flush=True)
            os._exit(0)
        count += 1
        try_bytes(reader, data, folder)

    atheris.Setup(options, once)
    atheris.Fuzz()


def _without(reader: str, corpus: Path, folder: Path, seconds: float, seed: int) -> None:
    rng = random.Random(seed)
    known = [path.read_bytes() for path in sorted(corpus.iterdir())]
    seen: set[tuple[str, int]] = set()
    signal.signal(signal.SIGALRM, _stop)
    count = 0
    while time.process_time() < seconds:
        data = known[count] if count < len(known) else fuzz.mutate(rng.choice(known), rng)
        count += 1
        if len(data) > 2**16:
            continue
        signal.alarm(LONGEST_SECONDS)
        try:
            reached = fuzz.lines_reached(lambda data=data: try_bytes(reader, data, folder))  # type: ignore[misc]
        except Exception as error:
            kept = corpus / f"crash-{abs(hash(data)):x}"
            kept.write_bytes(data)
            raise AssertionError(f"{reader}: {type(error).__name__}: {error} (the file is {kept})") from error
        finally:
            signal.alarm(0)
        if reached - seen:
            seen |= reached
            if count > len(known):
                known.append(data)
    print(f"{reader}: {count} inputs, {len(seen)} lines")


def main() -> int:
    """Fuzz the readers one after another, each in a process of its own."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("readers", nargs="*", help="empty = all")
    arguments.add_argument("--seconds", type=float, default=60, help="of the processor, for each reader")
    arguments.add_argument("--seed", type=int, default=1)
    options = arguments.parse_args()
    failed = []
    busy = 0.0
    for reader in options.readers or FUZZED:
        status, said, used = in_a_child(reader, options.seconds, options.seed)
        busy += used
        lines = [line for line in said.splitlines() if line.strip()]
        if status:
            failed.append(reader)
            print(f"{reader}: failed ({status})\n  " + "\n  ".join(lines[-12:]), flush=True)
        else:
            said = lines[-1].removeprefix(f"{reader}: ") if lines else "ok"
            print(f"{reader}: {said}, {used:.0f} s of the processor", flush=True)
    count = len(options.readers or FUZZED)
    print(f"{len(failed)} of {count} readers failed: {', '.join(failed) or '-'}; {busy:.0f} s of the processor")
    return int(bool(failed))


def in_a_child(reader: str, seconds: float, seed: int) -> tuple[int, str, float]:
    """Fuzz one reader in a child that has its libraries loaded: how it ended, what it said, seconds of the processor.

    A reader that crashes the interpreter ends the child alone.
    """
    with tempfile.TemporaryFile() as out:
        child = os.fork()
        if child == 0:
            os.dup2(out.fileno(), 1)
            os.dup2(out.fileno(), 2)
            status = 1
            try:
                fuzz_one(reader, seconds, seed)
                status = 0
            except SystemExit as ended:
                status = int(ended.code or 0)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                os._exit(status)
        _, status, used = os.wait4(child, 0)
        out.seek(0)
        said = out.read().decode(errors="replace")
    return status, said, used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())
