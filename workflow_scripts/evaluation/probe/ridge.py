"""Ridge regression and classification from Gram matrices: one streaming pass, exact for all penalties and subsets.

With z = [x - shift, 1], the sums of z zᵀ over the rows of each class hold all that a balanced ridge classifier needs:
class weights, centring, scaling, ±1 targets and any penalty are applied to the sums afterwards. Rows are kept apart in
*cells* (inner folds, or the subsets that several seeds share), so that a training set is a sum of cells.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import linalg

from workflow_scripts.core.typing import Float64Array
from workflow_scripts.evaluation.probe.linear import LinearModel, Link, class_weights, constant_model, safe_scale


@dataclass(frozen=True)
class RidgeTask:
    """What is to be fitted.

    Attributes
    ----------
    name : str
    n_classes : int
        2 for ``binary``, the vocabulary's length for ``multiclass``, 0 for regression.
    binary : bool
        One output, that of class 1.
    """

    name: str
    n_classes: int
    binary: bool = False


@dataclass
class _Sums:
    gram: Float64Array  # (dim + 1, dim + 1): sum of z zᵀ
    target: Float64Array  # (dim + 1,): sum of z y; regression only


class GramAccumulator:
    """Sums over rows, by task, cell and class.

    Parameters
    ----------
    dim : int
        Width of the embeddings.
    tasks : sequence of RidgeTask
    """

    def __init__(self, dim: int, tasks: Sequence[RidgeTask]) -> None:
        self.dim = dim
        self.tasks = {task.name: task for task in tasks}
        self._sums: dict[tuple[str, int, int], _Sums] = {}
        # The class of a task and cell that was the commonest at first is not summed: it is what the others leave.
        self._left: dict[tuple[str, int], int] = {}
        self._totals: dict[tuple[int, frozenset[str]], Float64Array] = {}
        self._shift: Float64Array | None = None

    def add(self, x: npt.NDArray[np.floating], targets: Mapping[str, npt.NDArray[np.generic]], cell: int = 0) -> None:
        """Add rows.

        Parameters
        ----------
        x : ndarray, shape (n, dim)
            Finite; float32 is accumulated in float64.
        targets : mapping of str to ndarray, shape (n,)
            Of each task: class indices with -1 where a row does not count, or (regression) floats with NaN there.
        cell : int
            The part of the data these rows belong to.
        """
        if not len(x):
            return
        z = np.ones((len(x), self.dim + 1))
        z[:, :-1] = x
        if self._shift is None:
            # Sums about a typical value, since those about zero lose digits when the mean is far from it.
            self._shift = z[:, :-1].mean(axis=0)
        z[:, :-1] -= self._shift
        total = z.T @ z
        together = (cell, frozenset(name for name in targets if self.tasks[name].n_classes))
        self._totals.setdefault(together, np.zeros_like(total))
        self._totals[together] += total
        for name, values in targets.items():
            if self.tasks[name].n_classes:
                self._add_classes(name, cell, z, total, values.astype(np.int64, copy=False))
            else:
                self._add_values(name, cell, z, total, values.astype(np.float64, copy=False))

    def _at(self, name: str, cell: int, code: int) -> _Sums:
        key = (name, cell, code)
        if key not in self._sums:
            size = self.dim + 1
            self._sums[key] = _Sums(np.zeros((size, size)), np.zeros(size))
        return self._sums[key]

    def _add_classes(
        self, name: str, cell: int, z: Float64Array, total: Float64Array, codes: npt.NDArray[np.int64]
    ) -> None:
        counts = np.bincount(codes + 1, minlength=self.tasks[name].n_classes + 1)
        largest = int(counts.argmax()) - 1
        left = self._left.setdefault((name, cell), largest)
        # The commonest class is what remains of these rows' total, so that only the rarer rows are multiplied.
        rest = None if largest == left else total.copy()
        for code in np.flatnonzero(counts) - 1:
            if code == largest:
                continue
            rows = z[codes == code]
            gram = rows.T @ rows
            if code != left:
                self._at(name, cell, int(code)).gram += gram
            if rest is not None:
                rest -= gram
        if rest is not None:
            self._at(name, cell, largest).gram += rest

    def _add_values(self, name: str, cell: int, z: Float64Array, total: Float64Array, values: Float64Array) -> None:
        known = ~np.isnan(values)
        if not known.any():
            return
        sums = self._at(name, cell, 0)
        if known.all():
            sums.gram += total
        else:
            z, values = z[known], values[known]
            sums.gram += z.T @ z
        sums.target += values @ z

    def cells(self) -> list[int]:
        """Cells that hold rows, sorted."""
        return sorted({cell for _, cell, _ in self._sums} | {cell for _, cell in self._left})

    def counts(self, task: str, cells: Iterable[int] | None = None) -> Float64Array:
        """Rows of each class (regression: one number)."""
        chosen = self.cells() if cells is None else list(cells)
        n = max(self.tasks[task].n_classes, 1)
        found = np.zeros(n)
        for code in range(n):
            for cell in chosen:
                # The last entry sums ones; subtraction leaves whole numbers whole.
                found[code] += self._gram(task, cell, code)[-1, -1]
        return found

    def _gram(self, task: str, cell: int, code: int) -> Float64Array:
        """Sum of z zᵀ over the rows of a class in a cell."""
        if self._left.get((task, cell)) != code:
            found = self._sums.get((task, cell, code))
            return np.zeros((self.dim + 1, self.dim + 1)) if found is None else found.gram
        gram = np.zeros((self.dim + 1, self.dim + 1))
        for (part, tasks), total in self._totals.items():
            if part == cell and task in tasks:
                gram += total
        for other in range(-1, self.tasks[task].n_classes):
            if (task, cell, other) in self._sums:
                gram -= self._sums[task, cell, other].gram
        return gram

    def _collect(self, task: str, code: int, cells: Sequence[int]) -> _Sums:
        collected = _Sums(np.zeros((self.dim + 1, self.dim + 1)), np.zeros(self.dim + 1))
        for cell in cells:
            collected.gram += self._gram(task, cell, code)
            if (task, cell, code) in self._sums:
                collected.target += self._sums[task, cell, code].target
        return collected

    def solve(
        self,
        task: str,
        alphas: Sequence[float],
        *,
        cells: Iterable[int] | None = None,
        balanced: bool = True,
        standardise: bool = False,
    ) -> list[LinearModel]:
        """Fit a task for every penalty.

        Parameters
        ----------
        task : str
        alphas : sequence of float
            L2 penalties; without standardisation those of scikit-learn's `Ridge` and `RidgeClassifier`.
        cells : iterable of int or None
            Cells that train; None = all.
        balanced : bool
            Balanced class weights (classification).
        standardise : bool
            Penalise the coefficients of dimensions centred and scaled by the task's training rows.

        Returns
        -------
        list of LinearModel
            In the order of `alphas`.

        Raises
        ------
        ValueError
            When the cells hold no row of the task.
        """
        chosen = self.cells() if cells is None else list(cells)
        about = self.tasks[task]
        parts = [self._collect(task, code, chosen) for code in range(max(about.n_classes, 1))]
        counts = np.array([part.gram[-1, -1] for part in parts])
        if self._shift is None or not counts.sum():
            raise ValueError(f"no training row for task {task!r}")
        if about.n_classes and (counts > 0).sum() == 1:
            model = constant_model(
                self.dim, int(counts.argmax()), about.n_classes, binary=about.binary, link="decision"
            )
            return [model] * len(alphas)
        plain = sum((part.gram for part in parts), np.zeros_like(parts[0].gram))
        if about.n_classes:
            weights = class_weights(counts, balanced)
            weighted = sum((w * part.gram for w, part in zip(weights, parts, strict=True)), np.zeros_like(plain))
            # Targets are +1 in the class and -1 elsewhere.
            targets = np.stack([2 * w * p.gram[:, -1] - weighted[:, -1] for w, p in zip(weights, parts, strict=True)])
            targets = targets[1:] if about.binary else targets
        else:
            weighted, targets = plain, parts[0].target[None]
        scale = np.ones(self.dim)
        if standardise:
            mean = plain[:-1, -1] / plain[-1, -1]
            variance = np.maximum(np.diag(plain)[:-1] / plain[-1, -1] - mean**2, 0)
            scale = safe_scale(variance, mean + self._shift)
        present = counts > 0 if about.n_classes and not about.binary else None
        link: Link = "decision" if about.n_classes else "value"
        return [
            LinearModel(coef, intercept - coef @ self._shift, link, present)
            for coef, intercept in _ridge(weighted, targets, scale, alphas)
        ]


def _ridge(
    weighted: Float64Array, targets: Float64Array, scale: Float64Array, alphas: Sequence[float]
) -> list[tuple[Float64Array, Float64Array]]:
    """Solve the centred normal equations; returns coef (outputs, dim) and intercept (outputs,) for each penalty."""
    total = weighted[-1, -1]
    mean = weighted[:-1, -1] / total
    level = targets[:, -1] / total
    covariance = (weighted[:-1, :-1] - total * np.outer(mean, mean)) / np.outer(scale, scale)
    right = (targets[:, :-1] - np.outer(level, total * mean)) / scale
    solved = []
    for alpha in alphas:
        coef = _damped(covariance, right, alpha) / scale
        solved.append((coef, level - coef @ mean))
    return solved


def _damped(covariance: Float64Array, right: Float64Array, alpha: float) -> Float64Array:
    """Solve (covariance + alpha) coef = right, shape (outputs, dim)."""
    damped = covariance + alpha * np.eye(len(covariance))
    if alpha > 0:
        with contextlib.suppress(linalg.LinAlgError):
            return np.asarray(linalg.cho_solve(linalg.cho_factor(damped, check_finite=False), right.T).T)
    # With no penalty, or one below the rounding of the sums, directions without variance carry no coefficient (the
    # minimum-norm solution).
    values, vectors = linalg.eigh(covariance, driver="evd")
    values = np.maximum(values, 0) + alpha
    floor = max(float(values[-1]), 0.0) * len(values) * np.finfo(np.float64).eps
    inverse = np.where(values > floor, 1 / np.maximum(values, np.finfo(np.float64).tiny), 0)
    return np.asarray((right @ vectors * inverse) @ vectors.T)
