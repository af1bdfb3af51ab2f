"""Metrics of segments (bouts) rather than frames: F1 at an overlap, edit score, IoU, run lengths, transitions.

Everything is counted by recording and added, so that intervals come from resampled groups. Frames without a label cut
a recording into pieces; a segment never runs across such a gap. Conventions: Lea et al. 2017 (CVPR) for the F1 at an
overlap and the edit score.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from workflow_scripts.config import IntervalConfig
from workflow_scripts.evaluation import metrics
from workflow_scripts.evaluation.intervals import bootstrap
from workflow_scripts.formats.predictions import Prediction

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.integer]
Mask = npt.NDArray[np.bool_]

OVERLAPS = (0.1, 0.25, 0.5)
"""Least IoU of a hit."""


class Segments(NamedTuple):
    """Stretches of one class: first frame, frame after the last, class; each (n,)."""

    start: npt.NDArray[np.int64]
    stop: npt.NDArray[np.int64]
    code: npt.NDArray[np.int64]


def segments(codes: Codes) -> Segments:
    """Cut labels (time,) into stretches of equal values."""
    if not len(codes):
        empty = np.empty(0, np.int64)
        return Segments(empty, empty, empty)
    edges = np.flatnonzero(codes[1:] != codes[:-1]) + 1
    start = np.concatenate([[0], edges]).astype(np.int64)
    stop = np.concatenate([edges, [len(codes)]]).astype(np.int64)
    return Segments(start, stop, codes[start].astype(np.int64))


def pieces(mask: Mask) -> list[slice]:
    """Stretches of labelled frames."""
    found = segments(mask.astype(np.int64))
    return [slice(int(a), int(b)) for a, b, on in zip(*found, strict=True) if on]


def run_lengths(codes: Codes, mask: Mask, n_classes: int) -> list[npt.NDArray[np.int64]]:
    """Frames of every segment, one array a class, in order of time."""
    parts = [segments(codes[where]) for where in pieces(mask)]
    lengths = np.concatenate([part.stop - part.start for part in parts]) if parts else np.empty(0, np.int64)
    classes = np.concatenate([part.code for part in parts]) if parts else np.empty(0, np.int64)
    return [lengths[classes == code] for code in range(n_classes)]


def transitions(codes: Codes, mask: Mask, n_classes: int) -> Array:
    """Count pairs (segment, next segment), shape (n_classes, n_classes); the diagonal is 0."""
    counts = np.zeros((n_classes, n_classes))
    for where in pieces(mask):
        order = segments(codes[where]).code
        np.add.at(counts, (order[:-1], order[1:]), 1)
    return counts


def overlap_counts(
    truth: Codes, prediction: Codes, mask: Mask, n_classes: int, overlaps: Sequence[float] = OVERLAPS
) -> Array:
    """Count hits, false alarms and misses of segments.

    A predicted segment hits the true one of its class that it overlaps most (by IoU), if that IoU reaches the
    threshold and no segment before has hit it.

    Parameters
    ----------
    truth, prediction : ndarray of int, shape (time,)
    mask : ndarray of bool, shape (time,)
        Where the truth is known.
    n_classes : int
    overlaps : sequence of float

    Returns
    -------
    ndarray, shape (len(overlaps), n_classes, 3)
        Hits, false alarms, misses.
    """
    counts = np.zeros((len(overlaps), n_classes, 3))
    for where in pieces(mask):
        true, said = segments(truth[where]), segments(prediction[where])
        used = np.zeros((len(overlaps), len(true.code)), dtype=bool)
        # Segments of a piece are sorted and disjoint, so those that touch a prediction stand together.
        first = np.searchsorted(true.stop, said.start, "right")
        last = np.searchsorted(true.start, said.stop, "left")
        for a, b, code, low, high in zip(*said, first, last, strict=True):
            best, best_iou = -1, 0.0
            for k in range(low, high):
                if true.code[k] == code:
                    shared = min(b, true.stop[k]) - max(a, true.start[k])
                    iou = shared / (max(b, true.stop[k]) - min(a, true.start[k]))
                    if iou > best_iou:
                        best, best_iou = k, iou
            for number, least in enumerate(overlaps):
                hit = best >= 0 and best_iou >= least and not used[number, best]
                counts[number, code, 0 if hit else 1] += 1
                if hit:
                    used[number, best] = True
        for number in range(len(overlaps)):
            np.add.at(counts[number, :, 2], true.code[~used[number]], 1)
    return counts


def segment_f1(counts: Array) -> Array:
    """F1 from counts (..., 3); NaN where there is neither a true nor a predicted segment."""
    hits, alarms, misses = np.moveaxis(counts, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(2 * hits / (2 * hits + alarms + misses))


def edit_distance(one: Codes, two: Codes) -> int:
    """Levenshtein distance of two sequences."""
    steps = np.arange(len(two) + 1)
    row = steps.copy()
    for symbol in one:
        best = np.concatenate([[row[0] + 1], np.minimum(row[1:] + 1, row[:-1] + (two != symbol))])
        # What insertions add along the row is a running minimum once the slope is taken out.
        row = np.minimum.accumulate(best - steps) + steps
    return int(row[-1])


def edit_counts(truth: Codes, prediction: Codes, mask: Mask) -> Array:
    """Sum over pieces of the distance between the orders of segments, and of the longer order; shape (2,)."""
    total = np.zeros(2)
    for where in pieces(mask):
        one, two = segments(truth[where]).code, segments(prediction[where]).code
        total += edit_distance(one, two), max(len(one), len(two))
    return total


def edit_score(counts: Array) -> Array:
    """1 − distance / length of the longer order, from counts (..., 2)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(1 - counts[..., 0] / counts[..., 1])


