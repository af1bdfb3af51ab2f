"""Several animals in one video: every box of each frame, linked over time, of which one animal is followed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from workflow_scripts.video.frames import Planes, Region
from workflow_scripts.video.metadata import VideoInfo

Boxes = npt.NDArray[np.float32]

REACH = 1.5
"""An animal is found again within this many of its own lengths, and as far again for each detection it was missing."""

SAME = 0.7
"""Two boxes with a larger IoU are one animal."""


class Several(Protocol):
    """A detector that finds every animal of a frame."""

    batch: int
    samples: int

    def fit(self, info: VideoInfo, samples: Sequence[Planes], region: Region | None) -> None:
        """Look at a video as a whole."""

    def detect_all(self, frames: Sequence[Planes], numbers: Sequence[int]) -> list[Boxes]:
        """Return the boxes of each frame, float32 (n, 5), the surest first."""


def overlap(box: Boxes, others: Boxes) -> npt.NDArray[np.float64]:
    """Return the intersection over union of a box (4,) and others (n, 4)."""
    shared = np.maximum(np.minimum(box[2:4], others[:, 2:4]) - np.maximum(box[:2], others[:, :2]), 0).prod(axis=1)
    areas = (others[:, 2:4] - others[:, :2]).prod(axis=1) + (box[2:4] - box[:2]).prod()
    return np.asarray(shared / np.maximum(areas - shared, 1e-9), np.float64)


def distinct(boxes: Boxes, most: int) -> Boxes:
    """Return at most `most` boxes, the first of those that show one thing."""
    kept: list[Boxes] = []
    for box in boxes:
        if len(kept) == most:
            break
        if not kept or overlap(box, np.stack(kept)).max() <= SAME:
            kept.append(box)
    return np.stack(kept) if kept else np.zeros((0, 5), np.float32)


class Linked:
    """Follows one of several animals.

    Boxes are assigned to animals so that the sum of the distances from where each was last seen is least (Kuhn 1955).
    In the first frame animals are numbered from left to right. Two that change places while they hide each other may
    be confused: nothing but the place is looked at.

    Parameters
    ----------
    inner : Several
    animals : int
        Animals in the picture.
    animal : int
        Which of them is followed, from 0.
    """

    def __init__(self, inner: Several, animals: int, animal: int) -> None:
        self.inner, self.animals, self.animal = inner, animals, animal
        self.batch, self.samples = inner.batch, inner.samples
        self.everyone: list[Boxes] = []
        self._reset()

    def _reset(self) -> None:
        self._last = np.full((self.animals, 5), np.nan, np.float32)
        self._missing = np.zeros(self.animals, int)

    def fit(self, info: VideoInfo, samples: Sequence[Planes], region: Region | None) -> None:
        """Look at a video as a whole; see :mod:`workflow_scripts.detectors`."""
        self.inner.fit(info, samples, region)
        self._reset()

    def survey(self, frames: Sequence[Planes], numbers: Sequence[int]) -> Boxes:
        """Return the boxes of all animals in frames that need not follow one another, (n, 5)."""
        found = [distinct(boxes, self.animals) for boxes in self.inner.detect_all(frames, numbers)]
        return np.concatenate(found) if found else np.zeros((0, 5), np.float32)

    def detect(self, frames: Sequence[Planes], numbers: Sequence[int]) -> Boxes:
        """Find the animal in frames that follow one another; see :mod:`workflow_scripts.detectors`."""
        self.everyone = [self._link(distinct(boxes, self.animals)) for boxes in self.inner.detect_all(frames, numbers)]
        return np.stack([boxes[self.animal] for boxes in self.everyone])

    def _link(self, found: Boxes) -> Boxes:
        """Return the boxes by animal, (animals, 5); NaN = not found."""
        linked = np.full((self.animals, 5), np.nan, np.float32)
        free = list(range(len(found)))
        known = np.flatnonzero(~np.isnan(self._last[:, 0]))
        if len(known) and len(found):
            centres, before = (found[:, :2] + found[:, 2:4]) / 2, self._last[known]
            gap = np.hypot(*np.moveaxis(centres[None] - ((before[:, :2] + before[:, 2:4]) / 2)[:, None], -1, 0))
            size = np.hypot(*(before[:, 2:4] - before[:, :2]).T)
            reach = REACH * size * (1 + self._missing[known])
            for row, column in zip(*linear_sum_assignment(gap / size[:, None]), strict=True):
                if gap[row, column] <= reach[row]:
                    linked[known[row]] = found[column]
                    free.remove(int(column))
        # Animals that were never seen take what is left, from left to right.
        free.sort(key=lambda column: float(found[column, 0]))
        for animal in np.flatnonzero(np.isnan(self._last[:, 0])):
            if free:
                linked[animal] = found[free.pop(0)]
        seen = ~np.isnan(linked[:, 0])
        self._last[seen] = linked[seen]
        self._missing = np.where(seen, 0, self._missing + 1)
        return linked
