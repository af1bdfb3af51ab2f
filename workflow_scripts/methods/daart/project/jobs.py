"""What each job of Snakefile.daart does: one point of an original project's grid, or the leaderboard of all."""

from __future__ import annotations

import fcntl
from pathlib import Path

from workflow_scripts.core.files import write_json
from workflow_scripts.methods.daart.project.data import read_project
from workflow_scripts.methods.daart.project.grid import Grid
from workflow_scripts.methods.daart.project.versions import (
    Version,
    check_devices,
    claim,
    leaderboard,
    plan,
    train_version,
)


def settle(found: Grid) -> dict[str, Version]:
    """Check all data, and give every point its version folder, in the grid's order, before any is trained.

    Whichever job comes first does it for all; without that, jobs side by side would take the same next number.
    """
    check_devices(list(found.points.values()))
    read: dict[str, dict[str, str]] = {}
    for options in found.points.values():
        if options.data_key not in read:
            read[options.data_key] = read_project(options).digests
    points = list(found.points.values())
    found.folder.mkdir(parents=True, exist_ok=True)
    with open(found.folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        versions = plan(points, [read[options.data_key] for options in points], found.configs)
        for version in versions:
            claim(version)
    return dict(zip(found.points, versions, strict=True))


def run_point(found: Grid, key: str, output: Path) -> None:
    """Train one point in its folder, where it is not finished already."""
    version = settle(found)[key]
    if not version.existed:
        train_version(version, read_project(version.options))
    write_json(output, {"folder": str(version.folder), "identity": version.identity})


def gather(found: Grid, output: Path) -> None:
    """Write the leaderboards beside the versions, and list them."""
    boards = leaderboard(list(settle(found).values()), found.axes)
    write_json(output, {"leaderboards": [str(path) for path in boards]})
