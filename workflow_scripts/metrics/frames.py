"""Metrics from sufficient statistics: all functions broadcast over leading axes (resamples).

Classes that never occur in the truth have no F1 and no recall (NaN). Means over classes (`macro_f1`,
`balanced_accuracy`, `average_precision`, `auroc`) run over the classes that do occur in the truth of the data at hand:
the pooled held-out truth for the value, the truth of the drawn groups for each resample. Predicting an absent class
costs the recall of the class the frame really has. Conventions else are scikit-learn's, the oracle in the tests.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from workflow_scripts.core.typing import Float64Array

MAX_THRESHOLDS = 1000
"""Distinct positive scores up to which :func:`score_histograms` is exact."""


def confusion(truth: npt.NDArray[np.integer], prediction: npt.NDArray[np.integer], n_classes: int) -> Float64Array:
    """Count pairs; shape (n_classes, n_classes), rows are the truth."""
    flat = np.bincount(truth.astype(np.int64) * n_classes + prediction, minlength=n_classes**2)
    return flat.reshape(n_classes, n_classes).astype(np.float64)


def f1(hits: Float64Array, predicted: Float64Array, support: Float64Array) -> Float64Array:
    """F1 from counts; NaN where the class has no true row.

    Parameters
    ----------
    hits, predicted, support : ndarray, same shape
        Rows rightly put in the class, put in it, and truly of it.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(support > 0, 2 * hits / (predicted + support), np.nan)


def class_f1(matrix: Float64Array) -> Float64Array:
    """F1 of each class, shape (..., n_classes), from confusion counts (..., n_classes, n_classes)."""
    return f1(np.diagonal(matrix, axis1=-2, axis2=-1), matrix.sum(-2), matrix.sum(-1))


def class_recall(matrix: Float64Array) -> Float64Array:
    """Recall of each class, shape (..., n_classes); NaN where it has no true row."""
    support = matrix.sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(support > 0, np.diagonal(matrix, axis1=-2, axis2=-1) / support, np.nan)


def mean_defined(values: Float64Array) -> Float64Array:
    """Mean over the last axis without NaN; NaN where nothing is left."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(known, values, 0).sum(-1) / np.where(known.any(-1), known.sum(-1), np.nan))


def macro_f1(matrix: Float64Array) -> Float64Array:
    """Mean F1 over the classes that occur in the truth."""
    return mean_defined(class_f1(matrix))


def balanced_accuracy(matrix: Float64Array) -> Float64Array:
    """Mean recall over the classes that occur in the truth."""
    return mean_defined(class_recall(matrix))


def regression_sums(truth: Float64Array, prediction: Float64Array, centre: float = 0.0) -> Float64Array:
    """Sums for MSE and R²: rows, squared errors, truth and squared truth about `centre`; shape (4,)."""
    shifted = truth - centre
    return np.array([len(truth), ((truth - prediction) ** 2).sum(), shifted.sum(), (shifted**2).sum()])


def mse(sums: Float64Array) -> Float64Array:
    """Mean squared error, from :func:`regression_sums` (..., 4)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[..., 1] / sums[..., 0])


def r2(sums: Float64Array) -> Float64Array:
    """Share of variance explained; NaN where the truth does not vary."""
    n, errors, first, second = np.moveaxis(sums, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = second - first**2 / n
        return np.where(spread > 1e-12 * np.abs(second), 1 - errors / spread, np.nan)


def score_histograms(
    truth: npt.NDArray[np.bool_],
    scores: npt.NDArray[np.floating],
    groups: npt.NDArray[np.integer],
    n_groups: int,
    max_thresholds: int = MAX_THRESHOLDS,
) -> Float64Array:
    """Count positives and negatives of each group between thresholds, for AP and AUROC of any resample.

    Thresholds stand at and just above the positive scores (at quantiles of them where they are many), which keeps AP
    and AUROC exact up to `max_thresholds` distinct positive scores, since only there does recall change.

    Parameters
    ----------
    truth : ndarray of bool, shape (n,)
    scores : ndarray, shape (n,)
        Higher = more likely positive; finite.
    groups : ndarray of int, shape (n,)
    n_groups : int
    max_thresholds : int

    Returns
    -------
    ndarray, shape (n_groups, 2, n_bins)
        Negatives and positives, bins from the highest score to the lowest.
    """
    levels = np.unique(scores[truth])
    if len(levels) > max_thresholds:
        ordered = np.sort(scores[truth])
        levels = np.unique(ordered[np.linspace(0, len(ordered) - 1, max_thresholds).astype(np.int64)])
    # Bin 2i+1 holds scores equal to level i, bin 2i those between level i-1 and level i.
    bins = np.searchsorted(levels, scores, "left") + np.searchsorted(levels, scores, "right")
    n_bins = 2 * len(levels) + 1
    flat = (groups.astype(np.int64) * 2 + truth) * n_bins + (n_bins - 1 - bins)
    counts = np.bincount(flat, minlength=n_groups * 2 * n_bins)
    return counts.reshape(n_groups, 2, n_bins).astype(np.float64)


def average_precision(histogram: Float64Array) -> Float64Array:
    """Average precision, sum of precision times gain in recall, from histograms (..., 2, n_bins)."""
    negatives, positives = histogram[..., 0, :], histogram[..., 1, :]
    hits = positives.cumsum(-1)
    flagged = hits + negatives.cumsum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(flagged > 0, hits / flagged, 0)
        return np.asarray((precision * positives).sum(-1) / hits[..., -1])


def auroc(histogram: Float64Array) -> Float64Array:
    """Area under the ROC curve (ties count half), from histograms (..., 2, n_bins); NaN with one class alone."""
    negatives, positives = histogram[..., 0, :], histogram[..., 1, :]
    below = negatives[..., ::-1].cumsum(-1)[..., ::-1] - negatives / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((positives * below).sum(-1) / (positives.sum(-1) * negatives.sum(-1)))
