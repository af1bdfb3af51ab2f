"""How long, how slow and how large a download may be."""

from __future__ import annotations

import errno
import time
from dataclasses import dataclass
from pathlib import Path

from workflow_scripts.cards.card import RemoteFile
from workflow_scripts.core.files import explain_os_error
from workflow_scripts.core.limits import free_disk, human
from workflow_scripts.fetch.answers import GiveUp, Retry

RESERVE = 2**28
"""Bytes of disk that a long download leaves free."""
LOOK_EVERY = 2**26
"""Bytes between two looks at the free disk."""
WINDOW_SECONDS = 120.0
"""Time over which the speed is measured."""


@dataclass(frozen=True)
class Limits:
    """What one file may take.

    Attributes
    ----------
    seconds : float
        Time for all attempts together.
    slowest : float
        Bytes a second over `window` seconds.
    most_bytes : float
        Size of a file whose card states none.
    window : float
        Seconds over which the speed is measured.
    """

    seconds: float = 48 * 3600.0
    slowest: float = 1000.0
    most_bytes: float = 200e9
    window: float = WINDOW_SECONDS

    def starting_now(self, folder: Path, file: RemoteFile) -> Budget:
        """Start the clock for a file that is written to `folder`."""
        return Budget(self, folder, file.bytes if file.bytes is not None else int(self.most_bytes))


class Budget:
    """The limits of one download, with its clock running."""

    def __init__(self, limits: Limits, folder: Path, most_bytes: int) -> None:
        self.limits, self.folder, self.most_bytes = limits, folder, most_bytes
        self.started = self._since = time.monotonic()
        self._bytes = self._unchecked = 0

    def begin(self) -> None:
        """Begin to measure the speed of one answer."""
        self._since, self._bytes = time.monotonic(), 0

    def require_time(self, wait: float = 0.0) -> None:
        """Give up where the time is over, or would be after a wait.

        Raises
        ------
        GiveUp
        """
        if time.monotonic() + wait - self.started > self.limits.seconds:
            raise GiveUp(f"took longer than {self.limits.seconds / 3600:g} h (download.max_hours)")

    def require_size(self, size: int) -> None:
        """Give up where a file is, or is announced to be, larger than it may be.

        Raises
        ------
        GiveUp
        """
        if size > self.most_bytes:
            raise GiveUp(
                f"the server sends more than {human(self.most_bytes)}, the limit for a card that states no size "
                "(download.max_gigabytes)"
            )

    def count(self, size: int) -> None:
        """Count bytes that came.

        Raises
        ------
        GiveUp
            When the time is over.
        Retry
            When fewer came than the slowest speed brings.
        InputError
            When the disk is nearly full: a body without end must not take the last of it.
        """
        self.require_time()
        self._bytes += size
        self._unchecked += size
        if self._unchecked >= LOOK_EVERY:
            self._unchecked = 0
            if free_disk(self.folder) < RESERVE:
                raise explain_os_error(OSError(errno.ENOSPC, "nearly full"), self.folder)
        now = time.monotonic()
        if now - self._since >= self.limits.window:
            speed = self._bytes / (now - self._since)
            if speed < self.limits.slowest:
                raise Retry(f"only {speed:.0f} bytes a second came")
            self._since, self._bytes = now, 0
