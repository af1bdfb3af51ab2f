"""Lines that join the keypoints of an animal, found from how they move: no card has to name them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

MOST_FRAMES = 600
"""Frames that are looked at, evenly spread."""


def bones(position: npt.NDArray[np.floating]) -> list[tuple[int, int]]:
    """Join keypoints by a tree of short lines whose lengths vary little.

    The tree is the minimum spanning tree of median distance plus twice its median absolute deviation, the mean over
    the individuals. Keypoints that are never seen together with another one stay alone.

    Parameters
    ----------
    position : ndarray, shape (time, individual, keypoint, space)
        NaN = missing.

    Returns
    -------
    list of (int, int)
        Pairs of keypoints, the lower number first, sorted.
    """
    step = max(1, len(position) // MOST_FRAMES)
    chosen = np.asarray(position[::step], dtype=np.float64)
    size = chosen.shape[2]
    cost = np.full((size, size), np.inf)
    for a in range(size):
        for b in range(a + 1, size):
            length = np.linalg.norm(chosen[:, :, a] - chosen[:, :, b], axis=-1)
            seen = [column[np.isfinite(column)] for column in length.T]
            parts = [float(_stretch(column)) for column in seen if len(column)]
            if parts:
                cost[a, b] = cost[b, a] = sum(parts) / len(parts)
    found, left = [], set(range(size))
    while left:
        tree = {min(left)}
        left -= tree
        while left:
            pairs = [(cost[a, b], min(a, b), max(a, b), b) for a in tree for b in left if np.isfinite(cost[a, b])]
            if not pairs:
                break
            _, low, high, new = min(pairs)
            found.append((low, high))
            tree.add(new)
            left.remove(new)
    return sorted(found)


def _stretch(length: npt.NDArray[np.float64]) -> float:
    middle = np.median(length)
    return float(middle + 2 * np.median(np.abs(length - middle)))
