"""Probabilities that mean what they say: a temperature and a shift for each class, fitted on held-out predictions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize
from scipy.special import log_softmax, softmax

from workflow_scripts.core.typing import Float64Array, FloatArray, Int64Array

FLOOR = 1e-12
"""Least probability of which a logarithm is taken."""

RIDGE = 1e-3
"""Penalty of the shifts, a frame: a class that no held-out frame shows keeps a finite one."""


@dataclass(frozen=True)
class Calibration:
    """Softmax of log-probability / temperature + shift (Guo et al. 2017; for two classes Platt 2000).

    The shifts undo weights of classes: a readout fitted with balanced weights takes every class for equally frequent.

    Attributes
    ----------
    temperature : float
    shift : ndarray, shape (classes,)
    """

    temperature: float
    shift: Float64Array

    @classmethod
    def none(cls, classes: int) -> Calibration:
        """Return the one that changes nothing."""
        return cls(1.0, np.zeros(classes))

    def apply(self, probabilities: FloatArray) -> Float64Array:
        """Calibrate probabilities (time, classes); classes without any keep none but for rounding."""
        logs = np.log(np.maximum(probabilities.astype(np.float64), FLOOR))
        calibrated: Float64Array = softmax(logs / self.temperature + self.shift, axis=1)
        return calibrated


def fit_calibration(probabilities: FloatArray, truth: Int64Array) -> Calibration:
    """Fit on frames that the readout was not fitted on, by maximum likelihood.

    Parameters
    ----------
    probabilities : ndarray, shape (n, classes)
    truth : ndarray of int, shape (n,)
    """
    classes = probabilities.shape[1]
    if not len(truth):
        return Calibration.none(classes)
    logs = np.log(np.maximum(probabilities.astype(np.float64), FLOOR))
    wanted = np.eye(classes)[truth]

    def loss(parameters: Float64Array) -> tuple[float, Float64Array]:
        slope, shift = np.exp(parameters[0]), parameters[1:]
        found = log_softmax(logs * slope + shift, axis=1)
        error = (np.exp(found) - wanted) / len(truth)
        value = -float((found * wanted).sum()) / len(truth) + RIDGE * float(shift @ shift)
        slope_gradient = float((error * logs).sum()) * slope
        return value, np.concatenate([[slope_gradient], error.sum(axis=0) + 2 * RIDGE * shift])

    # Slopes within e^±3: frames that are all right would ask for an infinite one.
    bounds = [(-3.0, 3.0), *[(None, None)] * classes]
    found = optimize.minimize(loss, np.zeros(classes + 1), jac=True, method="L-BFGS-B", bounds=bounds).x
    return Calibration(float(np.exp(-found[0])), found[1:])
