"""The 64 copies of every frame: rot90 ×4, vertical flip ×2, pixel noise ×2, random shift ×2, label noise ×2.

The order of the factors in a copy is: turn, flip, shift, pixel noise, label noise. Points go with the pixels. Level 0
of the last three factors leaves the copy as it is, level 1 draws. What is drawn hangs on (seed, source frame) alone, so
a subset of the frames, or the frames in another order, get the same copies.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtri

from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.core.tables import write_csv
from workflow_scripts.formats.images import ImageSet, open_images, write_images
from workflow_scripts.methods.rat_direction.config import AugmentOptions

COPIES = 64
NOISE, ROTATION, FLIP, SHIFT, LABEL_NOISE = (level.ravel() for level in np.indices((2, 4, 2, 2, 2)).astype(np.int64))
"""Level of each factor by copy. Noise varies slowest, so that the noisy half of a frame's copies is one piece."""

FACTORS = {"rotation": ROTATION, "flip": FLIP, "noise": NOISE, "shift": SHIFT, "label_noise": LABEL_NOISE}
BLOCK = 8
"""Frames turned at once: few enough to stay in the processor's cache, enough that the calls do not take the time."""

UInt8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]


def orient(images: npt.NDArray[Any], rotation: int, flip: int) -> npt.NDArray[Any]:
    """Turn images counter-clockwise by `rotation` quarter turns, then flip them upside down.

    Parameters
    ----------
    images : ndarray, shape (..., height, width)
    rotation : int
    flip : int
        0 or 1.

    Returns
    -------
    ndarray
        A view.
    """
    turned = np.rot90(images, rotation, axes=(-2, -1))
    return turned[..., ::-1, :] if flip else turned


def orient_points(points: npt.NDArray[Any], rotation: int, flip: int, size: int) -> npt.NDArray[Any]:
    """Move points as :func:`orient` moves the pixels of square images.

    Parameters
    ----------
    points : ndarray, shape (..., 2)
        x and y in pixels.
    rotation, flip : int
    size : int
        Side of the images.
    """
    x, y = points[..., 0], points[..., 1]
    for _ in range(rotation % 4):
        x, y = y, size - 1 - x
    if flip:
        y = size - 1 - y
    return np.stack([x, y], axis=-1)


def undo_points(points: npt.NDArray[Any], rotation: int, flip: int, size: int) -> npt.NDArray[Any]:
    """Undo :func:`orient_points`."""
    unflipped = orient_points(points, 0, flip, size)
    return orient_points(unflipped, -rotation % 4, 0, size)


POOL = 1 << 20
"""Pixel noise values drawn once a seed. Each frame's 32 noisy copies take one run of them, at a drawn place: drawing
again for every pixel took longer than everything else together."""


def noise_pool(seed: int, sd: float, length: int) -> npt.NDArray[np.int16]:
    """Draw `POOL` + `length` values of pixel noise, normal, rounded to whole grey values."""
    values = np.random.default_rng(seed).standard_normal(POOL + length, dtype=np.float32) * np.float32(sd)
    pool: npt.NDArray[np.int16] = np.rint(values).astype(np.int16)
    return pool


