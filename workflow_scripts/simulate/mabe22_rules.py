"""Rules that tell the twin's nine social behaviours from the geometry of three mice.

The real labels were made by rules as well, with other thresholds, which are not public; these are our own.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from workflow_scripts.core.typing import Float64Array

BEHAVIOURS = (
    *("approaches", "chases", "close", "contact", "huddles"),
    *("oral_ear_contact", "oral_genital_contact", "oral_oral_contact", "watching"),
)
NOSE, LEFT_EAR, RIGHT_EAR, NECK, CENTRE, TAIL_BASE = 0, 1, 2, 3, 6, 9
CLOSE, CONTACT, ORAL = 90.0, 18.0, 14.0
"""Distances in px: between centres, between any two of four points of the trunk, from nose to nose, ear or tail."""


def _smooth(values: Float64Array, frames: int) -> Float64Array:
    """Centred moving mean along time, shorter at the ends."""
    kernel = np.ones(frames)
    count = np.convolve(np.ones(len(values)), kernel, "same")
    flat = values.reshape(len(values), -1)
    means = [np.convolve(column, kernel, "same") / count for column in flat.T]
    return np.stack(means, axis=1).reshape(values.shape)


def _distance(a: Float64Array, b: Float64Array) -> Float64Array:
    """Distances of every point of one mouse to every point of another: (time, i, j, point of i, point of j)."""
    difference = a[:, :, None, :, None] - b[:, None, :, None, :]
    return np.asarray(np.sqrt((difference**2).sum(-1)))


def behaviours(points: Float64Array, heading: Float64Array, head: Float64Array) -> list[npt.NDArray[np.bool_]]:
    """Tell which behaviours any of the mice shows.

    Parameters
    ----------
    points : ndarray, shape (time, 3, 12, 2)
        Without noise, px.
    heading, head : ndarray, shape (time, 3)
        Direction of body and head, radians.

    Returns
    -------
    list of ndarray of bool, shape (time,)
        In the order of `BEHAVIOURS`.
    """
    centre = points[:, :, CENTRE]
    others = ~np.eye(3, dtype=bool)
    velocity = _smooth(np.diff(centre, axis=0, prepend=centre[:1]), 7)
    speed = np.linalg.norm(velocity, axis=-1)
    gap = centre[:, None] - centre[:, :, None]  # from mouse i (first axis) to mouse j
    apart = np.linalg.norm(gap, axis=-1)
    towards = gap / np.maximum(apart, 1e-9)[..., None]
    closing = -_smooth(np.diff(apart, axis=0, prepend=apart[:1]), 7)

    def facing(angle: Float64Array) -> Float64Array:
        """Cosine between the direction of mouse i and the way to mouse j."""
        ahead = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        return np.asarray((ahead[:, :, None] * towards).sum(-1))

    def any_pair(shown: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        return np.asarray((shown & others).any(axis=(1, 2)))

    trunk = points[:, :, [NOSE, NECK, CENTRE, TAIL_BASE]]
    nose = points[:, :, [NOSE]]
    near = _distance(trunk, trunk).min(axis=(3, 4))
    to_ear = _distance(nose, points[:, :, [LEFT_EAR, RIGHT_EAR]]).min(axis=(3, 4))
    to_tail = _distance(nose, points[:, :, [TAIL_BASE]])[..., 0, 0]
    to_nose = _distance(nose, nose)[..., 0, 0]
    fast, still = speed > 4, speed < 1.2
    same_way = np.cos(heading[:, :, None] - heading[:, None]) > 0.5
    approach = (closing > 1.5) & (facing(heading) > 0.8) & (speed > 2.5)[:, :, None] & still[:, None]
    chase = fast[:, :, None] & fast[:, None] & same_way & (facing(heading) > 0.7) & (apart < 150)
    watch = still[:, :, None] & (facing(head) > np.cos(np.deg2rad(15))) & (apart > 80) & (apart < 300)
    huddle = (apart < CLOSE).all(axis=(1, 2)) & (speed < 1.0).all(axis=1)
    return [
        any_pair(approach & (apart > 60) & (apart < 250)),
        any_pair(chase),
        any_pair(apart < CLOSE),
        any_pair(near < CONTACT),
        huddle,
        any_pair(to_ear < ORAL),
        any_pair(to_tail < ORAL),
        any_pair(to_nose < ORAL),
        any_pair(watch),
    ]
