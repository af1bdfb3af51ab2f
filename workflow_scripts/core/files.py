"""Whole-or-nothing files: write beside, fsync, rename."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from workflow_scripts.core.errors import EthoMakeError, InputError

CHUNK = 1 << 20
"""Bytes read or written at a time."""

UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS}
"""Errors of the place, not of the program."""


def _sync_directory(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
    part = target.with_name(f".{target.stem}.{os.getpid()}.part{target.suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield part
        with open(part, "rb") as handle:
            os.fsync(handle.fileno())
        if read_only:
            part.chmod(0o444)
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


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    InputError
        When the file is absent or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(path, "the file does not exist", "check the path") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(path, f"is not valid JSON ({error})", "write it again") from error


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


class _UniqueKeyLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Safe YAML in which a repeated key is an error: the later one would silently win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable):
                if key in seen:
                    line = key_node.start_mark.line + 1
                    raise yaml.constructor.ConstructorError(None, None, f"line {line}: the key {key!r} stands twice")
                seen.add(key)
        return super().construct_mapping(node, deep=deep)  # type: ignore[no-any-return]


def read_yaml(path: str | Path) -> Any:
    """Read a YAML file: safe types only, repeated keys refused.

    Raises
    ------
    InputError
        When the file is absent or is not such YAML.
    """
    try:
        with open(path, encoding="utf-8") as handle:
            return yaml.load(handle, Loader=_UniqueKeyLoader)  # noqa: S506 - a SafeLoader subclass
    except FileNotFoundError as error:
        raise InputError(path, "the file does not exist", "check the name and the path") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        first = " ".join(str(error).split())
        raise InputError(path, f"is not valid YAML ({first})", "mend that place") from error
