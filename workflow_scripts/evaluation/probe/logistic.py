"""Binary and multinomial logistic regression by L-BFGS on a preconditioned objective.

The objective is scikit-learn's: the weighted sum of log losses plus alpha/2 times the squared coefficients, intercepts
free, alpha = 1/C. The variables are changed by the eigenvectors of the weighted covariance, scaled by the curvature at
zero, in which correlated dimensions (rolling means of one another, say) cost few iterations; the optimum is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import linalg, optimize

from workflow_scripts.core.typing import Float64Array
from workflow_scripts.evaluation.probe.linear import LinearModel, class_weights, constant_model, safe_scale

BLOCK = 4096
"""Rows at a time: small enough to stay in cache between the two products."""
FLAT = 1e-9
"""Relative decrease of the objective in one iteration at which to stop; float32 products resolve no less."""


@dataclass(frozen=True)
class LogisticFit:
    """One fitted penalty.

    Attributes
    ----------
    model : LinearModel
    loss : float
        The objective at the end, in scikit-learn's units (weighted sum + penalty).
    converged : bool
    """

    model: LinearModel
    loss: float
    converged: bool


class _Problem:
    """The objective of one training set, in units of the mean loss."""

    def __init__(
        self,
        x: npt.NDArray[np.floating],
        codes: npt.NDArray[np.int64],
        weights: Float64Array,
        n: int,
        scale: bool,
        dtype: type[np.floating] = np.float32,
    ) -> None:
        self.codes, self.weights = codes, weights
        self.outputs = 1 if n == 2 else n
        self.total = float(weights.sum())
        self.blocks = [
            slice(start, start + BLOCK) for start in range(0, len(x), BLOCK) if weights[start : start + BLOCK].any()
        ]
        used = weights > 0
        n_used, dim = int(used.sum()), x.shape[1]

        def rows(block: slice) -> Float64Array:
            return x[block].astype(np.float64, copy=False)

        self.centre = sum((weights[b] @ rows(b) for b in self.blocks), np.zeros(dim)) / self.total
        gram, first, second = np.zeros((dim, dim)), np.zeros(dim), np.zeros(dim)
        for block in self.blocks:
            z = rows(block) - self.centre
            first += z[used[block]].sum(axis=0)
            second += (z[used[block]] ** 2).sum(axis=0)
            z *= np.sqrt(weights[block])[:, None]
            gram += z.T @ z
        # Scales are those of the rows as they are (StandardScaler), whatever the classes weigh.
        mean = first / n_used
        std = safe_scale(np.maximum(second / n_used - mean**2, 0), mean + self.centre)
        self.scale = std if scale else np.ones(dim)
        # Centred and scaled, the rows may be kept and multiplied in float32; sums over blocks are float64.
        self.x = np.zeros(x.shape, dtype)
        for block in self.blocks:
            self.x[block] = (rows(block) - self.centre) / std
        self.ratio = std / self.scale
        self.values, self.vectors = linalg.eigh(gram / np.outer(self.scale, self.scale) / self.total, driver="evd")
        self.curvature = 0.25 if n == 2 else (1 - 1 / n) / n

    def preconditioner(self, penalty: float) -> tuple[Float64Array, float]:
        """Scales of the rotated coefficients and of the intercept (inverse square roots of the curvature at 0)."""
        damped = self.curvature * np.maximum(self.values, 0) + penalty
        damped = np.maximum(damped, damped.max() * 1e-12 + np.finfo(np.float64).tiny)
        return 1 / np.sqrt(damped), 1 / np.sqrt(self.curvature)

    def coefficients(self, flat: Float64Array, steps: Float64Array, step: float) -> tuple[Float64Array, Float64Array]:
        """Turn the optimiser's variables into coef (dim, outputs) of scaled dimensions and intercept (outputs,)."""
        v = flat.reshape(-1, self.outputs)
        return self.vectors @ (v[:-1] * steps[:, None]), v[-1] * step

    def objective(
        self, flat: Float64Array, penalty: float, steps: Float64Array, step: float
    ) -> tuple[float, Float64Array]:
        """Mean loss plus penalty, and its gradient, in the optimiser's variables."""
        coef, intercept = self.coefficients(flat, steps, step)
        scaled = (coef * self.ratio[:, None]).astype(self.x.dtype)
        loss, slope, level = 0.0, np.zeros_like(coef), np.zeros_like(intercept)
        for block in self.blocks:
            rows = self.x[block]
            part, residual = self._residual(rows @ scaled + intercept, self.codes[block], self.weights[block])
            loss += part
            slope += rows.T @ residual.astype(rows.dtype)
            level += residual.sum(axis=0)
        slope = slope * self.ratio[:, None] / self.total + penalty * coef
        gradient = np.vstack([(self.vectors.T @ slope) * steps[:, None], level / self.total * step])
        return loss / self.total + 0.5 * penalty * float((coef**2).sum()), gradient.ravel()

    def _residual(
        self, logits: Float64Array, codes: npt.NDArray[np.int64], weights: Float64Array
    ) -> tuple[float, Float64Array]:
        if self.outputs == 1:
            z = logits[:, 0]
            # One exponential and one logarithm, which NumPy vectorises; log(1 + e) is exact enough, as e ≤ 1.
            e = np.exp(-np.abs(z))
            positive = np.where(z < 0, e, 1) / (1 + e)
            loss = np.log(1 + e) + np.maximum(z, 0) - codes * z
            return float(weights @ loss), (weights * (positive - codes))[:, None]
        rows = np.arange(len(codes))
        logits -= logits.max(axis=1, keepdims=True)
        chosen = logits[rows, codes]
        np.exp(logits, out=logits)
        sums = logits.sum(axis=1)
        logits *= (weights / sums)[:, None]
        logits[rows, codes] -= weights
        return float(weights @ (np.log(sums) - chosen)), logits


