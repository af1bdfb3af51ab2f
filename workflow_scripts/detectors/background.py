"""Background difference: the animal is what differs from the picture's median over time. Needs no weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator
from scipy import ndimage

from workflow_scripts.core.validation import Strict
from workflow_scripts.detectors.coverage import middle
from workflow_scripts.video.frames import Planes, Region
from workflow_scripts.video.metadata import VideoInfo

MOVING = 1.5
"""A blob of the median that changes this many times as much as the floor is an animal, not a thing."""

SHADOW = 0.5
"""A shadow differs from the background by less than this share of what the animal differs by."""

TAIL = 0.35
"""A tail is thinner than this share of the trunk."""

Gray = npt.NDArray[np.float32]


class Options(Strict):
    """Options of the detector `background`."""

    short_side: int = Field(120, ge=32, description="Pixels to which the shorter side is reduced for the search.")
    samples: int = Field(40, ge=5, description="Frames, spread over the video, whose median is the background.")
    threshold: float = Field(5.0, gt=0, description="Difference that counts, in robust standard deviations of noise.")
    min_difference: float = Field(12.0, gt=0, description="Difference that counts at least, in grey levels.")
    min_area: float = Field(0.0004, ge=0, lt=1, description="Smallest animal, as share of the picture.")
    max_area: float = Field(0.25, gt=0, le=1, description="Largest animal, as share of the picture.")
    polarity: Literal["both", "dark", "bright"] = Field("both", description="The animal against its background.")
    animals: int = Field(1, ge=1, description="Animals in the picture; the box holds as many of the largest blobs.")
    level: float = Field(
        0.5,
        ge=0.5,
        le=1,
        description="Quantile of the samples that is the background, from the animal's tone up: 0.5 is the median, "
        "more shows the floor where animals rest most of the time.",
    )
    join: float = Field(0.06, ge=0, description="Parts of an animal closer than this share of the short side are one.")
    tail: float = Field(
        0.15, ge=0, lt=1, description="Ends of the animal thinner than this share of its thickest part are its tail."
    )
    grow: float = Field(0.03, ge=0, description="Border added to the box, as share of its longer side.")
    still: Literal["auto", "yes", "no"] = Field(
        "auto",
        description="Paint compact blobs over in the background: an animal that hardly moves becomes part of a median.",
    )

    @model_validator(mode="after")
    def _level_has_a_side(self) -> Options:
        if self.level > 0.5 and self.polarity == "both":
            raise ValueError("a level above 0.5 needs a polarity: are the animals dark or bright?")
        return self


class Detector:
    """Finds the largest blob, or as many as there are animals, that differs from the background.

    Parameters
    ----------
    options : Options
    folder : Path
        Unused: nothing is read.
    """

    batch = 1

    def __init__(self, options: Options, folder: Path) -> None:
        self.options = options
        self.samples = options.samples
        self._step = 1
        self._background: Gray = np.zeros((1, 1), np.float32)
        self._cut = options.min_difference

    def fit(self, info: VideoInfo, samples: Sequence[Planes], region: Region | None) -> None:
        """Take the median of the samples, and correct it where the animal sat still."""
        height, width = samples[0].y.shape
        self._step = max(1, min(height, width) // self.options.short_side)
        stack = np.stack([planes.gray(self._step) for planes in samples])
        stack -= _drift(stack, np.median(stack, axis=0))[:, None, None]
        level = 1 - self.options.level if self.options.polarity == "bright" else self.options.level
        self._background = np.quantile(stack, level, axis=0).astype(np.float32)
        difference = stack - self._background
        noise = 1.4826 * float(np.median(np.abs(difference)))
        self._cut = max(self.options.min_difference, self.options.threshold * noise)
        if self.options.still != "no":
            self._paint(stack)

    def _paint(self, stack: Gray) -> None:
        """Replace the most animal-like blob of the median by the floor around it, if the animal is in the median.

        It is, where a compact blob of the median weighs over half of what usually differs from it (the animal and the
        place it left) and changes more than the floor (stains do not), or where nothing ever differs from it.
        """
        background = self._background
        floor = _floor(background, 0.3)
        change = np.abs(stack - background).mean(axis=0)
        for _ in range(self.options.animals):
            candidates = self._candidates(floor, change)
            if not candidates:
                return
            _, weight, best = max(candidates, key=lambda candidate: candidate[0])
            differing = self._usual_weight(stack)
            if not (self.options.still == "yes" or differing == 0 or weight > differing / 2):
                return
            grown = ndimage.binary_dilation(best, iterations=2)
            self._background = np.where(grown, floor, self._background).astype(np.float32)

    def _candidates(self, floor: Gray, change: Gray) -> list[tuple[float, float, npt.NDArray[np.bool_]]]:
        """Return blobs of the background: how animal-like, of what weight (0 if they change no more than the floor)."""
        usual = float(np.median(change)) + 0.1
        found = []
        for sign in {"dark": (-1,), "bright": (1,), "both": (-1, 1)}[self.options.polarity]:
            contrast = sign * (self._background - floor)
            for mask in self._blobs(contrast > self._cut):
                if not self.options.min_area <= mask.mean() <= self.options.max_area:
                    continue
                rows, columns = np.nonzero(mask)
                sides = np.ptp(rows) + 1, np.ptp(columns) + 1
                compact = mask.sum() / (sides[0] * sides[1]) * min(sides) / max(sides)
                weight, moving = float(contrast[mask].sum()), float(change[mask].mean()) / usual
                found.append((weight * compact * (moving + 1), weight if moving > MOVING else 0.0, mask))
        return found

    def _usual_weight(self, stack: Gray) -> float:
        """Return the median, over the samples, of all the difference in the largest blob's box."""
        weights = []
        for gray in stack:
            box = self._largest(gray)
            if not np.isnan(box[0]):
                x1, y1, x2, y2 = box[:4].astype(int)
                weights.append(float(np.abs(gray - self._background)[y1:y2, x1:x2].sum()))
        return float(np.median(weights)) if weights else 0.0

    def _blobs(self, mask: npt.NDArray[np.bool_]) -> list[npt.NDArray[np.bool_]]:
        labels, count = ndimage.label(_opened(mask))
        return [labels == k for k in range(1, count + 1)]

    def _largest(self, gray: Gray) -> npt.NDArray[np.float32]:
        """Return box (in reduced pixels) and score of the blob with the most difference in it."""
        nothing = np.full(5, np.nan, np.float32)
        difference = self._difference(gray)
        mask = difference > self._cut
        size, near = mask.size, self.options.join * min(mask.shape)
        # What differs at all is mostly a small part of the picture; the rest is looked at no further.
        left, top, right, bottom = _bounds(mask)
        difference = difference[top:bottom, left:right]
        labels, count = ndimage.label(_opened(mask[top:bottom, left:right]))
        if not count:
            return nothing
        boxes = ndimage.find_objects(labels)
        weights = np.bincount(labels.ravel(), weights=difference.ravel(), minlength=count + 1)[1:]
        areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
        usable = areas <= self.options.max_area * size
        if not usable.any():
            return nothing
        best = int(np.argmax(np.where(usable, weights, -1)))
        area, box = int(areas[best]), _trunk(labels[boxes[best]] == best + 1, boxes[best], self.options.tail)
        order = np.argsort(-weights)[: 8 + self.options.animals]
        others = self.options.animals - 1
        for other in order:  # a collar, a pale belly or a shadow's edge may cut an animal in two
            if other == best or not usable[other] or weights[other] < 0.1 * weights[best]:
                continue
            corners = _trunk(labels[boxes[other]] == other + 1, boxes[other], self.options.tail)
            own = others > 0 and areas[other] >= self.options.min_area * size
            others -= own
            if own or _distance(box, corners) <= near:
                box = (*np.minimum(box[:2], corners[:2]), *np.maximum(box[2:], corners[2:]))
                area += int(areas[other])
        if area < self.options.min_area * size:
            return nothing
        mean = float(weights[best]) / max(int(areas[best]), 1)
        x1, y1, x2, y2 = box
        row = [x1 + left, y1 + top, x2 + left, y2 + top, mean / (mean + 2 * self._cut)]
        return np.array(row, dtype=np.float32)

    def detect(self, frames: Sequence[Planes], numbers: Sequence[int]) -> npt.NDArray[np.float32]:
        """Find the animal; see :mod:`workflow_scripts.detectors`."""
        found = np.stack([self._largest(self._level(planes)) for planes in frames])
        return self._grown(found, frames[0])

    def detect_all(self, frames: Sequence[Planes], numbers: Sequence[int]) -> list[npt.NDArray[np.float32]]:
        """Find every blob that is large enough; animals that touch are one. See :mod:`workflow_scripts.detectors`."""
        return [self._grown(self._every(self._level(planes)), planes) for planes in frames]

    def body(self, planes: Planes) -> tuple[float, float, float] | None:
        """Find the trunk of the animal, without its tail, its shadow and reflections of it.

        What differs less than half as much as the animal itself is a shadow, what is thinner than a third of the
        trunk a tail, and what is not connected with it another thing.

        Parameters
        ----------
        planes : Planes

        Returns
        -------
        tuple of float or None
            x and y of the middle of the trunk's box and the length of the trunk, in pixels of the frame; None where
            nothing differs from the background.
        """
        difference = self._difference(self._level(planes))
        mask = _opened(difference > self._cut)
        labels, count = ndimage.label(mask)
        if not count:
            return None
        weights = np.bincount(labels.ravel(), weights=difference.ravel(), minlength=count + 1)[1:]
        best = labels == 1 + int(weights.argmax())
        if best.sum() < self.options.min_area * mask.size:
            return None
        core = _heaviest(difference > max(self._cut, SHADOW * float(np.quantile(difference[best], 0.9))), difference)
        depth = ndimage.distance_transform_edt(np.pad(core, 1))[1:-1, 1:-1]
        reach = TAIL * float(depth.max())
        trunk = _heaviest(depth > reach, depth)
        trunk = core & (ndimage.distance_transform_edt(~trunk) <= reach)
        rows, columns = np.nonzero(trunk)
        middle = [((k.min() + k.max()) / 2 + 0.5) * self._step - 0.5 for k in (columns, rows)]
        return float(middle[0]), float(middle[1]), float(_length(columns, rows) * self._step)

    def _difference(self, gray: Gray) -> Gray:
        difference = gray - self._background
        if self.options.polarity == "both":
            return np.asarray(np.abs(difference), np.float32)
        return -difference if self.options.polarity == "dark" else difference

    def _level(self, planes: Planes) -> Gray:
        gray = planes.gray(self._step)
        # As _drift of many frames.
        return np.asarray(gray - middle(gray[::3, ::3] - self._background[::3, ::3]), np.float32)

    def _every(self, gray: Gray) -> npt.NDArray[np.float32]:
        """Return boxes and scores of all blobs between the smallest and the largest area, the weightiest first."""
        difference = self._difference(gray)
        mask = _opened(difference > self._cut)
        labels, count = ndimage.label(mask)
        areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
        weights = np.bincount(labels.ravel(), weights=difference.ravel(), minlength=count + 1)[1:]
        low, high = self.options.min_area * mask.size, self.options.max_area * mask.size
        rows, places = [], ndimage.find_objects(labels)
        for k in np.argsort(-weights):
            if low <= areas[k] <= high:
                mean = float(weights[k]) / int(areas[k])
                box = _trunk(labels[places[k]] == k + 1, places[k], self.options.tail)
                rows.append([*box, mean / (mean + 2 * self._cut)])
        return np.array(rows, np.float32).reshape(-1, 5)

    def _grown(self, found: npt.NDArray[np.float32], planes: Planes) -> npt.NDArray[np.float32]:
        """Scale boxes (n, 5) of reduced pixels to the frame's, and add the border."""
        found[:, :4] *= self._step
        grow = self.options.grow * np.maximum(found[:, 2:3] - found[:, :1], found[:, 3:4] - found[:, 1:2])
        found[:, :2] -= grow
        found[:, 2:4] += grow
        height, width = planes.y.shape
        found[:, [0, 2]] = np.clip(found[:, [0, 2]], 0, width)
        found[:, [1, 3]] = np.clip(found[:, [1, 3]], 0, height)
        return found


