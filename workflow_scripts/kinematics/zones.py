"""Where an animal is: inside which zone, how far from a wall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from workflow_scripts.core.arrays import any_nan
from workflow_scripts.core.typing import BoolArray, Float64Array

Shape = Mapping[str, Sequence[Any]]
"""One of `rectangle` (x, y, width, height), `circle` (x, y, radius) and `polygon` (corners)."""


def corners(shape: Shape) -> Float64Array:
    """Return the corners of a rectangle or polygon, shape (corner, 2)."""
    if "rectangle" in shape:
        x, y, width, height = shape["rectangle"]
        return np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]], np.float64)
    found: Float64Array = np.asarray(shape["polygon"], np.float64)
    return found


def inside(places: npt.NDArray[np.floating], shape: Shape) -> BoolArray:
    """Say of each place (…, 2) whether it is inside a shape or on its border; NaN is outside.

    A polygon's inside is by the even-odd rule.
    """
    x, y = places[..., 0].astype(np.float64), places[..., 1].astype(np.float64)
    if "circle" in shape:
        cx, cy, radius = shape["circle"]
        found: BoolArray = np.hypot(x - cx, y - cy) <= radius
        return found
    if "rectangle" in shape:
        left, top, width, height = shape["rectangle"]
        within: BoolArray = (x >= left) & (x <= left + width) & (y >= top) & (y <= top + height)
        return within
    odd = np.zeros(x.shape, bool)
    points = corners(shape)
    for (x1, y1), (x2, y2) in zip(points, np.roll(points, -1, axis=0), strict=True):
        if y1 == y2:
            continue
        crosses = (y1 > y) != (y2 > y)
        odd ^= crosses & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
    return odd | (to_border(places, shape) < 1e-9)


def to_border(places: npt.NDArray[np.floating], shape: Shape) -> Float64Array:
    """Return the distance of each place (…, 2) to the border of a shape, from either side; NaN stays NaN."""
    points = places[..., :2].astype(np.float64)
    if "circle" in shape:
        cx, cy, radius = shape["circle"]
        round_: Float64Array = np.abs(np.hypot(points[..., 0] - cx, points[..., 1] - cy) - radius)
        return round_
    around = corners(shape)
    nearest = np.full(points.shape[:-1], np.inf)
    for start, end in zip(around, np.roll(around, -1, axis=0), strict=True):
        along = end - start
        length = float(along @ along)
        share = np.clip(((points - start) @ along) / length, 0, 1) if length else np.zeros(points.shape[:-1])
        apart = np.linalg.norm(points - (start + share[..., None] * along), axis=-1)
        nearest = np.minimum(nearest, apart)
    return np.where(any_nan(points), np.nan, nearest)
