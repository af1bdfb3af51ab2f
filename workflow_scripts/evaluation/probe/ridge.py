"""Ridge regression and classification from Gram matrices: one streaming pass, exact for all penalties and subsets.

With z = [x - shift, 1], the sums of z zᵀ over the rows of each class hold all that a balanced ridge classifier needs:
class weights, centring, scaling, ±1 targets and any penalty are applied to the sums afterwards. Rows are kept apart in
*cells* (inner folds, or the subsets that several seeds share), so that a training set is a sum of cells.
"""

from __future__ import annotations

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
        rest = total.copy() if largest >= 0 else None
        # The commonest class is what remains of the total, so that only the rarer rows are multiplied.
        for code in np.flatnonzero(counts) - 1:
            if code == largest or (code < 0 and rest is None):
                continue
            rows = z[codes == code]
            gram = rows.T @ rows
            if code >= 0:
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
        return sorted({cell for _, cell, _ in self._sums})

    def counts(self, task: str, cells: Iterable[int] | None = None) -> Float64Array:
        """Rows of each class (regression: one number)."""
        chosen = self.cells() if cells is None else list(cells)
        n = max(self.tasks[task].n_classes, 1)
        found = np.zeros(n)
        for code in range(n):
            for cell in chosen:
                if (task, cell, code) in self._sums:
                    # The last entry sums ones; subtraction leaves whole numbers whole.
                    found[code] += self._sums[task, cell, code].gram[-1, -1]
        return found

    def _collect(self, task: str, code: int, cells: Sequence[int]) -> _Sums:
        collected = _Sums(np.zeros((self.dim + 1, self.dim + 1)), np.zeros(self.dim + 1))
        for cell in cells:
            found = self._sums.get((task, cell, code))
            if found is not None:
                collected.gram += found.gram
                collected.target += found.target
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
        """Fit a task for every penalty, by one eigendecomposition.

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
        counts = self.counts(task, chosen)
        if self._shift is None or not counts.sum():
            raise ValueError(f"no training row for task {task!r}")
        about = self.tasks[task]
        if about.n_classes and (counts > 0).sum() == 1:
            model = constant_model(
                self.dim, int(counts.argmax()), about.n_classes, binary=about.binary, link="decision"
            )
            return [model] * len(alphas)
        parts = [self._collect(task, code, chosen) for code in range(max(about.n_classes, 1))]
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
    values, vectors = linalg.eigh(covariance, driver="evd")
    projected = right @ vectors
    floor = max(float(values[-1]), 0.0) * len(values) * np.finfo(np.float64).eps
    solved = []
    for alpha in alphas:
        damped = np.maximum(values, 0) + alpha
        # With no penalty, directions without variance carry no coefficient (the minimum-norm solution).
        inverse = np.where(damped > floor, 1 / np.maximum(damped, np.finfo(np.float64).tiny), 0)
        coef = (projected * inverse) @ vectors.T / scale
        solved.append((coef, level - coef @ mean))
    return solved
