"""Files that a source reads beside the one it was given."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from workflow_scripts.core.documents import require_plain
from workflow_scripts.core.errors import InputError


def beside(path: Path, name: str) -> Path:
    """Return a file that an option names relative to another one; it may be in the same folder or below it alone.

    Raises
    ------
    InputError
        When the name leads elsewhere, or to no regular file.
    """
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts or not name or "\\" in name:
        raise InputError(path, f"{name[:80]!r} is not beside this file", "name a file of the same folder, or below it")
    require_plain(path.parent / name)
    return path.parent / name
