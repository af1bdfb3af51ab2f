"""Tasks within tasks: where one task names kinds of what another one calls by a single class (kinds of aggression)."""

from __future__ import annotations

import numpy as np

from workflow_scripts.core.typing import Float32Array, Float64Array, Int64Array

INSIDE = 0.99
"""Share of the frames with a class of the inner task that are of one class of the outer task."""
COVERED = 0.9
"""Share of that class's frames that have a class of the inner task."""


def joint_counts(outer: Int64Array, inner: Int64Array, classes: int, background: int) -> Float64Array:
    """Count frames by class of the outer task and by whether the inner task has a class other than background.

    Returns
    -------
    ndarray, shape (classes, 2)
    """
    found = np.bincount(2 * outer + (inner != background), minlength=2 * classes)
    counts: Float64Array = found.reshape(classes, 2).astype(np.float64)
    return counts


def outer_class(counts: Float64Array) -> int | None:
    """Class of the outer task whose kinds the inner task names; None where it is not nested."""
    code = int(counts[:, 1].argmax())
    inside = counts[code, 1]
    if not inside or inside < INSIDE * counts[:, 1].sum() or inside < COVERED * counts[code].sum():
        return None
    return code


def chained(probabilities: Float32Array, background: int, outer: Float32Array) -> Float32Array:
    """Let the outer task have a say in whether the inner one has a class at all.

    Parameters
    ----------
    probabilities : ndarray, shape (time, classes)
        Of the inner task.
    background : int
    outer : ndarray, shape (time,)
        Probability of the outer task's class.

    Returns
    -------
    ndarray, shape (time, classes)
        The normalised geometric mean of what both say; the inner task alone says which class.
    """
    kinds = probabilities.astype(np.float64)
    kinds[:, background] = 0
    kinds *= (outer / np.maximum(kinds.sum(axis=1), 1e-12))[:, None]
    kinds[:, background] = 1 - outer
    both = np.sqrt(np.maximum(kinds * probabilities, 0))
    found: Float32Array = (both / np.maximum(both.sum(axis=1, keepdims=True), 1e-12)).astype(np.float32)
    return found
