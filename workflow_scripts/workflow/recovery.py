"""Tell a killed Snakemake from one that runs, so that the same command simply goes on after `kill -9`.

Snakemake leaves its locks and its marks of unfinished files behind when it is killed, and then asks for `--unlock` and
`--rerun-incomplete`. Every file of this workflow is there whole or not at all, so the marks say nothing; and each run
notes its process here, so that locks whose owners are all dead can go.
"""

from __future__ import annotations

import base64
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
    """Have outputs that failed under `keep_going` made again, once the user no longer asks for it.

    Snakemake does not make a missing file again while everything made from it is there. A job whose parameters differ
    from those on record is always run, and so is what follows from it: the record is cleared.

    Parameters
    ----------
    notes : Path
        `ethomake` in the `.snakemake` of the working directory.
    keep_going : bool
        Whether the failures stay, as rows of the report.

    Returns
    -------
    int
        Number of outputs that will be made again.
    """
    if keep_going:
        return 0
    again = 0
    for note in sorted((notes / "failures").glob("*.json")):
        with suppress(EthoMakeError, OSError, KeyError, TypeError):
            output = Path(read_json(note)["output"])
            if output.is_file():
                _forget_parameters(notes.parent / "metadata", output)
                again += 1
        note.unlink(missing_ok=True)
    return again


def _forget_parameters(records: Path, output: Path) -> None:
    """Clear the parameters on Snakemake's record of an output; without a record the output itself is removed."""
    name = base64.urlsafe_b64encode(str(output).encode()).decode()
    longest = os.pathconf(records, "PC_NAME_MAX") - 1 if records.is_dir() else 254
    parts = [name[start : start + longest] for start in range(0, len(name), longest)]
    record = records.joinpath(*(f"@{part}" for part in parts[:-1]), parts[-1])
    if record.is_file():
        write_json(record, read_json(record) | {"params": ["failed under keep_going"]})
    else:
        output.unlink()
