"""Animals drawn as points and lines, in the picture of a video or on a plain ground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from workflow_scripts.core.typing import Float64Array

Image8 = npt.NDArray[np.uint8]

GROUND = 245
"""Brightness of the ground where there is no video."""

MARGIN = 0.06
"""Of the extent of the tracks, left free on each side where no image size is known."""

ANIMALS = ((31, 119, 180), (214, 39, 40), (44, 160, 44), (148, 103, 189), (140, 86, 75), (227, 119, 194))
"""Colour of each animal, in turn."""


@dataclass(frozen=True)
class Frame:
    """A rectangle of the tracks' plane, and the size in pixels it is drawn at.

    Attributes
    ----------
    x, y : float
        Corner, in the tracks' unit.
    scale : float
        Pixels a unit.
    width, height : int
        Of the picture; even.
    """

    x: float
    y: float
    scale: float
    width: int
    height: int

    def __call__(self, position: npt.NDArray[np.floating]) -> Float64Array:
        """Return places in the picture, shape (…, 2), of positions (…, space)."""
        places: Float64Array = (position[..., :2].astype(np.float64) - (self.x, self.y)) * self.scale
        return places


def known_places(position: npt.NDArray[np.floating]) -> Float64Array:
    """Return all known points of a recording, whatever the frame and the animal, shape (point, 2)."""
    flat: Float64Array = position[..., :2].reshape(-1, 2).astype(np.float64)
    return flat[np.isfinite(flat).all(axis=1)]


def even(value: float) -> int:
    """Return the nearest even number, two at least."""
    return max(2, 2 * round(value / 2))


def frame_of(position: npt.NDArray[np.floating], size: tuple[float, float] | None, width: int, height: int) -> Frame:
    """Return the rectangle to draw of a recording: the image where its size is known, else what the tracks extend over.

    Parameters
    ----------
    position : ndarray, shape (time, individual, keypoint, space)
    size : tuple of float or None
        Of the image, in the tracks' unit.
    width, height : int
        Bounds of the picture, which keeps the proportions.
    """
    if size is not None:
        x = y = 0.0
        wide, high = float(size[0]), float(size[1])
    else:
        flat = known_places(position)
        # A few points far off, which trackers leave, would shrink all others.
        low, top = np.quantile(flat, [0.001, 0.999], axis=0) if len(flat) else (np.zeros(2), np.ones(2))
        room = MARGIN * max(float((top - low).max()), 1e-6)
        (x, y), (wide, high) = low - room, np.maximum(top - low, 1e-6) + 2 * room
    scale = min(width / wide, height / high)
    return Frame(float(x), float(y), scale, even(wide * scale), even(high * scale))


def blank(frame: Frame) -> Image8:
    """Return the plain ground."""
    return np.full((frame.height, frame.width, 3), GROUND, np.uint8)


def draw_animals(
    picture: Image8,
    places: Float64Array,
    lines: Sequence[tuple[int, int]],
    *,
    radius: float,
    colours: Sequence[tuple[int, ...]],
) -> Image8:
    """Draw animals into a copy of a picture.

    Parameters
    ----------
    picture : ndarray, uint8, shape (height, width, 3)
    places : ndarray, shape (individual, keypoint, 2)
        In pixels; NaN = not drawn.
    lines : sequence of (int, int)
        From :func:`workflow_scripts.kinematics.skeleton.bones`.
    radius : float
        Of a point, in pixels.
    colours : sequence of tuple
        One an animal, in turn.
    """
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    thick = max(1, round(radius * 0.8))
    known = np.asarray(np.isfinite(places).all(axis=-1))
    bounded = np.clip(np.nan_to_num(places), -1e4, 1e4)
    for k, points in enumerate(bounded):
        colour = colours[k % len(colours)]
        for a, b in lines:
            if known[k, a] and known[k, b]:
                draw.line([*points[a], *points[b]], fill=colour, width=thick)
        for x, y in points[known[k]]:
            draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=colour, outline="white")
    return np.asarray(image)