def class_iou(matrix: Array) -> Array:
    """IoU of the frames of each class from confusion counts (..., n, n); NaN where truth and prediction lack it."""
    hits = np.diagonal(matrix, axis1=-2, axis2=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(hits / (matrix.sum(-1) + matrix.sum(-2) - hits))


def class_precision(matrix: Array) -> Array:
    """Precision of each class from confusion counts (..., n, n); NaN where it is never predicted."""
    predicted = matrix.sum(-2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(predicted > 0, np.diagonal(matrix, axis1=-2, axis2=-1) / predicted, np.nan)


def without_background(matrix: Array, background: int) -> Array:
    """Drop the frames whose truth is the background: false alarms there no longer count, as in daart's own scores."""
    kept = matrix.copy()
    kept[..., background, :] = 0
    return kept


def score_segments(
    predictions: Iterable[Prediction],
    vocabulary: Sequence[str],
    interval: IntervalConfig,
    *,
    background: str | None = None,
    overlaps: Sequence[float] = OVERLAPS,
) -> pd.DataFrame:
    """Score held-out predictions of one frame task by segments and classes, with intervals over groups.

    Parameters
    ----------
    predictions : iterable of Prediction
        One a recording, classes as whole numbers.
    vocabulary : sequence of str
        The fixed list of classes; one that the truth never shows has no row of its own and no part in means.
    interval : IntervalConfig
    background : str or None
        A class whose segments are no bouts and whose F1 is left out of `macro_f1_foreground`.
    overlaps : sequence of float

    Returns
    -------
    DataFrame
        Columns metric, value, low, high, n (labelled frames), n_groups. Metrics: ``bout_f1@<overlap>`` over all
        segments, ``edit``, ``iou/<class>``, ``precision/<class>``, ``recall/<class>``; with a background also
        ``macro_f1_foreground`` (frames of the background's truth do not count).
    """
    n = len(vocabulary)
    skipped = list(vocabulary).index(background) if background is not None else None
    counted: dict[str, list[Array]] = {}
    frames = 0
    for item in predictions:
        truth, said = item.truth.astype(np.int64), item.prediction.astype(np.int64)
        hits = overlap_counts(truth, said, item.mask, n, overlaps)
        if skipped is not None:
            hits[:, skipped] = 0
        pairs = metrics.confusion(truth[item.mask], said[item.mask], n)
        own = [hits.sum(axis=1), edit_counts(truth, said, item.mask), pairs]
        known = counted.get(item.group)
        counted[item.group] = own if known is None else [a + b for a, b in zip(known, own, strict=True)]
        frames += int(item.mask.sum())
    if not frames:
        return pd.DataFrame(columns=["metric", "value", "low", "high", "n", "n_groups"])
    hits, edits, matrix = (np.stack([counted[group][k] for group in sorted(counted)]) for k in range(3))

    rows: list[dict[str, Any]] = []

    def add(name: str, statistics: Array, metric: Callable[[Array], Array]) -> None:
        low, high = bootstrap(statistics, metric, interval)
        value = float(metric(statistics.sum(axis=0)))
        rows.append({"metric": name, "value": value, "low": low, "high": high, "n": frames, "n_groups": len(counted)})

    for number, least in enumerate(overlaps):
        add(f"bout_f1@{least:g}", hits[:, number], segment_f1)
    add("edit", edits, edit_score)
    if skipped is not None:
        add(
            "macro_f1_foreground",
            matrix,
            lambda sums: metrics.macro_f1(without_background(sums, skipped)),
        )
    shown = matrix.sum(axis=(0, 2)) > 0
    for name, metric in (("iou", class_iou), ("precision", class_precision), ("recall", metrics.class_recall)):
        for code in map(int, np.flatnonzero(shown)):
            add(f"{name}/{vocabulary[code]}", matrix, lambda sums, m=metric, c=code: m(sums)[..., c])  # type: ignore[misc]
    return pd.DataFrame(rows)
