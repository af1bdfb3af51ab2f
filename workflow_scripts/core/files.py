"""Whole-or-nothing files: write beside, fsync, rename."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workflow_scripts.core.documents import read_json as read_json
from workflow_scripts.core.documents import read_yaml as read_yaml
from workflow_scripts.core.errors import EthoMakeError, InputError

CHUNK = 1 << 20
"""Bytes read or written at a time."""

_UMASK_LOCK = threading.Lock()

UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS}
"""Errors of the place, not of the program."""


def _sync_directory(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    """Return the user's umask."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    except (OSError, ValueError):
        pass
    with _UMASK_LOCK:  # asking means setting, which another thread must not see
        mask = os.umask(0o077)
        os.umask(mask)
    return mask


def explain_os_error(error: OSError, path: str | Path) -> EthoMakeError:
    """Turn an operating-system error met while writing `path` into one sentence.

    Parameters
    ----------
    error : OSError
        What the system said.
    path : str or Path
        The file being written.

    Returns
    -------
    EthoMakeError
        To be raised from `error`.
    """
    reasons = {
        errno.ENOSPC: ("the disk is full", "free some space and run the same command again"),
        errno.EDQUOT: ("your disk quota is used up", "free some space and run the same command again"),
        errno.EFBIG: ("it is larger than your limit on file sizes", "raise the limit (ulimit -f) and run again"),
        errno.EACCES: ("the folder may not be written to", "change its permissions or choose another folder"),
        errno.EPERM: ("the folder may not be written to", "change its permissions or choose another folder"),
        errno.EROFS: ("the file system is read-only", "choose another folder"),
    }
    what, remedy = reasons.get(
        error.errno or 0, (error.strerror or str(error), "check the path and run the same command again")
    )
    return InputError(path, f"cannot be written because {what}", remedy)


def _short(stem: str) -> str:
    """Shorten a name, with a digest, so that what is put around it still fits into 255 bytes."""
    raw = stem.encode("utf-8", "surrogateescape")
    if len(raw) <= 200:
        return stem
    return raw[:180].decode("utf-8", "ignore") + hashlib.sha256(raw).hexdigest()[:12]


@contextmanager
def atomic_path(path: str | Path, *, read_only: bool = False) -> Iterator[Path]:
    """Give a temporary path beside `path`; on a clean exit it becomes `path`, else it vanishes.

    Parameters
    ----------
    path : str or Path
        The file to make; missing parent folders are created.
    read_only : bool
        Take the write permission away from the finished file.

    Yields
    ------
    Path
        Where to write. The name keeps the suffix, since some writers choose the format by it.

    Raises
    ------
    EthoMakeError
        When the disk is full or the folder cannot be written to.
    """
    target = Path(path)
    # The process id keeps two writers apart; the winner's file is whole either way.
    part = target.with_name(f".{_short(target.stem)}.{os.getpid()}.part{target.suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if part.is_symlink():  # writing would follow it
            part.unlink()
        yield part
        with open(part, "rb") as handle:
            os.fsync(handle.fileno())
        # Some writers (safetensors, tempfile) make files for the owner alone; colleagues could not read them.
        part.chmod((0o444 if read_only else 0o666) & ~_umask())
        part.replace(target)
        _sync_directory(target.parent)
    except OSError as error:
        if error.errno in UNWRITABLE:
            raise explain_os_error(error, target) from error
        raise
    finally:
        part.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all."""
    with atomic_path(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON with a final newline, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


FAILED = "ethomake: failed\n"
"""First line of a file that stands for a result that could not be made."""


def write_failure(path: str | Path, reason: str) -> None:
    """Write a file that says why the real one could not be made (key `keep_going`)."""
    write_text(path, f"{FAILED}{reason}\n")


def failure(path: str | Path) -> str | None:
    """Return why a file could not be made, None where it is a real one (or is not there)."""
    start = FAILED.encode()
    try:
        with open(path, "rb") as handle:
            if handle.read(len(start)) != start:
                return None
            return handle.read().decode("utf-8", "replace").strip()
    except (FileNotFoundError, IsADirectoryError):
        return None


def digest(path: str | Path, algorithm: str = "sha256") -> str:
    """Return the hexadecimal checksum of a file, read in chunks."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, algorithm).hexdigest()
