"""How much of what moves in a video is outside the boxes: the measure of a detector that misses an animal."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from workflow_scripts.video.frames import Planes

SHORT_SIDE = 120
"""Pixels to which the shorter side is reduced."""

MIN_CHANGE = 12.0
"""Change in grey levels that counts as motion at least; else five deviations of the noise."""

GROW = 0.15
"""A box is widened by this share of its longer side: limbs, tail and compression reach over it."""

OUTSIDE_WARNING = 0.25
"""Share of moving pixels outside the boxes from which a video is reported."""


def middle(values: npt.NDArray[np.float32]) -> np.float32:
    """Return the median of all values: `numpy.median` without its checks, which cost more on a small picture."""
    low, high = (values.size - 1) // 2, values.size // 2
    ordered = np.partition(values, (low, high), axis=None)
    return np.float32((ordered[low] + ordered[high]) / 2)


class Coverage:
    """Counts moving pixels inside and outside the boxes of successive detections."""

    def __init__(self) -> None:
        self.inside = self.outside = 0
        self._gray: npt.NDArray[np.float32] | None = None
        self._boxes: npt.NDArray[np.floating] = np.zeros((0, 4))

    def add(self, planes: Planes, boxes: npt.NDArray[np.floating]) -> None:
        """Take in one frame.

        Parameters
        ----------
        planes : Planes
        boxes : ndarray, shape (n, 4)
            x1, y1, x2, y2 in pixels of the frame; rows of NaN are left out.
        """
        step = max(1, min(planes.y.shape) // SHORT_SIDE)
        gray = planes.gray(step)
        boxes = boxes[~np.isnan(boxes).any(axis=1)] / step
        if self._gray is not None:
            change = gray - self._gray
            change = np.abs(change - middle(change))
            moving = change > max(MIN_CHANGE, 5 * 1.4826 * float(middle(change)))
            # An animal moves out of its old box and into its new one.
            covered = np.zeros_like(moving)
            for x1, y1, x2, y2 in np.concatenate([boxes, self._boxes]):
                more = GROW * max(x2 - x1, y2 - y1)
                low_x, low_y = max(0, int(x1 - more)), max(0, int(y1 - more))
                covered[low_y : int(np.ceil(y2 + more)), low_x : int(np.ceil(x2 + more))] = True
            inside = int(np.count_nonzero(moving & covered))
            self.inside += inside
            self.outside += int(np.count_nonzero(moving)) - inside
        self._gray, self._boxes = gray, boxes

    def share(self) -> float:
        """Return the share of the moving pixels outside; NaN where nothing moved."""
        total = self.inside + self.outside
        return self.outside / total if total else float("nan")
