"""Slow means of what an animal does: an addition of ours (option `slow`).

How much animals move within a minute tells the hour of the day and the lights; two convolutions of 61 and 1365 frames
could sum speeds up, but do not learn to within the steps a small experiment has (docs/bams.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from workflow_scripts.kinematics.quantities import border_distance
from workflow_scripts.methods.bams.social import Places, at, body_length

Floats = npt.NDArray[np.float64]

QUANTITIES = ("speed", "log speed", "stillness", "border", "log border")
STILL = 0.4
"""Speed at which stillness has fallen to 1/e, body lengths a second."""


def names(windows: Sequence[int]) -> tuple[str, ...]:
    """Name the columns of :func:`columns`."""
    return tuple(f"{quantity} over {window}" for window in windows for quantity in QUANTITIES)


def window_mean(values: Floats, window: int) -> Floats:
    """Mean over a window of frames along time, cut off at the ends.

    Parameters
    ----------
    values : ndarray, shape (time, …)
    window : int
        n > 0: n frames around each (n/2 before and n/2 after, and itself). n < 0: the last n up to it.
    """
    time = len(values)
    total = np.zeros((time + 1, *values.shape[1:]))
    np.cumsum(values, axis=0, out=total[1:])
    t = np.arange(time)
    ahead = window // 2 if window > 0 else 0
    behind = ahead if window > 0 else -window - 1
    low, high = np.maximum(t - behind, 0), np.minimum(t + ahead, time - 1) + 1
    counts = (high - low).reshape(-1, *[1] * (values.ndim - 1))
    return np.asarray((total[high] - total[low]) / counts)


def columns(
    points: Floats, present: npt.NDArray[np.bool_], places: Places, fps: float, windows: Sequence[int]
) -> Floats:
    """Average speed, ln(1 + speed), exp(-speed / `STILL`), and distance d to the border, d and ln(1 + d).

    Speeds are in body lengths a second, distances in body lengths; the border is that of the box the animals kept to.

    Parameters
    ----------
    points : ndarray, shape (time, individual, keypoint, 2)
        No NaN.
    present : ndarray of bool, shape (individual,)
    places : Places
    fps : float
    windows : sequence of int
        As :func:`window_mean` takes them.

    Returns
    -------
    ndarray, shape (time, individual, column)
        Columns as :func:`names` names them.
    """
    front, centre, rear = (at(points, place) for place in (places.front, places.centre, places.rear))
    length = body_length(front, rear, present)
    step = np.diff(centre, axis=0, prepend=centre[:1]) * (fps / length)
    speed = np.hypot(step[..., 0], step[..., 1])
    border = border_distance(np.where(present[:, None], centre, np.nan) / length)
    border = np.nan_to_num(border)
    quantities = np.stack([speed, np.log1p(speed), np.exp(-speed / STILL), border, np.log1p(border)], axis=-1)
    return np.concatenate([window_mean(quantities, window) for window in windows], axis=-1)
