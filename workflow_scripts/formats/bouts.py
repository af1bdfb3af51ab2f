"""Bouts: unbroken stretches of one class, and the runs of equal values they are cut from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Bout:
    """One behaviour from frame `start` up to, not including, frame `stop`; frames count from 0.

    `line` is its line in the file it was read from, 0 where it comes from none; `confidence` is a model's, in [0, 1];
    `exact` its two ends in frames where they were given in seconds and so may lie within a frame.
    """

    start: int
    stop: int
    name: str
    line: int = 0
    subject: str = ""
    confidence: float | None = None
    exact: tuple[float, float] | None = None

    @property
    def ends(self) -> tuple[float, float]:
        """Both ends in frames, as exactly as they are known."""
        return (float(self.start), float(self.stop)) if self.exact is None else self.exact


class Runs(NamedTuple):
    """Runs of equal values, in order.

    Attributes
    ----------
    start, stop : ndarray of int64, shape (n_runs,)
        First frame, and frame after the last.
    value : ndarray, shape (n_runs,)
        In the type of the array that was cut.
    """

    start: npt.NDArray[np.int64]
    stop: npt.NDArray[np.int64]
    value: npt.NDArray[Any]

    @property
    def length(self) -> npt.NDArray[np.int64]:
        """Frames of each run."""
        return self.stop - self.start

    def of(self, value: object) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return `start` and `stop` of the runs of one value."""
        chosen = self.value == value
        return self.start[chosen], self.stop[chosen]

    def triples(self) -> list[tuple[int, int, int]]:
        """Return (start, stop, value) of each run as Python integers."""
        return list(zip(self.start.tolist(), self.stop.tolist(), map(int, self.value.tolist()), strict=True))


def runs(values: npt.NDArray[Any]) -> Runs:
    """Cut an array into its runs of equal values.

    Parameters
    ----------
    values : ndarray, shape (time,)
        Class indices, or a mask.

    Returns
    -------
    Runs
        Empty for an empty array.
    """
    if not len(values):
        empty = np.empty(0, np.int64)
        return Runs(empty, empty, values)
    edges = np.flatnonzero(values[1:] != values[:-1]) + 1
    start = np.concatenate([[0], edges]).astype(np.int64)
    stop = np.concatenate([edges, [len(values)]]).astype(np.int64)
    return Runs(start, stop, values[start])
