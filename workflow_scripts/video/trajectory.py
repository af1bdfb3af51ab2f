"""From boxes on some frames to a box on every frame and a steady square window.

Everything here is local: what is decided for a frame depends on the detections within `margin` frames of it, so a
video can be cropped while it is being decoded, and the result does not depend on how it was cut into pieces.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from workflow_scripts.formats.clips import DETECTED, INTERPOLATED, MISSING

JUMP = 1.5
"""A detection whose centre is further than this many window sides from its neighbours' median is rejected."""

NEIGHBOURS = 2
"""Detections before and after that form that median."""


@dataclass
class BoxPath:
    """Boxes over time.

    Parameters
    ----------
    every : int
        Frames between two detections.
    fps : float
    max_gap : float
        Seconds over which a missing box is interpolated.
    smooth : float
        Standard deviation, in seconds, of the window's smoothing.
    """

    every: int
    fps: float
    max_gap: float = 1.0
    smooth: float = 0.25
    found: list[npt.NDArray[np.float32]] = field(default_factory=list)
    """One row (x1, y1, x2, y2, score) a detection frame 0, `every`, 2·`every` …; NaN where nothing was found."""

    @property
    def gap(self) -> int:
        """Longest interpolated gap in frames."""
        return max(self.every, round(self.max_gap * self.fps))

    @property
    def reach(self) -> int:
        """Frames of smoothing on either side."""
        return round(3 * self.smooth * self.fps)

    @property
    def margin(self) -> int:
        """Frames of detections that must be known beyond the last frame that is asked for."""
        return self.gap + self.reach + (NEIGHBOURS + 1) * self.every

    def _accepted(self, first: int, last: int, side: float) -> npt.NDArray[np.float32]:
        """Return detections `first` to `last` with those that jump replaced by NaN, shape (last - first, 5)."""
        low = max(0, first - NEIGHBOURS)
        boxes = np.array(self.found[low : last + NEIGHBOURS], dtype=np.float32).reshape(-1, 5)
        centres = (boxes[:, :2] + boxes[:, 2:4]) / 2
        pad = np.full((NEIGHBOURS, 2), np.nan, np.float32)
        padded = np.concatenate([pad, centres, pad])
        stack = np.stack([padded[k : k + len(centres)] for k in range(2 * NEIGHBOURS + 1)])
        known = (~np.isnan(stack[..., 0])).sum(axis=0)
        far = np.hypot(*(centres - _nan_median(stack)).T) > JUMP * side
        boxes[far & (known >= 3)] = np.nan
        return boxes[first - low : last - low]

    def boxes(
        self, start: int, stop: int, side: float
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
        """Return boxes, scores and origins of frames `start` to `stop`.

        Parameters
        ----------
        start, stop : int
        side : float
            Side of the window in pixels, the scale of what counts as a jump.

        Returns
        -------
        boxes : ndarray, float32, shape (stop - start, 4)
        scores : ndarray, float32, shape (stop - start,)
        origin : ndarray, uint8, shape (stop - start,)
        """
        low = max(0, (start - self.gap) // self.every)
        high = min(len(self.found), (stop + self.gap) // self.every + 2)
        detections = self._accepted(low, high, side)
        frames = np.arange(start, stop)
        seen = np.flatnonzero(~np.isnan(detections[:, 0]))
        boxes = np.full((len(frames), 4), np.nan, np.float32)
        scores = np.full(len(frames), np.nan, np.float32)
        origin = np.full(len(frames), MISSING, np.uint8)
        if not len(seen):
            return boxes, scores, origin
        at = (seen + low) * self.every
        after = np.searchsorted(at, frames)
        left, right = np.clip(after - 1, 0, len(at) - 1), np.clip(after, 0, len(at) - 1)
        exact = at[right] == frames
        between = (at[left] < frames) & (at[right] > frames) & (at[right] - at[left] <= self.gap)
        share = np.where(between, (frames - at[left]) / np.maximum(at[right] - at[left], 1), 0)[:, None]
        mixed = (1 - share) * detections[seen[left], :4] + share * detections[seen[right], :4]
        boxes[between] = mixed[between]
        boxes[exact] = detections[seen[right[exact]], :4]
        scores[exact] = detections[seen[right[exact]], 4]
        origin[between], origin[exact] = INTERPOLATED, DETECTED
        # The frames after the last detection of a video have no second neighbour and keep its box.
        tail = (frames > at[-1]) & (frames - at[-1] < self.every) & (at[-1] == (len(self.found) - 1) * self.every)
        boxes[tail], origin[tail] = detections[seen[-1], :4], INTERPOLATED
        return boxes, scores, origin

    def windows(
        self, start: int, stop: int, side: int, width: int, height: int, last: npt.NDArray[np.float64] | None
    ) -> npt.NDArray[np.float32]:
        """Return the smoothed window of frames `start` to `stop`, as corners in even pixels.

        Parameters
        ----------
        start, stop : int
        side : int
            Side of the window, even.
        width, height : int
            Of the picture: the window is moved inside it where it fits.
        last : ndarray or None
            Corner of the window of frame `start` - 1, None at the beginning. A window that would move by 2 pixels or
            less stays, or rounding would make a resting animal tremble.

        Returns
        -------
        ndarray, float32, shape (stop - start, 4)
        """
        first = max(0, start - self.reach)
        reached = min(stop + self.reach, max(stop, (len(self.found) - 1) * self.every + 1))
        # Boxes a gap before and after are needed to know the nearest one.
        low, high = max(0, first - self.gap), reached + self.gap
        boxes, _, _ = self.boxes(low, high, side)
        centres = _nearest((boxes[:, :2] + boxes[:, 2:]) / 2, self.gap, (width / 2, height / 2))
        centres = centres[first - low : reached - low]
        padded = np.concatenate(
            [
                np.repeat(centres[:1], self.reach - (start - first), axis=0),
                centres,
                np.repeat(centres[-1:], self.reach - (reached - stop), axis=0),
            ]
        )
        kernel = np.exp(-0.5 * (np.arange(-self.reach, self.reach + 1) / max(self.smooth * self.fps, 1e-6)) ** 2)
        kernel /= kernel.sum()
        smooth = np.stack([np.convolve(padded[:, axis], kernel, mode="valid") for axis in (0, 1)], axis=1)
        wanted = _inside(smooth - side / 2, side, width, height)
        kept, corners = None if last is None else last.tolist(), []
        for x, y in (2 * np.round(wanted / 2)).tolist():
            if kept is None or abs(x - kept[0]) > 2 or abs(y - kept[1]) > 2:
                kept = [x, y]
            corners.append([*kept, kept[0] + side, kept[1] + side])
        return np.array(corners, np.float32).reshape(-1, 4)


def _nan_median(stack: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Median over the first axis: `numpy.nanmedian`, faster on few numbers; no warning where all is missing."""
    ordered = np.sort(stack, axis=0)  # missing ones last
    known = (~np.isnan(stack)).sum(axis=0, keepdims=True)
    low, high = np.maximum(known - 1, 0) // 2, np.minimum(known // 2, len(stack) - 1)
    middle = np.take_along_axis(ordered, low, 0) + np.take_along_axis(ordered, high, 0)
    return np.asarray(middle[0] / 2, np.float32)


def _nearest(centres: npt.NDArray[np.floating], gap: int, default: tuple[float, float]) -> npt.NDArray[np.float64]:
    """Fill missing centres with the nearest known one at most `gap` frames away, else with the picture's middle."""
    filled = np.tile(np.array(default, dtype=np.float64), (len(centres), 1))
    seen = np.flatnonzero(~np.isnan(centres[:, 0]))
    if len(seen):
        frames = np.arange(len(centres))
        after = np.clip(np.searchsorted(seen, frames), 0, len(seen) - 1)
        before = np.clip(after - 1, 0, len(seen) - 1)
        pick = np.where(np.abs(seen[before] - frames) <= np.abs(seen[after] - frames), seen[before], seen[after])
        near = np.abs(pick - frames) <= gap
        filled[near] = centres[pick[near]]
    return filled


def _inside(corners: npt.NDArray[np.float64], side: int, width: int, height: int) -> npt.NDArray[np.float64]:
    """Move windows into the picture; one that is larger than the picture is centred on it."""
    moved = corners.copy()
    for axis, length in ((0, width), (1, height)):
        if side <= length:
            moved[:, axis] = np.clip(corners[:, axis], 0, length - side)
        else:
            moved[:, axis] = (length - side) / 2
    return moved
