"""Which frames train, what they weigh, and the weight of each class in the decision."""

from __future__ import annotations

import numpy as np

from workflow_scripts.core.typing import Float64Array, Int64Array
from workflow_scripts.metrics.frames import macro_f1

STEPS = np.arange(-2.5, 2.51, 0.25)
"""Logarithms of class weights that are tried."""
PASSES = 3
LEAST_GAIN = 0.005
"""Gain of macro F1 below which a class keeps its weight: smaller ones are noise of the held-out groups."""


def draw_frames(codes: Int64Array, limit: int, rng: np.random.Generator) -> tuple[Int64Array, Float64Array]:
    """Draw frames so that rare classes are seen, and say how many frames each stands for.

    Half of the frames are drawn evenly over the classes, the other half from all that are left.

    Parameters
    ----------
    codes : ndarray of int, shape (n,)
    limit : int
    rng : Generator

    Returns
    -------
    rows : ndarray of int
        Sorted, `limit` at most.
    weights : ndarray of float
        Frames of the same class for each drawn one.
    """
    if len(codes) <= limit:
        return np.arange(len(codes)), np.ones(len(codes))
    shown = np.unique(codes)
    quota = max(1, limit // (2 * len(shown)))
    chosen = [np.flatnonzero(codes == code) for code in shown]
    chosen = [rows if len(rows) <= quota else rng.choice(rows, quota, replace=False) for rows in chosen]
    first = np.concatenate(chosen)
    left = np.setdiff1d(np.arange(len(codes)), first, assume_unique=True)
    rows = np.sort(np.concatenate([first, rng.choice(left, max(limit - len(first), 0), replace=False)]))[:limit]
    there, drawn = np.bincount(codes), np.bincount(codes[rows], minlength=int(codes.max()) + 1)
    return rows, there[codes[rows]] / drawn[codes[rows]]


def training_weights(codes: Int64Array, counts: Float64Array, power: float) -> Float64Array:
    """Weights of frames, mean 1: a class weighs its number of frames to the power of ``1 - power``.

    Parameters
    ----------
    codes : ndarray of int, shape (n,)
    counts : ndarray of float, shape (n,)
        Frames that each one stands for.
    power : float
        1: all classes weigh the same; 0: as they are.
    """
    whole = np.bincount(codes, weights=counts)
    weights = counts * whole[codes] ** -power
    scaled: Float64Array = weights / weights.mean()
    return scaled


def class_shifts(logs: Float64Array, codes: Int64Array, counts: Float64Array) -> Float64Array:
    """Shifts of the log probabilities with the best macro F1, found by coordinate ascent from none.

    Parameters
    ----------
    logs : ndarray, shape (n, classes)
        Of frames that were held out.
    codes : ndarray of int, shape (n,)
    counts : ndarray of float, shape (n,)
        Frames that each one stands for.

    Returns
    -------
    ndarray, shape (classes,)
    """
    classes = logs.shape[1]
    shifts = np.zeros(classes)

    def score(tried: Float64Array) -> float:
        found = (logs + tried).argmax(axis=1)
        matrix = np.bincount(codes * classes + found, weights=counts, minlength=classes**2).astype(np.float64)
        return float(macro_f1(matrix.reshape(1, classes, classes))[0])

    best = score(shifts)
    for _ in range(PASSES):
        before = best
        for code in range(classes):
            for step in STEPS:
                tried = shifts.copy()
                tried[code] = step
                value = score(tried)
                if value > best + (LEAST_GAIN if step else 0):
                    best, shifts = value, tried
        if best - before < LEAST_GAIN:
            break
    return shifts
