"""Tell a killed Snakemake from one that runs, so that the same command simply goes on after `kill -9`.

Snakemake leaves its locks and its marks of unfinished files behind when it is killed, and then asks for `--unlock` and
`--rerun-incomplete`. Every file of this workflow is there whole or not at all, so the marks say nothing; and each run
notes its process here, so that locks whose owners are all dead can go.
"""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import psutil

from workflow_scripts.core.files import write_json


def _notes(snakemake_folder: Path) -> Path:
    return snakemake_folder / "ethomake"


def _alive(note: dict[str, object]) -> bool:
    if note.get("host") != socket.gethostname():
        return True  # cannot be known from here
    try:
        # A process id is used again in time; its start tells the two apart.
        started = float(psutil.Process(int(str(note["pid"]))).create_time())
        return bool(abs(started - float(str(note["started"]))) < 1)
    except (psutil.NoSuchProcess, KeyError, ValueError):
        return False


def note_run(snakemake_folder: Path) -> None:
    """Note that this process runs the workflow; called once it holds Snakemake's lock."""
    process = psutil.Process()
    note = {"pid": process.pid, "started": process.create_time(), "host": socket.gethostname()}
    write_json(_notes(snakemake_folder) / f"{process.pid}.json", note)


def forget_run(snakemake_folder: Path) -> None:
    """Take this process's note away; called when the run ends by itself."""
    (_notes(snakemake_folder) / f"{os.getpid()}.json").unlink(missing_ok=True)


def clear_after_kill(snakemake_folder: Path) -> bool:
    """Remove locks and marks that killed runs left behind, when none of the runs noted is alive.

    Parameters
    ----------
    snakemake_folder : Path
        `.snakemake` of the working directory.

    Returns
    -------
    bool
        Whether a killed run was found.
    """
    notes = sorted(_notes(snakemake_folder).glob("*.json"))
    found = []
    for path in notes:
        try:
            found.append(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            found.append({})
    if not notes or any(_alive(note) for note in found):
        return False
    left = [*(snakemake_folder / "locks").glob("*.lock"), *(snakemake_folder / "incomplete").glob("*")]
    for path in [*left, *notes]:
        if path.is_file():
            path.unlink(missing_ok=True)
    return True
