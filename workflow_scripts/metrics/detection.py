"""How well boxes are found: average precision over thresholds of overlap, as COCO counts it, and containment."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from workflow_scripts.core.arrays import any_nan
from workflow_scripts.core.typing import FloatArray

THRESHOLDS = tuple(np.round(np.arange(0.5, 1.0, 0.05), 2))
"""Overlaps of COCO's mAP."""
RECALLS = np.linspace(0, 1, 101)


def iou(a: FloatArray, b: FloatArray) -> npt.NDArray[np.float64]:
    """Overlap of every box of `a` with every box of `b`.

    Parameters
    ----------
    a, b : ndarray, shapes (n, 4) and (m, 4)
        x1, y1, x2, y2.

    Returns
    -------
    ndarray, shape (n, m)
        Intersection over union; 0 for boxes without area.
    """
    a, b = np.asarray(a, np.float64)[:, None], np.asarray(b, np.float64)[None]
    inner = np.clip(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0, None).prod(axis=-1)
    area = (a[..., 2:] - a[..., :2]).prod(axis=-1) + (b[..., 2:] - b[..., :2]).prod(axis=-1) - inner
    found: npt.NDArray[np.float64] = np.divide(inner, area, out=np.zeros_like(inner), where=area > 0)
    return found


def average_precision(
    predicted: Sequence[FloatArray], scores: Sequence[FloatArray], truth: Sequence[FloatArray], threshold: float = 0.5
) -> float:
    """Average precision of one class at one overlap.

    Boxes are taken by falling score over all images; each takes the free true box it overlaps most, if by at least
    `threshold`. Precision, made monotone, is averaged over 101 recalls.

    Parameters
    ----------
    predicted, scores, truth : sequences, one entry an image
        Shapes (n, 4), (n,) and (m, 4).
    threshold : float

    Returns
    -------
    float
        In [0, 1]; NaN where there is no true box.
    """
    total = sum(len(boxes) for boxes in truth)
    if total == 0:
        return float("nan")
    order = [(float(s), image, k) for image, found in enumerate(scores) for k, s in enumerate(found)]
    order.sort(key=lambda item: -item[0])  # stable: equal scores in order of image
    overlaps = [iou(p, t) for p, t in zip(predicted, truth, strict=True)]
    free = [np.ones(len(boxes), bool) for boxes in truth]
    hit = np.zeros(len(order), bool)
    for rank, (_, image, k) in enumerate(order):
        if not len(truth[image]):
            continue
        candidates = np.where(free[image], overlaps[image][k], -1.0)
        best = int(np.argmax(candidates))
        if candidates[best] >= threshold:
            hit[rank], free[image][best] = True, False
    true = np.cumsum(hit)
    recall, precision = true / total, true / np.arange(1, len(hit) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    place = np.searchsorted(recall, RECALLS - 1e-12)
    return float(np.concatenate([precision, [0.0]])[np.minimum(place, len(precision))].mean())


def mean_average_precision(
    predicted: Sequence[FloatArray],
    scores: Sequence[FloatArray],
    truth: Sequence[FloatArray],
    thresholds: Sequence[float] = THRESHOLDS,
) -> float:
    """Mean of :func:`average_precision` over thresholds of overlap."""
    return float(np.mean([average_precision(predicted, scores, truth, t) for t in thresholds]))


def containment(boxes: FloatArray, points: npt.NDArray[np.floating]) -> tuple[float, int]:
    """Share of frames whose box contains all the points that are there.

    Parameters
    ----------
    boxes : ndarray, shape (time, 4)
        NaN = no box, which contains nothing.
    points : ndarray, shape (time, n, 2)
        NaN = not labelled.

    Returns
    -------
    share : float
    frames : int
        Frames with at least one point, which the share is of.
    """
    known: npt.NDArray[np.bool_] = ~any_nan(points)
    frames = known.any(axis=1)
    with np.errstate(invalid="ignore"):
        inside = (points >= boxes[:, None, :2]).all(axis=-1) & (points <= boxes[:, None, 2:]).all(axis=-1)
    every = np.asarray((inside | ~known).all(axis=1))
    return float(every[frames].mean()) if frames.any() else float("nan"), int(frames.sum())
