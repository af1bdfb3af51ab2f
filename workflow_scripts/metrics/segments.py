"""Metrics of segments (bouts) rather than frames: F1 at an overlap, edit score, IoU, run lengths, transitions.

Counts are kept by group and added, so that intervals come from resampled groups; all recordings are counted at once,
which keeps ten thousand short ones cheap. Frames without a label cut a recording into pieces; a segment never runs
across such a gap. Conventions: Lea et al. 2017 (CVPR) for the F1 at an overlap and the edit score.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from workflow_scripts.core.typing import BoolArray, Float64Array, IntArray
from workflow_scripts.formats.bouts import runs

OVERLAPS = (0.1, 0.25, 0.5)
"""Least IoU of a hit."""
CELLS = 200_000
"""Cells of the tables of edit distances that are computed side by side."""


def pieces(mask: BoolArray) -> list[slice]:
    """Stretches of labelled frames."""
    return [slice(int(a), int(b)) for a, b in zip(*runs(mask).of(True), strict=True)]


def run_lengths(codes: IntArray, mask: BoolArray, n_classes: int) -> list[npt.NDArray[np.int64]]:
    """Frames of every segment, one array a class, in order of time."""
    parts = [runs(codes[where]) for where in pieces(mask)]
    lengths = np.concatenate([part.length for part in parts]) if parts else np.empty(0, np.int64)
    classes = np.concatenate([part.value for part in parts]) if parts else np.empty(0, np.int64)
    return [lengths[classes == code] for code in range(n_classes)]


def transitions(codes: IntArray, mask: BoolArray, n_classes: int) -> Float64Array:
    """Count pairs (segment, next segment), shape (n_classes, n_classes); the diagonal is 0."""
    counts = np.zeros((n_classes, n_classes))
    for where in pieces(mask):
        order = runs(codes[where]).value
        np.add.at(counts, (order[:-1], order[1:]), 1)
    return counts


class Frames(NamedTuple):
    """Labelled frames of many recordings, end to end; each (n,).

    Attributes
    ----------
    truth, said : ndarray of int
    cut : ndarray of bool
        True in the first frame of every piece: a recording's first one, and the first one behind an unlabelled frame.
    owner : ndarray of int
        Which recording, or group, a frame counts for.
    """

    truth: IntArray
    said: IntArray
    cut: BoolArray
    owner: npt.NDArray[np.integer]


def labelled_frames(truth: IntArray, said: IntArray, mask: BoolArray, owner: int = 0) -> Frames:
    """Take the labelled frames out of one recording, arrays (time,)."""
    places = np.flatnonzero(mask)
    cut = np.diff(places, prepend=-2) != 1
    return Frames(truth[places], said[places], cut, np.full(len(places), owner))


def _starts(codes: IntArray, cut: BoolArray) -> BoolArray:
    starts = cut.copy()
    starts[1:] |= codes[1:] != codes[:-1]
    return starts


def overlaps_by_owner(
    frames: Frames, n_owners: int, n_classes: int, overlaps: Sequence[float] = OVERLAPS
) -> npt.NDArray[np.float64]:
    """Count hits, false alarms and misses of segments.

    A predicted segment hits the true one of its class that it overlaps most (by IoU), if that IoU reaches the
    threshold and no segment before has hit it.

    Parameters
    ----------
    frames : Frames
    n_owners, n_classes : int
    overlaps : sequence of float

    Returns
    -------
    ndarray, shape (n_owners, len(overlaps), n_classes, 3)
        Hits, false alarms, misses.
    """
    counts = np.zeros((n_owners, len(overlaps), n_classes, 3))
    if not len(frames.truth):
        return counts
    true_starts, said_starts = _starts(frames.truth, frames.cut), _starts(frames.said, frames.cut)
    true_of, said_of = true_starts.cumsum() - 1, said_starts.cumsum() - 1
    true_length, said_length = np.bincount(true_of), np.bincount(said_of)
    true_at, said_at = np.flatnonzero(true_starts), np.flatnonzero(said_starts)
    # Both are cut at the same places, so a true and a predicted segment share one run of frames, if any.
    spans = np.flatnonzero(true_starts | said_starts)
    shared = np.diff(spans, append=len(true_of))
    alike = frames.truth[spans] == frames.said[spans]
    spans, shared = spans[alike], shared[alike]
    true, said = true_of[spans], said_of[spans]
    iou = shared / (true_length[true] + said_length[said] - shared)
    order = np.lexsort((true, -iou, said))
    true, said, iou = true[order], said[order], iou[order]
    said, first = np.unique(said, return_index=True)  # the best true segment of each predicted one
    true, iou = true[first], iou[first]

    def add(number: int, column: int, places: npt.NDArray[np.integer], codes: IntArray) -> None:
        where = frames.owner[places].astype(np.int64) * n_classes + codes[places]
        tally = np.bincount(where, minlength=n_owners * n_classes).reshape(n_owners, n_classes)
        counts[:, number, :, column] = tally

    for number, least in enumerate(overlaps):
        near = iou >= least
        hit, earliest = np.unique(true[near], return_index=True)
        alarm = np.ones(len(said_at), dtype=bool)
        alarm[said[near][earliest]] = False
        missed = np.ones(len(true_at), dtype=bool)
        missed[hit] = False
        for column, places, codes in (
            (0, true_at[hit], frames.truth),
            (1, said_at[alarm], frames.said),
            (2, true_at[missed], frames.truth),
        ):
            add(number, column, places, codes)
    return counts


def overlap_counts(
    truth: IntArray, prediction: IntArray, mask: BoolArray, n_classes: int, overlaps: Sequence[float] = OVERLAPS
) -> Float64Array:
    """Count as :func:`overlaps_by_owner`, for one recording (time,); shape (len(overlaps), n_classes, 3)."""
    counts: Float64Array = overlaps_by_owner(labelled_frames(truth, prediction, mask), 1, n_classes, overlaps)[0]
    return counts


def segment_f1(counts: Float64Array) -> Float64Array:
    """F1 from counts (..., 3); NaN where there is neither a true nor a predicted segment."""
    hits, alarms, misses = np.moveaxis(counts, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(2 * hits / (2 * hits + alarms + misses))


def _pad(parts: Sequence[IntArray], filler: int) -> npt.NDArray[np.int64]:
    padded = np.full((len(parts), max(map(len, parts))), filler, dtype=np.int64)
    for row, part in zip(padded, parts, strict=True):
        row[: len(part)] = part
    return padded


def edit_distances(ones: Sequence[IntArray], twos: Sequence[IntArray]) -> npt.NDArray[np.int64]:
    """Levenshtein distances of many pairs of sequences of codes from 0 on, shape (pairs,)."""
    distances = np.zeros(len(ones), dtype=np.int64)
    pairs = [(one, two) if len(one) <= len(two) else (two, one) for one, two in zip(ones, twos, strict=True)]
    # Pairs of like sizes go side by side, so that little of the padding is computed.
    order = sorted(range(len(pairs)), key=lambda k: (len(pairs[k][0]), len(pairs[k][1])))
    start = 0
    while start < len(order):
        width = len(pairs[order[start]][1]) + 1
        chosen = order[start : start + max(1, CELLS // width)]
        start += len(chosen)
        short, long = _pad([pairs[k][0] for k in chosen], -1), _pad([pairs[k][1] for k in chosen], -2)
        ends = np.array([len(pairs[k][0]) for k in chosen])
        steps = np.arange(long.shape[1] + 1)
        rows = np.tile(steps, (len(chosen), 1))
        for i in range(short.shape[1]):
            best = np.empty_like(rows)
            best[:, 0] = rows[:, 0] + 1
            np.minimum(rows[:, 1:] + 1, rows[:, :-1] + (long != short[:, i, None]), out=best[:, 1:])
            # What insertions add along the row is a running minimum once the slope is taken out.
            grown = np.minimum.accumulate(best - steps, axis=1) + steps
            rows = np.where((i < ends)[:, None], grown, rows)
        distances[chosen] = rows[np.arange(len(chosen)), [len(pairs[k][1]) for k in chosen]]
    return distances


def edits_by_owner(frames: Frames, n_owners: int) -> Float64Array:
    """Sum over pieces of the distance between the orders of segments, and of the longer order; (n_owners, 2)."""
    total = np.zeros((n_owners, 2))
    if not len(frames.truth):
        return total
    piece = frames.cut.cumsum() - 1
    orders = []
    for codes in (frames.truth, frames.said):
        starts = np.flatnonzero(_starts(codes, frames.cut))
        edges = np.flatnonzero(np.diff(piece[starts])) + 1
        orders.append(np.split(codes[starts], edges))
    owner = frames.owner[frames.cut]
    longer = [max(len(one), len(two)) for one, two in zip(*orders, strict=True)]
    np.add.at(total, owner, np.stack([edit_distances(*orders), longer], axis=1))
    return total


def edit_counts(truth: IntArray, prediction: IntArray, mask: BoolArray) -> Float64Array:
    """Count as :func:`edits_by_owner`, for one recording (time,); shape (2,)."""
    counts: Float64Array = edits_by_owner(labelled_frames(truth, prediction, mask), 1)[0]
    return counts


def edit_score(counts: Float64Array) -> Float64Array:
    """1 − distance / length of the longer order, from counts (..., 2)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(1 - counts[..., 0] / counts[..., 1])


