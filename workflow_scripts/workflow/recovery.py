"""Tell a killed Snakemake from one that runs, so that the same command simply goes on after `kill -9`.

Snakemake leaves its locks and its marks of unfinished files behind when it is killed, and then asks for `--unlock` and
`--rerun-incomplete`. Every file of this workflow is there whole or not at all, so the marks say nothing; and each run
notes its process here, so that locks whose owners are all dead can go.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
from contextlib import suppress
from pathlib import Path

import psutil

from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.core.files import read_json, write_json


def _runs(notes: Path) -> Path:
    return notes / "running"


def _alive(note: dict[str, object]) -> bool:
    if note.get("host") != socket.gethostname():
        return True  # cannot be known from here
    try:
        # A process id is used again in time; its start tells the two apart.
        started = float(psutil.Process(int(str(note["pid"]))).create_time())
        return bool(abs(started - float(str(note["started"]))) < 1)
    except (psutil.NoSuchProcess, KeyError, ValueError):
        return False


def note_run(notes: Path) -> None:
    """Note that this process runs the workflow; called once it holds Snakemake's lock."""
    process = psutil.Process()
    note = {"pid": process.pid, "started": process.create_time(), "host": socket.gethostname()}
    write_json(_runs(notes) / f"{process.pid}.json", note)


def forget_run(notes: Path) -> None:
    """Take this process's note away; called when the run ends by itself."""
    (_runs(notes) / f"{os.getpid()}.json").unlink(missing_ok=True)


def clear_after_kill(notes: Path) -> bool:
    """Remove locks and marks that killed runs left behind, when none of the runs noted is alive.

    Parameters
    ----------
    notes : Path
        `ethomake` in the `.snakemake` of the working directory.

    Returns
    -------
    bool
        Whether a killed run was found.
    """
    runs = sorted(_runs(notes).glob("*.json"))
    found = []
    for path in runs:
        try:
            found.append(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            found.append({})
    if not runs or any(_alive(note) for note in found):
        return False
    left = [*(notes.parent / "locks").glob("*.lock"), *(notes.parent / "incomplete").glob("*")]
    for path in [*left, *runs]:
        if path.is_file():
            path.unlink(missing_ok=True)
    return True


def note_failure(notes: Path, output: Path) -> None:
    """Note that an output contains the reason why it could not be made, or leaves out what could not be used."""
    name = hashlib.sha256(str(output).encode()).hexdigest()[:16]
    write_json(notes / "failures" / f"{name}.json", {"output": str(output)})


def retry_failures(notes: Path, *, keep_going: bool) -> int:
    """Remove outputs that failed under `keep_going`, once the user no longer asks for it, so that they are made again.

    Parameters
    ----------
    notes : Path
        `ethomake` in the `.snakemake` of the working directory.
    keep_going : bool
        Whether the failures stay, as rows of the report.

    Returns
    -------
    int
        Number of outputs removed.
    """
    if keep_going:
        return 0
    removed = 0
    for note in sorted((notes / "failures").glob("*.json")):
        with suppress(EthoMakeError, OSError, KeyError, TypeError):
            output = Path(read_json(note)["output"])
            if output.is_file():
                output.unlink()
                removed += 1
        note.unlink(missing_ok=True)
    return removed
