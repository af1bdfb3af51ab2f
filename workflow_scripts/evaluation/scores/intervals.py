"""Percentile bootstrap over groups: animals, sessions or source videos are drawn, never frames.

Frames of one group are not independent, so a bootstrap of frames would promise far too much. With fewer than two
groups there is no interval (NaN).
"""

from __future__ import annotations

import numpy as np

from workflow_scripts.core.typing import Float64Array
from workflow_scripts.evaluation.options import IntervalConfig


def resample_counts(n_groups: int, interval: IntervalConfig) -> Float64Array:
    """How often each group is drawn in each resample.

    The draws depend on the seed and the number of groups alone, so that two methods scored on the same groups see
    the same resamples.

    Parameters
    ----------
    n_groups : int
    interval : IntervalConfig

    Returns
    -------
    ndarray, shape (resamples, n_groups)
        Whole numbers; each row sums to `n_groups`.
    """
    rng = np.random.default_rng([interval.seed, n_groups])
    return rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=interval.resamples).astype(np.float64)


def resample_sums(statistics: Float64Array, counts: Float64Array) -> Float64Array:
    """Sum per-group statistics over each resample.

    Parameters
    ----------
    statistics : ndarray, shape (n_groups, ...)
        Quantities that add over groups (confusion counts, sums of squares).
    counts : ndarray, shape (resamples, n_groups)

    Returns
    -------
    ndarray, shape (resamples, ...)
    """
    flat = counts @ statistics.reshape(len(statistics), -1)
    return flat.reshape(len(counts), *statistics.shape[1:])


def percentile_interval(values: Float64Array, level: float) -> tuple[float, float]:
    """Bounds that hold the middle `level` of the resampled values; NaN where none is defined.

    Parameters
    ----------
    values : ndarray, shape (resamples,)
        NaN for a resample in which the metric is undefined (its class was not drawn); those are left out.
    level : float
    """
    defined = values[~np.isnan(values)]
    if not len(defined):
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def over_seeds(values: Float64Array, interval: IntervalConfig) -> Float64Array:
    """Second level of the bootstrap: in every resample of groups, draw seeds too and take their mean.

    Parameters
    ----------
    values : ndarray, shape (n_seeds, resamples)
        The metric of each seed in the same resamples of groups.
    interval : IntervalConfig

    Returns
    -------
    ndarray, shape (resamples,)
        With one seed, its values as they are.
    """
    n_seeds, resamples = values.shape
    if n_seeds == 1:
        alone: Float64Array = values[0]
        return alone
    rng = np.random.default_rng([interval.seed, n_seeds, 1])
    drawn = rng.integers(0, n_seeds, size=(n_seeds, resamples))
    mean: Float64Array = np.take_along_axis(values, drawn, axis=0).mean(axis=0)
    return mean
