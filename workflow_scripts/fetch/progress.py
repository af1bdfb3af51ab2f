"""How far a download is: a bar on a terminal, a few log lines elsewhere."""

from __future__ import annotations

import logging
import sys
from types import TracebackType

from tqdm import tqdm

from workflow_scripts.core.progress import Meter

logger = logging.getLogger(__name__)


class Progress:
    """Count bytes; use as a context manager.

    Parameters
    ----------
    name : str
        What is being downloaded.
    total : int or None
        Bytes of the whole file, where known.
    done : int
        Bytes that are already there.
    """

    def __init__(self, name: str, total: int | None, done: int) -> None:
        self._name, self._total, self._done = name, total, done
        self._quarter = self._quarters()
        self._bar: tqdm | None = None
        self._meter = Meter(f"download {name}", total, "B", done)
        if sys.stderr.isatty() and not self._meter.shown:
            self._bar = tqdm(
                total=total, initial=done, desc=name, unit="B", unit_scale=True, unit_divisor=1024, file=sys.stderr
            )
        else:
            size = "of unknown size" if total is None else f"{total} bytes"
            logger.info("%s: downloading (%s, %d already here)", name, size, done)

    def _quarters(self) -> int:
        return 4 * self._done // self._total if self._total else 0

    def add(self, count: int) -> None:
        """Note that `count` more bytes have come."""
        self._done += count
        self._meter.set(self._done)
        if self._bar is not None:
            self._bar.update(count)
            return
        quarter = self._quarters()
        if quarter > self._quarter:
            self._quarter = quarter
            logger.info("%s: %d %% (%d of %d bytes)", self._name, 25 * quarter, self._done, self._total)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._meter.__exit__()
        if self._bar is not None:
            self._bar.close()
        elif error is None and self._total is None:
            logger.info("%s: all of it (%d bytes)", self._name, self._done)
