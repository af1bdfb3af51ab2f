"""What tells one mouse of the others: an addition of ours in mode `sound` (option `social`)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

NOSE, LEFT_EAR, RIGHT_EAR, NECK, BACK, TAIL_BASE = 0, 1, 2, 3, 6, 9
NEIGHBOURS = 2
"""Others told of, the nearest first, so that it does not matter which animal has which number."""
QUANTITIES = (
    *("distance", "trunk distance", "nose to nose", "nose to ears", "nose to tail base", "closing"),
    *("cos bearing", "sin bearing", "cos facing", "sin facing"),
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
    """Smallest distance of any point of mouse i to any of mouse j: (time, i, j), from (time, mouse, point, 2)."""
    difference = a[:, :, None, :, None] - b[:, None, :, None, :]
    return np.asarray(np.sqrt((difference**2).sum(-1)).min(axis=(3, 4)))


def columns(points: Floats, present: npt.NDArray[np.bool_]) -> Floats:
    """Tell where the nearest others are and how they stand.

    Distances are given as ln(1 + distance), which resolves touch; the bearing is that of the other's back in the own
    body's frame, the facing the other's body direction in it; closing is the loss of distance since the frame before.

    Parameters
    ----------
    points : ndarray, shape (time, individual, 12, 2)
        No NaN.
    present : ndarray of bool, shape (individual,)

    Returns
    -------
    ndarray, shape (time, individual, column)
        Columns as :func:`names` names them.
    """
    individuals = points.shape[1]
    back = points[:, :, BACK]
    towards = back[:, None] - back[:, :, None]  # from mouse i to mouse j
    direction = back - points[:, :, TAIL_BASE]
    heading = np.arctan2(direction[..., 1], direction[..., 0])
    bearing = np.arctan2(towards[..., 1], towards[..., 0]) - heading[:, :, None]
    facing = heading[:, None] - heading[:, :, None]
    trunk, nose = points[:, :, [NOSE, NECK, BACK, TAIL_BASE]], points[:, :, [NOSE]]
    distance = np.hypot(towards[..., 0], towards[..., 1])
    gaps = [
        *(distance, _gap(trunk, trunk), _gap(nose, nose)),
        *(_gap(nose, points[:, :, [LEFT_EAR, RIGHT_EAR]]), _gap(nose, points[:, :, [TAIL_BASE]])),
    ]
    closing = -np.diff(distance, axis=0, prepend=distance[:1])
    unseen = ~(present[:, None] & present)
    told = [np.log1p(np.where(unseen, FAR, gap)) for gap in gaps] + [np.where(unseen, 0, closing)]
    for angle in (bearing, facing):
        told += [np.where(unseen, 0, np.cos(angle)), np.where(unseen, 0, np.sin(angle))]
    table = np.stack(told, axis=-1)
    ranked = np.where(unseen, FAR, distance) + np.where(np.eye(individuals, dtype=bool), np.inf, 0)
    order = np.argsort(ranked, axis=2, kind="stable")[:, :, : min(NEIGHBOURS, individuals - 1)]
    chosen = np.take_along_axis(table, order[..., None], axis=2)
    return np.asarray(chosen.reshape(*points.shape[:2], -1))