def _bounds(mask: npt.NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Return the corners of the smallest rectangle that holds a mask; an empty one for an empty mask."""
    columns, rows = (np.flatnonzero(mask.any(axis=axis)) for axis in (0, 1))
    if not len(rows):
        return 0, 0, 0, 0
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _opened(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Opening by a cross of five pixels: `scipy.ndimage.binary_opening`, many times faster on small pictures."""
    core = np.zeros_like(mask)
    core[1:-1, 1:-1] = mask[1:-1, 1:-1] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
    grown = core.copy()
    grown[1:] |= core[:-1]
    grown[:-1] |= core[1:]
    grown[:, 1:] |= core[:, :-1]
    grown[:, :-1] |= core[:, 1:]
    return grown


def _heaviest(mask: npt.NDArray[np.bool_], weight: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    """Return the connected part of a mask with the largest sum of weights."""
    labels, count = ndimage.label(mask)
    if count < 2:
        return mask
    return np.asarray(labels == 1 + int(np.bincount(labels.ravel(), weights=weight.ravel())[1:].argmax()))


def _length(columns: npt.NDArray[np.integer], rows: npt.NDArray[np.integer]) -> float:
    """Return the extent of pixels along their longest axis."""
    points = np.stack([columns, rows], axis=1).astype(np.float64)
    points -= points.mean(axis=0)
    along = points @ np.linalg.eigh(points.T @ points)[1][:, -1]
    return float(np.ptp(along)) + 1


def _drift(stack: Gray, background: Gray) -> npt.NDArray[np.float32]:
    """Change of the light: the median difference from the background, one number a frame."""
    sparse = (stack - background)[:, ::3, ::3]
    middle: npt.NDArray[np.float32] = np.median(sparse.reshape(len(stack), -1), axis=1).astype(np.float32)
    return middle


def _floor(background: Gray, share: float) -> Gray:
    """The picture without compact things: its median over a neighbourhood of `share` of the short side."""
    small = background[::2, ::2]
    size = max(3, int(share * min(small.shape)))
    wide = ndimage.median_filter(small, size=size, mode="nearest")
    zoom = np.repeat(np.repeat(wide, 2, axis=0), 2, axis=1)
    return zoom[: background.shape[0], : background.shape[1]].astype(np.float32)


def _corners(box: tuple[slice, slice]) -> tuple[int, int, int, int]:
    rows, columns = box
    return int(columns.start), int(rows.start), int(columns.stop), int(rows.stop)


def _trunk(mask: npt.NDArray[np.bool_], place: tuple[slice, slice], share: float) -> tuple[int, int, int, int]:
    """Corners of a blob without its tail: rows and columns at its ends that hold little of it, but for one, go."""
    left, top, right, bottom = _corners(place)
    ends = []
    for axis, (low, high) in ((0, (left, right)), (1, (top, bottom))):
        counts = mask.sum(axis=axis)
        thick = np.flatnonzero(counts >= share * counts.max())
        ends.append((max(low, low + int(thick[0]) - 1), min(high, low + int(thick[-1]) + 2)))
    return ends[0][0], ends[1][0], ends[0][1], ends[1][1]


def _distance(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> int:
    """Pixels between two boxes, along the axis where they are further apart."""
    across = max(a[0], b[0]) - min(a[2], b[2])
    down = max(a[1], b[1]) - min(a[3], b[3])
    return max(across, down, 0)