def _mix(value: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Scramble 64-bit counters so that neighbours look independent (the finaliser of SplitMix64)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def draw(
    seed: int, frames: npt.NDArray[np.int64], options: AugmentOptions
) -> tuple[npt.NDArray[np.int64], Float32, npt.NDArray[np.int64]]:
    """Draw the shifts, the label noise and the place of the pixel noise.

    Returns
    -------
    shifts : ndarray, int64, shape (n, 64, 2)
        dx and dy in pixels; 0 where the copy is not shifted.
    label_noise : ndarray, float32, shape (n, 64, 3, 2)
        In pixels; 0 where the copy has none.
    places : ndarray, int64, shape (n,)
        Where in the noise pool each frame's pixel noise begins.
    """
    # A hash of (seed, frame, number) instead of a generator a frame, whose making took as long as the pixels.
    step = np.uint64(0x9E3779B97F4A7C15)
    with np.errstate(over="ignore"):
        key = _mix(np.full(1, seed, np.uint64) * step + step)
        frame_key = _mix(key + frames.astype(np.uint64) * step)
        bits = _mix(frame_key[:, None] + np.arange(1, COPIES * 8 + 1, dtype=np.uint64) * step)
    uniform = ((bits >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53  # inside (0, 1)
    uniform = uniform.reshape(len(frames), COPIES, 8)
    shifts = np.floor(uniform[..., :2] * (2 * options.shift + 1)).astype(np.int64) - options.shift
    shifts *= SHIFT[:, None]
    labels = ndtri(uniform[..., 2:].reshape(len(frames), COPIES, 3, 2)).astype(np.float32)
    labels *= (LABEL_NOISE * options.label_sd).astype(np.float32)[:, None, None]
    places = (frame_key >> np.uint64(44)).astype(np.int64)  # the upper 20 bits: 0 to POOL - 1
    return shifts, labels, places


def augment_pixels(
    images: UInt8,
    shifts: npt.NDArray[np.int64],
    places: npt.NDArray[np.int64],
    margin: int,
    pool: npt.NDArray[np.int16],
    out: UInt8,
) -> None:
    """Write the pixels of all copies.

    Parameters
    ----------
    images : ndarray, uint8, shape (n, size, size)
    shifts : ndarray, int64, shape (n, 64, 2)
    places : ndarray, int64, shape (n,)
    margin : int
        Largest shift.
    pool : ndarray, int16
        Noise; empty for none.
    out : ndarray, uint8, shape (n, 64, size, size)
        Filled; besides it the images with their margins are needed, a fortieth of it.
    """
    n, size, _ = images.shape
    padded = size + 2 * margin
    spread = np.pad(images, ((0, 0), (margin, margin), (margin, margin)), mode="edge")
    noisy = COPIES // 2
    turned = np.empty((BLOCK, 8, padded, padded), np.uint8)
    # Every shifted copy is a window of a padded one, so turn, flip and shift are one gather.
    windows = np.lib.stride_tricks.sliding_window_view(turned, (size, size), axis=(2, 3))
    orientation = ROTATION * 2 + FLIP
    moved = np.flatnonzero(SHIFT)
    # Sums that stay within 0 and 255 by bounds that are laid before them: in bytes, several times faster than in int16.
    up, down = (np.clip(part, 0, 255).astype(np.uint8) for part in (pool, -pool))
    highest = 255 - up
    for start in range(0, n, BLOCK):
        rows = np.arange(start, min(start + BLOCK, n))
        wide = spread[start : start + BLOCK]
        for rotation in range(4):
            turned[: len(rows), 2 * rotation] = np.rot90(wide, rotation, axes=(1, 2))
        turned[:, 1::2] = turned[:, ::2, ::-1]
        made = out[start : start + BLOCK].reshape(
            len(rows), 2, 8, 2, 2, size, size
        )  # noise, turn and flip, shift, label
        # Copies that stay where they are are whole images; they are copied as such, not row by row.
        made[:, :, :, 0] = np.ascontiguousarray(windows[: len(rows), :, margin, margin])[:, None, :, None]
        # The window begins where the content moved away from.
        y, x = margin - shifts[rows[:, None], moved, 1], margin - shifts[rows[:, None], moved, 0]
        gathered = windows[rows[:, None] - start, orientation[moved], y, x]
        made[:, :, :, 1] = gathered.reshape(len(rows), 2, 8, 2, size, size)
        for row in rows if len(pool) else ():
            pixels = out[row, noisy:].reshape(-1)  # a view
            run = slice(places[row], places[row] + pixels.size)
            np.minimum(pixels, highest[run], out=pixels)
            pixels += up[run]
            np.maximum(pixels, down[run], out=pixels)
            pixels -= down[run]


def augment(frames: ImageSet, options: AugmentOptions, seed: int, out: UInt8 | None = None) -> ImageSet:
    """Make the 64 copies of every frame.

    Parameters
    ----------
    frames : ImageSet
        n square images; `source_frame` unique.
    options : AugmentOptions
    seed : int
    out : ndarray, uint8, shape (64 n, size, size), optional
        Where to put the pixels.

    Returns
    -------
    ImageSet
        64 n images, the copies of a frame adjacent, with the index columns `copy`, `rotation`, `flip`, `noise`,
        `shift`, `label_noise` (levels) and `dx`, `dy` (pixels).
    """
    n, height, width = frames.images.shape
    if height != width:
        raise EthoMakeError(f"Only square images can be turned, and these are {height}×{width}; cut them square.")
    if len(np.unique(frames.source_frame)) != n:
        raise EthoMakeError(
            "Some source frames have several images, so these are copies already; set augment: given for rat_direction."
        )
    if out is None:
        out = np.empty((n * COPIES, height, width), np.uint8)
    shifts, label_noise, places = draw(seed, frames.source_frame, options)
    pool = (
        noise_pool(seed, options.noise_sd, COPIES // 2 * height * width) if options.noise_sd else np.empty(0, np.int16)
    )
    augment_pixels(frames.images, shifts, places, options.shift, pool, out.reshape(n, COPIES, height, width))
    points = np.empty((n, COPIES, *frames.points.shape[1:]), np.float32)
    for rotation in range(4):
        for flip in range(2):
            copies = (rotation == ROTATION) & (flip == FLIP)
            points[:, copies] = orient_points(frames.points, rotation, flip, width)[:, None]
    points += shifts[:, :, None].astype(np.float32)
    points += label_noise
    index = {name: np.tile(level, n) for name, level in FACTORS.items()}
    index |= {"copy": np.tile(np.arange(COPIES), n), "dx": shifts[..., 0].ravel(), "dy": shifts[..., 1].ravel()}
    return ImageSet(
        images=out,
        points=points.reshape(n * COPIES, *points.shape[2:]),
        names=frames.names,
        source_frame=np.repeat(frames.source_frame, COPIES),
        animal=np.repeat(frames.animal, COPIES),
        group=np.repeat(frames.group, COPIES),
        index=index,
    )


def augment_file(
    source: str | Path,
    target: str | Path,
    options: AugmentOptions,
    seed: int,
    batch: int = 128,
    index: str | Path | None = None,
) -> None:
    """Write the augmented set of an images file, `batch` frames in memory at a time.

    Parameters
    ----------
    source : str or Path
        `images.h5` of single frames.
    target : str or Path
        The file to make; not compressed.
    options : AugmentOptions
    seed : int
    batch : int
        Source frames at a time.
    index : str or Path, optional
        A csv to make: `row`, `source_frame`, `animal`, and the level of each factor.
    """
    rows: list[pd.DataFrame] = []

    def copies() -> Iterator[ImageSet]:
        with open_images(source) as reader:
            for frames in reader.iterate(batch):
                made = augment(frames, options, seed)
                if index is not None:
                    rows.append(pd.DataFrame({"source_frame": made.source_frame, "animal": made.animal, **made.index}))
                yield made

    write_images(target, copies(), compress=False)
    if index is not None:
        write_csv(index, pd.concat(rows, ignore_index=True), index_label="row", index=True)
