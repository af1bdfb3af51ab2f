"""What tells one animal of the others: an addition of ours (option `social`), for mice the default of mode `sound`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Places:
    """Indices of the keypoints that stand for places of the body; `front`, `centre` and `rear` are means of theirs.

    Attributes
    ----------
    front, neck, centre, rear : tuple of int
        An animal looks from its neck to its front.
    head, trunk : tuple of int
        Points that a nose may touch at the head, and that bodies touch with.
    """

    front: tuple[int, ...]
    neck: tuple[int, ...]
    centre: tuple[int, ...]
    rear: tuple[int, ...]
    head: tuple[int, ...]
    trunk: tuple[int, ...]


MOUSE = Places(front=(0,), neck=(3,), centre=(6,), rear=(9,), head=(1, 2), trunk=(0, 3, 6, 9))
"""Nose, neck, centre of the back, base of the tail; ears; nose, neck, back, base of the tail."""
NEIGHBOURS = 2
"""Others described, the nearest first, so that the numbering of animals does not matter."""
QUANTITIES = (
    *("distance", "trunk distance", "front to front", "front to head", "front to rear", "closing"),
    *("cos bearing", "sin bearing", "cos facing", "sin facing", "speed"),
)
TARGETS = QUANTITIES[:6]
"""Those whose future BAMS predicts beside the nine actions."""
SCALES = (0.1, 0.3)
"""Body lengths over which closeness falls to 1/e: touch, and nearly so."""
ENCOUNTERS = (
    *(f"{gap} within {scale:g}" for gap in ("front", "head", "rear", "trunk") for scale in SCALES),
    *("going to", "leaving", "looking at", "following"),
)
"""Columns of :func:`encounters`."""
FOLLOWED = 2.0
"""Body lengths over which following fades with the distance."""
FAR = 1e3
"""Stands for the distance to an animal that is never seen, px."""


def names(individuals: int) -> tuple[str, ...]:
    """Name the columns of :func:`columns`."""
    ranks = ("nearest", "second")[: min(NEIGHBOURS, individuals - 1)]
    return tuple(f"{rank} {quantity}" for rank in ranks for quantity in QUANTITIES)


def targets(individuals: int) -> tuple[str, ...]:
    """Name the columns of :func:`columns` whose future BAMS predicts."""
    return tuple(name for name in names(individuals) if name.partition(" ")[2] in TARGETS)


def at(points: Floats, place: tuple[int, ...]) -> Floats:
    """Mean of a place's keypoints, (time, individual, 2)."""
    return np.asarray(points[:, :, list(place)].mean(axis=2))


def _gap(a: Floats, b: Floats) -> Floats:
    """Smallest distance of any point of animal i to any of animal j: (time, i, j), from (time, animal, point, 2)."""
    difference = a[:, :, None, :, None] - b[:, None, :, None, :]
    return np.asarray(np.sqrt((difference**2).sum(-1)).min(axis=(3, 4)))


def columns(points: Floats, present: npt.NDArray[np.bool_], places: Places = MOUSE) -> Floats:
    """Tell where the nearest others are and how they stand.

    Distances are given as ln(1 + distance), which resolves touch; the bearing is that of the other's centre in the own
    body's frame, the facing the other's body direction in it; closing is the loss of distance since the frame before,
    and speed ln(1 + distance) of the other's centre from where it was then.

    Parameters
    ----------
    points : ndarray, shape (time, individual, keypoint, 2)
        No NaN.
    present : ndarray of bool, shape (individual,)
    places : Places

    Returns
    -------
    ndarray, shape (time, individual, column)
        Columns as :func:`names` names them.
    """
    individuals = points.shape[1]
    front, centre, rear = (at(points, place) for place in (places.front, places.centre, places.rear))
    towards = centre[:, None] - centre[:, :, None]  # from animal i to animal j
    direction = centre - rear
    heading = np.arctan2(direction[..., 1], direction[..., 0])
    bearing = np.arctan2(towards[..., 1], towards[..., 0]) - heading[:, :, None]
    facing = heading[:, None] - heading[:, :, None]
    trunk, nose = points[:, :, list(places.trunk)], front[:, :, None]
    distance = np.hypot(towards[..., 0], towards[..., 1])
    gaps = [
        *(distance, _gap(trunk, trunk), _gap(nose, nose)),
        *(_gap(nose, points[:, :, list(places.head)]), _gap(nose, rear[:, :, None])),
    ]
    closing = -np.diff(distance, axis=0, prepend=distance[:1])
    unseen = ~(present[:, None] & present)
    parts = [np.log1p(np.where(unseen, FAR, gap)) for gap in gaps] + [np.where(unseen, 0, closing)]
    for angle in (bearing, facing):
        parts += [np.where(unseen, 0, np.cos(angle)), np.where(unseen, 0, np.sin(angle))]
    step = np.diff(centre, axis=0, prepend=centre[:1])
    pace = np.log1p(np.hypot(step[..., 0], step[..., 1]))
    parts.append(np.where(unseen, 0, pace[:, None]))
    table = np.stack(parts, axis=-1)
    ranked = np.where(unseen, FAR, distance) + np.where(np.eye(individuals, dtype=bool), np.inf, 0)
    order = np.argsort(ranked, axis=2, kind="stable")[:, :, : min(NEIGHBOURS, individuals - 1)]
    chosen = np.take_along_axis(table, order[..., None], axis=2)
    return np.asarray(chosen.reshape(*points.shape[:2], -1))