def class_iou(matrix: Float64Array) -> Float64Array:
    """IoU of the frames of each class from confusion counts (..., n, n); NaN where truth and prediction lack it."""
    hits = np.diagonal(matrix, axis1=-2, axis2=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(hits / (matrix.sum(-1) + matrix.sum(-2) - hits))


def class_precision(matrix: Float64Array) -> Float64Array:
    """Precision of each class from confusion counts (..., n, n); NaN where it is never predicted."""
    predicted = matrix.sum(-2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(predicted > 0, np.diagonal(matrix, axis1=-2, axis2=-1) / predicted, np.nan)


def without_background(matrix: Float64Array, background: int) -> Float64Array:
    """Drop the frames whose truth is the background: false alarms there no longer count, as in daart's own scores."""
    kept = matrix.copy()
    kept[..., background, :] = 0
    return kept


def background_class(kind: str, vocabulary: Sequence[str], background: str | None) -> int | None:
    """Index of the class that has no bouts, None where every class has.

    Parameters
    ----------
    kind : str
        Of a ``binary`` task it is class 0: the other one is the behaviour.
    vocabulary : sequence of str
    background : str or None
        The class that means nothing of interest, as the dataset's card names it.
    """
    if kind == "binary":
        return 0
    return None if background is None else list(vocabulary).index(background)
