"""How much a file may ask for: sizes are believed only after a check against these limits.

Each has a default that no recording we know of reaches. `ETHOMAKE_MAX_MEMORY` (bytes) replaces what is free on the
machine, e.g. where a cluster does not enforce the memory a job asked for.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from math import prod
from pathlib import Path

from workflow_scripts.core.errors import InputError

MEMORY_SHARE = 0.8
"""Share of the free memory that one array of a foreign file may take."""

YAML_BYTES = 32 * 2**20
JSON_BYTES = 2 * 2**30
TEXT_BYTES = 8 * 2**30
DEPTH = 100
"""Levels of lists and mappings in JSON, YAML and pickled attributes."""
ALIASES = 100_000
"""Values that the aliases of a YAML file may stand for."""
DIGITS = 400
"""Digits of a whole number; a double ends at 309."""
HDF5_OBJECTS = 2_000_000
"""Groups, datasets and links of one HDF5 file."""
FRAMES = 100_000_000
"""Frames of one recording: 11 days at 100 a second."""
SPARSE = 100
"""Frames for each row of a table whose rows name their frame; the others hold no animal."""
FPS = 100_000.0
"""Frames a second."""
COLUMNS = 5000
"""Columns of a table that pandas parses: it takes the square of their number."""
CLASSES = 10_000
"""Classes of one task."""
PIXELS = 100_000_000
"""Pixels of one picture or video frame."""
VIDEO_SECONDS = 60 * 86_400.0
"""Length of one video; and more than `FRAMES` frames are refused."""
ZIP_MEMBERS = 1_000_000
RATIO = 1100
"""What deflate can pack at best is 1032 to 1; a member or dataset that claims more is no honest one."""


def free_memory() -> int:
    """Bytes this process may still take: free on the machine, and below the limit of its control group and ulimit."""
    configured = os.environ.get("ETHOMAKE_MAX_MEMORY", "")
    if configured.isdigit():
        return int(configured)
    found = [_available(), _cgroup()]
    try:
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
        if soft != resource.RLIM_INFINITY:
            used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
            found.append(soft - used)
    except (ImportError, OSError, ValueError):
        pass
    return max(0, min((value for value in found if value is not None), default=2**63))


def _available() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return None


def _cgroup() -> int | None:
    folder = Path("/sys/fs/cgroup")
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            most, now = (folder / limit).read_text().strip(), (folder / used).read_text().strip()
            if most.isdigit() and int(most) < 2**60:
                return int(most) - int(now)
        except (OSError, ValueError):
            continue
    return None


def require_memory(path: str | Path, what: str, size: int) -> None:
    """Refuse to read something that does not fit into memory, before it is read.

    Parameters
    ----------
    path : str or Path
        The file.
    what : str
        What in it, for the sentence.
    size : int
        Bytes it takes.

    Raises
    ------
    InputError
    """
    if size < 2**24:
        return
    free = int(MEMORY_SHARE * free_memory())
    if size > free:
        raise InputError(
            path,
            f"{what} takes {human(size)} of memory, and {human(free)} may be used",
            "check that the file is what it should be, split it, or use a machine with more memory",
        )


def require_shape(path: str | Path, what: str, shape: Iterable[int], itemsize: int) -> None:
    """Refuse an array by its claimed shape; see :func:`require_memory`."""
    sizes = [int(size) for size in shape]
    if any(size < 0 for size in sizes):
        raise InputError(path, f"{what} has the shape {tuple(sizes)}", "download or export it again")
    require_memory(path, what, prod(sizes) * itemsize)


def require_most(path: str | Path, what: str, found: float, most: float) -> None:
    """Refuse a count beyond its limit.

    Raises
    ------
    InputError
    """
    if not found <= most:
        raise InputError(
            path, f"{what} is {found:g}, more than the limit of {most:g}", "check that the file is what it should be"
        )


def require_frames(path: str | Path, frames: float, rows: int) -> None:
    """Refuse a table whose last frame is far beyond its rows: a line of text may claim 10⁸ frames.

    Parameters
    ----------
    path : str or Path
    frames : float
        Number of the last frame, plus 1.
    rows : int
        Rows of the table.

    Raises
    ------
    InputError
    """
    require_most(path, "its number of frames", frames, FRAMES)
    if frames > SPARSE * rows + 100_000:
        raise InputError(path, f"has {rows} rows, the last of frame {frames - 1:.0f}", "export the file again")


def free_disk(folder: str | Path) -> int:
    """Bytes free for the user on the file system of a folder (or of the nearest one above it that exists)."""
    place = Path(folder).absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    return shutil.disk_usage(place).free


def human(size: float) -> str:
    """Write a number of bytes as people do."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
