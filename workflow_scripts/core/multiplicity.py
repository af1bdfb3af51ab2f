"""Correction of p-values for many comparisons."""

from __future__ import annotations

import numpy as np

from workflow_scripts.core.typing import Float64Array


def holm(p: Float64Array) -> Float64Array:
    """Correct p-values of one family of comparisons (Holm); NaN stay and do not count.

    Parameters
    ----------
    p : ndarray, shape (n,)

    Returns
    -------
    ndarray, shape (n,)
        Corrected, at most 1.
    """
    corrected = np.full(len(p), np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(1, np.maximum.accumulate(p[order] * factors))
    return corrected
