"""A fitted linear readout: what ridge and logistic regression both end as."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import expit, softmax

from workflow_scripts.core.typing import Float64Array

Link: TypeAlias = Literal["decision", "probability", "value"]


@dataclass(frozen=True)
class LinearModel:
    """Coefficients on raw (not standardised) embeddings.

    Attributes
    ----------
    coef : ndarray, shape (n_outputs, dim)
        One output for ``binary`` and ``continuous``, one a class of the vocabulary for ``multiclass``.
    intercept : ndarray, shape (n_outputs,)
    link : str
        ``decision`` (ridge: above 0 is positive), ``probability`` (logistic) or ``value`` (regression).
    present : ndarray of bool or None
        ``multiclass``: classes that were seen in training; the others are never predicted.
    """

    coef: Float64Array
    intercept: Float64Array
    link: Link
    present: npt.NDArray[np.bool_] | None = None

    def predict(self, x: npt.NDArray[np.floating]) -> tuple[npt.NDArray[np.generic], Float64Array]:
        """Predict rows.

        Parameters
        ----------
        x : ndarray, shape (n, dim)

        Returns
        -------
        prediction : ndarray, shape (n,)
            int16 class, uint8 0/1, or float32 value.
        scores : ndarray, shape (n, n_classes) or (n,)
            Probabilities, decision values or the value; for ``binary`` those of the positive class.
        """
        decision: Float64Array = x.astype(np.float64, copy=False) @ self.coef.T + self.intercept
        if self.link == "value":
            return decision[:, 0].astype(np.float32), decision[:, 0]
        if self.present is None:
            positive = (decision[:, 0] > 0).astype(np.uint8)
            return positive, expit(decision[:, 0]) if self.link == "probability" else decision[:, 0]
        allowed = np.where(self.present, decision, -np.inf)
        scores = softmax(allowed, axis=1) if self.link == "probability" else decision
        return allowed.argmax(axis=1).astype(np.int16), scores


def constant_model(dim: int, code: int, n_classes: int, *, binary: bool, link: Link) -> LinearModel:
    """Return the readout of a task whose training labels are all of one class: it says that class.

    Parameters
    ----------
    dim : int
    code : int
        Index of the only class.
    n_classes : int
    binary : bool
    link : str
        ``decision`` or ``probability``.
    """
    if binary:
        sure = (1.0 if code else -1.0) * (np.inf if link == "probability" else 1.0)
        return LinearModel(np.zeros((1, dim)), np.array([sure]), link)
    present = np.arange(n_classes) == code
    return LinearModel(np.zeros((n_classes, dim)), np.where(present, 1.0, -1.0), link, present)


def class_weights(counts: Float64Array, balanced: bool) -> Float64Array:
    """Weight of a row of each class.

    Parameters
    ----------
    counts : ndarray, shape (n_classes,)
        Training rows of each class; classes without any get weight 0.
    balanced : bool
        n / (number of classes seen × rows of the class), as in scikit-learn; else 1.
    """
    seen = counts > 0
    if not balanced:
        return seen.astype(np.float64)
    weights = np.zeros_like(counts)
    weights[seen] = counts.sum() / (seen.sum() * counts[seen])
    return weights


def safe_scale(variance: Float64Array, mean: Float64Array) -> Float64Array:
    """Return standard deviations to divide by; 1 for a dimension that is constant up to float32 rounding.

    Parameters
    ----------
    variance, mean : ndarray, shape (dim,)
    """
    constant = variance <= 1e-14 * mean**2 + np.finfo(np.float64).tiny
    return np.where(constant, 1.0, np.sqrt(np.where(constant, 1.0, variance)))