def fit_logistic(
    x: npt.NDArray[np.floating],
    codes: npt.NDArray[np.integer],
    n_classes: int,
    alphas: Sequence[float],
    *,
    binary: bool = False,
    balanced: bool = True,
    standardise: bool = True,
    rows: npt.NDArray[np.bool_] | None = None,
    max_iter: int = 200,
    tolerance: float = 1e-5,
) -> list[LogisticFit]:
    """Fit one task for every penalty, each starting from the next stronger one's solution.

    Parameters
    ----------
    x : ndarray, shape (n, dim)
        Finite. A centred and scaled float32 copy is made: with `x` in float32, twice its memory in all.
    codes : ndarray of int, shape (n,)
        Classes 0 … n_classes - 1.
    n_classes : int
    alphas : sequence of float
        L2 penalties, 1/C of scikit-learn's `LogisticRegression`.
    binary : bool
        One output, that of class 1; else one a class of the vocabulary.
    balanced : bool
        Weigh rows by :func:`workflow_scripts.evaluation.probe.linear.class_weights`.
    standardise : bool
        Penalise the coefficients of dimensions scaled by the training rows.
    rows : ndarray of bool, shape (n,), or None
        Rows that train; None = all. A fold needs no copy of `x`.
    max_iter : int
    tolerance : float
        Largest entry of the preconditioned gradient of the mean loss at which to stop.

    Returns
    -------
    list of LogisticFit
        In the order of `alphas`.

    Raises
    ------
    ValueError
        When no row trains.
    """
    mask = np.ones(len(x), dtype=bool) if rows is None else rows
    counts = np.bincount(codes[mask], minlength=n_classes).astype(np.float64)
    seen = np.flatnonzero(counts)
    if not len(seen):
        raise ValueError("no training row")
    if len(seen) == 1:
        model = constant_model(x.shape[1], int(seen[0]), n_classes, binary=binary, link="probability")
        return [LogisticFit(model, 0.0, True)] * len(alphas)
    weights = np.where(mask, class_weights(counts, balanced)[codes], 0.0)
    # Only the classes seen take part; the others get probability zero.
    dense = np.where(mask, np.searchsorted(seen, codes).clip(max=len(seen) - 1), 0).astype(np.int64)
    problem = _Problem(x, dense, weights, len(seen), standardise)
    fits: dict[float, LogisticFit] = {}
    coef = np.zeros((x.shape[1], problem.outputs))
    intercept = np.zeros(problem.outputs)
    for alpha in sorted(set(alphas), reverse=True):
        penalty = alpha / problem.total
        steps, step = problem.preconditioner(penalty)
        start = np.vstack([(problem.vectors.T @ coef) / steps[:, None], intercept / step])
        result = optimize.minimize(
            problem.objective,
            start.ravel(),
            args=(penalty, steps, step),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": max_iter, "maxfun": 2 * max_iter, "maxcor": 20, "gtol": tolerance, "ftol": FLAT},
        )
        coef, intercept = problem.coefficients(result.x, steps, step)
        raw = coef / problem.scale[:, None]
        model = _assemble(raw.T, intercept - problem.centre @ raw, seen, n_classes, binary)
        # A line search lost in float32 rounding is at the optimum for all purposes.
        converged = bool(result.success) or (result.status == 2 and float(np.abs(result.jac).max()) < 1e-3)
        fits[alpha] = LogisticFit(model, float(result.fun) * problem.total, converged)
    return [fits[alpha] for alpha in alphas]


def _assemble(
    coef: Float64Array, intercept: Float64Array, seen: npt.NDArray[np.intp], n_classes: int, binary: bool
) -> LinearModel:
    if binary:
        return LinearModel(coef, intercept, "probability")
    if len(seen) == 2:  # one logit z is the softmax of (0, z)
        coef, intercept = np.vstack([np.zeros_like(coef), coef]), np.append(0.0, intercept)
    whole, level = np.zeros((n_classes, coef.shape[1])), np.zeros(n_classes)
    whole[seen], level[seen] = coef, intercept
    present = np.zeros(n_classes, dtype=bool)
    present[seen] = True
    return LinearModel(whole, level, "probability", present)
