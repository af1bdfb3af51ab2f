"""The unfinished download: `<target>.part`, a note on where its bytes came from, and a lock on both.

The lock is held on the part file itself, so nothing is left behind to clean up, and the system frees it when
the process dies.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import logging
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.files import explain_os_error, write_json

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Note:
    """What must still hold for the bytes of a part file to be of use; `url` is a digest, for it may hold a password."""

    url: str
    etag: str | None
    last_modified: str | None
    bytes: int | None
    sha256: str | None
    md5: str | None

    @property
    def validator(self) -> str | None:
        """Value for `If-Range`; a weak ETag does not promise the same bytes (RFC 9110, 13.1.5)."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.last_modified


def fingerprint(url: str) -> str:
    """Return a digest of an address, by which it can be compared and not read."""
    return hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()


class Partial:
    """A part file this process has locked; get one from :func:`lock_partial`."""

    def __init__(self, target: Path, descriptor: int) -> None:
        self.target = target
        self.path = part_path(target)
        self._note_path = self.path.with_name(self.path.name + ".json")
        self._descriptor = descriptor

    @property
    def size(self) -> int:
        """Bytes held."""
        return os.fstat(self._descriptor).st_size

    def note(self) -> Note | None:
        """Read the note; None where there is none, or none that can be read."""
        try:
            return Note(**json.loads(self._note_path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def restart(self, note: Note) -> None:
        """Empty the part file and note where its next bytes come from."""
        # In this order a kill at any point leaves no note beside bytes it does not speak of.
        self.discard()
        write_json(self._note_path, asdict(note))

    def append(self, data: bytes) -> None:
        """Add bytes at the end.

        Raises
        ------
        InputError
            When the disk is full or the file may not grow.
        """
        try:
            os.lseek(self._descriptor, 0, os.SEEK_END)
            view = memoryview(data)
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            raise explain_os_error(error, self.target) from error

    def discard(self) -> None:
        """Throw the bytes and the note away."""
        self._note_path.unlink(missing_ok=True)
        os.ftruncate(self._descriptor, 0)

    def finish(self) -> None:
        """Turn the part file into the read-only target."""
        os.fsync(self._descriptor)
        self.path.replace(self.target)
        # After the rename: a read-only part file could not be opened again by the run after a kill.
        os.fchmod(self._descriptor, os.fstat(self._descriptor).st_mode & 0o444)  # keeps what the umask took
        self._note_path.unlink(missing_ok=True)
        folder = os.open(self.target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def is_in_place(self) -> bool:
        """Whether the part file's name still stands for the file that is locked."""
        try:
            return os.path.samestat(self.path.stat(), os.fstat(self._descriptor))
        except FileNotFoundError:
            return False

    def tidy(self) -> None:
        """Remove a part file that holds nothing."""
        if self.is_in_place() and self.size == 0:
            self._note_path.unlink(missing_ok=True)
            self.path.unlink()


def part_path(target: Path) -> Path:
    """Where the unfinished download of `target` is."""
    return target.with_name(target.name + ".part")


def _open_part(path: Path) -> int:
    """Open or make the part file itself: no link is followed, and no pipe waited for."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno not in {errno.ELOOP, errno.ENXIO, errno.EISDIR}:
            raise
        raise InputError(path, "is a link, a pipe or a folder, not an unfinished download", "remove it") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InputError(path, "is a pipe or a device, not an unfinished download", "remove it")
    return descriptor


def _try_lock(descriptor: int, target: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}:
            raise
        # Some cluster file systems are mounted without locks; refusing to download there would help nobody.
        logger.warning("%s: this file system has no locks; do not download it twice at a time", target)
    return True


@contextmanager
def lock_partial(target: Path, *, wait: float, sleep: Callable[[float], object]) -> Iterator[Partial]:
    """Open and lock the part file of `target`, waiting for another process that holds it.

    Parameters
    ----------
    target : Path
        The file being made; its folder exists.
    wait : float
        Seconds to wait at most.
    sleep : callable
        Waits for the given number of seconds.

    Yields
    ------
    Partial
        The part file, with the bytes an earlier run left in it.

    Raises
    ------
    InputError
        When the other process does not finish in time.
    """
    waited = 0.0
    while True:
        descriptor = _open_part(part_path(target))
        try:
            part = Partial(target, descriptor)
            if _try_lock(descriptor, target):
                if part.is_in_place():
                    try:
                        yield part
                    finally:
                        part.tidy()
                    return
                continue  # the other process has just renamed or removed it
            if waited >= wait:
                raise InputError(
                    target,
                    f"is being downloaded by another process, which did not finish within {wait:g} s",
                    "wait for it or end it, then run the same command again",
                )
            if waited == 0:
                logger.info("%s: another process is downloading it; waiting", target)
            sleep(POLL_SECONDS)
            waited += POLL_SECONDS
        finally:
            os.close(descriptor)