def body_length(front: Floats, rear: Floats, present: npt.NDArray[np.bool_]) -> float:
    """Median distance of front and rear of a recording's animals, at least 1e-6; positions (time, individual, 2)."""
    if not present.any() or not len(front):
        return 1.0
    along = (front - rear)[:, present]
    return max(float(np.median(np.hypot(along[..., 0], along[..., 1]))), 1e-6)


def encounters(points: Floats, present: npt.NDArray[np.bool_], places: Places = MOUSE) -> Floats:
    """Tell what an animal has to do with any other, whichever that is.

    Closeness is exp(-distance / scale), the scale in body lengths: it resolves touch where a logarithm, or a mean over
    animals, no longer does. Of a nose to another's nose, head and rear and of trunk to trunk it is the largest over the
    others. Going to is the fastest speed towards any other, ± ln(1 + |change since the frame before|); leaving the
    most negative one. Looking at is 1 - angle / π for the smallest angle between the head and the way to another.
    Following is ln(1 + the lesser of the own speed towards another and of its speed away), times exp(-distance / two
    body lengths).

    Parameters
    ----------
    points : ndarray, shape (time, individual, keypoint, 2)
        No NaN.
    present : ndarray of bool, shape (individual,)
        An animal never seen encounters no one, and no one it.
    places : Places

    Returns
    -------
    ndarray, shape (time, individual, column)
        Columns as `ENCOUNTERS` names them.
    """
    front, neck, centre, rear = (at(points, p) for p in (places.front, places.neck, places.centre, places.rear))
    length = body_length(front, rear, present)
    other = (present[:, None] & present) & ~np.eye(len(present), dtype=bool)
    trunk, nose = points[:, :, list(places.trunk)], front[:, :, None]
    gaps = (_gap(nose, nose), _gap(nose, points[:, :, list(places.head)]), _gap(nose, rear[:, :, None]))
    found = []
    for gap in (*gaps, _gap(trunk, trunk)):
        nearest = np.where(other, gap, np.inf).min(axis=2)
        found += [np.exp(-nearest / (scale * length)) for scale in SCALES]

    def to_others(origin: Floats) -> tuple[Floats, Floats]:
        """Distance and direction from a place of animal i to the centre of animal j."""
        way = centre[:, None] - origin[:, :, None]
        far = np.hypot(way[..., 0], way[..., 1])
        return far, way / np.maximum(far, 1e-9)[..., None]

    def largest(values: Floats) -> Floats:
        return np.where(other.any(axis=1), np.where(other, values, -np.inf).max(axis=2), 0)

    distance, direction = to_others(centre)
    velocity = np.diff(centre, axis=0, prepend=centre[:1])
    towards, away = ((v * direction).sum(-1) for v in (velocity[:, :, None], velocity[:, None]))
    pace = np.sign(towards) * np.log1p(np.abs(towards))
    look = front - neck
    look = look / np.maximum(np.hypot(look[..., 0], look[..., 1]), 1e-9)[..., None]
    together = np.log1p(np.maximum(np.minimum(towards, away), 0)) * np.exp(-distance / (FOLLOWED * length))
    # Of the angle, since a cosine hardly tells small ones apart.
    angle = np.arccos(np.clip((look[:, :, None] * to_others(neck)[1]).sum(-1), -1, 1))
    found += [largest(pace), -largest(-pace), largest(1 - angle / np.pi), largest(together)]
    return np.stack(found, axis=-1)
