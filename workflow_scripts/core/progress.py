"""How far a job is, for the terminal of the run it belongs to.

`ethomake run` shows bars of what its jobs do. A job cannot write to that terminal without disturbing it, so it keeps a
small file up to date in a folder that the environment variable `ETHOMAKE_PROGRESS` names. Without the variable (on a
cluster, in a pipe, in a job started by hand) a meter does nothing.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

FOLDER = "ETHOMAKE_PROGRESS"
"""Environment variable with the folder of meters."""
INTERVAL = 0.3
"""Seconds between two writes of one meter."""

T = TypeVar("T")


@dataclass(frozen=True)
class Reading:
    """What a meter shows."""

    name: str
    done: float
    total: float
    unit: str


class Meter:
    """Count work; use as a context manager.

    Parameters
    ----------
    name : str
        What is counted, as the terminal shows it.
    total : float or None
        How much there is; nothing is shown where this is unknown.
    unit : str
        What one of it is called; `B` for bytes.
    done : float
        How much is done already.
    """

    def __init__(self, name: str, total: float | None, unit: str, done: float = 0) -> None:
        folder = os.environ.get(FOLDER)
        self._path = Path(folder) / f"{os.getpid()}-{id(self):x}.json" if folder and total else None
        self._reading = Reading(name, done, float(total or 0), unit)
        self._written = -INTERVAL

    @property
    def shown(self) -> bool:
        """Whether a terminal shows this meter."""
        return self._path is not None

    def set(self, done: float) -> None:
        """Note how much is done."""
        if self._path is None:
            return
        self._reading = Reading(self._reading.name, done, self._reading.total, self._reading.unit)
        if time.monotonic() - self._written < INTERVAL:
            return
        self._written = time.monotonic()
        part = self._path.with_suffix(".part")
        with suppress(OSError):  # a display never ends a job
            part.write_text(json.dumps(self._reading.__dict__), encoding="utf-8")
            part.replace(self._path)

    def add(self, count: float) -> None:
        """Note that `count` more is done."""
        self.set(self._reading.done + count)

    def __enter__(self) -> Meter:
        self.set(self._reading.done)
        return self

    def __exit__(self, *_: object) -> None:
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)


def may_draw() -> bool:
    """Whether a job may draw a bar of its own: on a terminal, unless a run of the workflow draws there already."""
    return sys.stderr.isatty() and FOLDER not in os.environ


def metered(items: Iterable[T], name: str, total: int, unit: str) -> Iterator[T]:
    """Yield `items` and count them."""
    with Meter(name, total, unit) as meter:
        for item in items:
            yield item
            meter.add(1)


def readings(folder: Path) -> list[Reading]:
    """Return what the meters of living jobs show, in the order of their files' names."""
    found = []
    for path in sorted(folder.glob("*.json")):
        with suppress(OSError, ValueError, TypeError):
            os.kill(int(path.name.partition("-")[0]), 0)  # a killed job leaves its file
            found.append(Reading(**json.loads(path.read_text(encoding="utf-8"))))
    return found
