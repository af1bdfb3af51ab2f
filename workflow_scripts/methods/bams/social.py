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
    front, centre, rear : tuple of int
    head, trunk : tuple of int
        Points that a nose may touch at the head, and that bodies touch with.
    """

    front: tuple[int, ...]
    centre: tuple[int, ...]
    rear: tuple[int, ...]
    head: tuple[int, ...]
    trunk: tuple[int, ...]


MOUSE = Places(front=(0,), centre=(6,), rear=(9,), head=(1, 2), trunk=(0, 3, 6, 9))
"""Nose, centre of the back, base of the tail; ears; nose, neck, back, base of the tail."""
NEIGHBOURS = 2
"""Others told of, the nearest first, so that it does not matter which animal has which number."""
QUANTITIES = (
    *("distance", "trunk distance", "front to front", "front to head", "front to rear", "closing"),
    *("cos bearing", "sin bearing", "cos facing", "sin facing", "speed"),
)
TARGETS = QUANTITIES[:6]
"""Those whose future BAMS predicts beside the nine actions."""
FAR = 1e3
"""Stands for the distance to an animal that is never seen, px."""


def names(individuals: int) -> tuple[str, ...]:
    """Name the columns of :func:`columns`."""
    ranks = ("nearest", "second")[: min(NEIGHBOURS, individuals - 1)]
    return tuple(f"{rank} {quantity}" for rank in ranks for quantity in QUANTITIES)


def targets(individuals: int) -> tuple[str, ...]:
    """Name the columns of :func:`columns` whose future BAMS predicts."""
    return tuple(name for name in names(individuals) if name.partition(" ")[2] in TARGETS)


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
    front, centre, rear = (points[:, :, list(k)].mean(axis=2) for k in (places.front, places.centre, places.rear))
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
    told = [np.log1p(np.where(unseen, FAR, gap)) for gap in gaps] + [np.where(unseen, 0, closing)]
    for angle in (bearing, facing):
        told += [np.where(unseen, 0, np.cos(angle)), np.where(unseen, 0, np.sin(angle))]
    step = np.diff(centre, axis=0, prepend=centre[:1])
    pace = np.log1p(np.hypot(step[..., 0], step[..., 1]))
    told.append(np.where(unseen, 0, pace[:, None]))
    table = np.stack(told, axis=-1)
    ranked = np.where(unseen, FAR, distance) + np.where(np.eye(individuals, dtype=bool), np.inf, 0)
    order = np.argsort(ranked, axis=2, kind="stable")[:, :, : min(NEIGHBOURS, individuals - 1)]
    chosen = np.take_along_axis(table, order[..., None], axis=2)
    return np.asarray(chosen.reshape(*points.shape[:2], -1))
