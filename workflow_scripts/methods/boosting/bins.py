"""Bin columns once for all fits: scikit-learn would do it for each, a weighted quantile of a column at a time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier

from workflow_scripts.core.typing import Float32Array, Float64Array, Int64Array

SAMPLE = 20_000
"""Rows, drawn by their weights, whose quantiles are the edges."""
MISSING = 255
"""Code of a missing value."""

LARGEST = np.finfo(np.float64).max
"""Edge in place of an infinite one, which in a tree parts missing values from others."""

Codes = npt.NDArray[np.uint8]


class Bins(NamedTuple):
    """Rows as bins of their columns.

    Attributes
    ----------
    codes : ndarray of uint8, shape (n, column)
        Bin k of a column holds what is above its edge k - 1 and at most its edge k; :data:`MISSING` for NaN.
    edges : list of ndarray
        Of each column, rising; none where a column has one value, or none.
    """

    codes: Codes
    edges: list[Float64Array]

    def part(self, rows: npt.NDArray[np.bool_] | Int64Array, columns: Int64Array) -> Float64Array:
        """Return some rows of some columns, as trees take them: bins as numbers, NaN where missing.

        A column without any value is 0 throughout: no tree splits there, and gaps alone cannot be binned.
        """
        codes = self.codes[rows][:, columns]
        found = codes.astype(np.float64)
        missing = codes == MISSING
        found[missing] = np.nan
        found[:, missing.all(axis=0)] = 0
        return found

    def unbinned(self, model: HistGradientBoostingClassifier, columns: Int64Array) -> None:
        """Let a model that was fitted on some columns' bins take their values: its thresholds become edges."""
        for trees in model._predictors:
            for tree in trees:
                for node in tree.nodes:
                    # An infinite threshold parts what is missing from what is not.
                    if not node["is_leaf"] and np.isfinite(node["num_threshold"]):
                        node["num_threshold"] = self.edges[columns[node["feature_idx"]]][int(node["num_threshold"])]


def bin_columns(x: Float32Array, weights: Float64Array, bins: int, seed: int) -> Bins:
    """Bin the columns of rows at their weighted quantiles.

    Parameters
    ----------
    x : ndarray, float32, shape (n, column)
        NaN where missing.
    weights : ndarray of float, shape (n,)
        Rows of a larger weight have finer bins about them.
    bins : int
        Of each column, at most.
    seed : int
        Of the draw of rows.
    """
    if len(x) > SAMPLE:
        rows = np.random.default_rng(seed).choice(len(x), SAMPLE, p=weights / weights.sum())
        sample, weights = x[rows], np.ones(SAMPLE)
    else:
        sample = x
    codes = np.full(x.shape, MISSING, np.uint8)
    edges = []
    for k in range(x.shape[1]):
        cuts = _cuts(sample[:, k], weights, bins)
        known = ~np.isnan(x[:, k])
        codes[known, k] = np.searchsorted(cuts, x[known, k], side="left")
        edges.append(cuts)
    return Bins(codes, edges)


def _cuts(values: Float32Array, weights: Float64Array, bins: int) -> Float64Array:
    """Return rising edges, each halfway between two neighbouring values, that part values into bins of one weight."""
    known = ~np.isnan(values)
    distinct, place = np.unique(values[known].astype(np.float64), return_inverse=True)
    if len(distinct) < 2:
        return np.zeros(0)
    if len(distinct) <= bins:
        last = np.arange(len(distinct) - 1)
    else:
        share = np.cumsum(np.bincount(place, weights=weights[known]))
        last = np.unique(np.searchsorted(share, share[-1] * np.arange(1, bins) / bins))
        last = last[last < len(distinct) - 1]
    # No finite number is halfway to an infinite one.
    cuts: Float64Array = np.clip((distinct[last] + distinct[last + 1]) / 2, -LARGEST, LARGEST)
    return np.unique(cuts[~np.isnan(cuts)])
