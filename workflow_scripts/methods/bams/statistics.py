"""Scales of the inputs and bins of the targets, from the training sequences alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from workflow_scripts.methods.bams.config import Config

Float32Array = npt.NDArray[np.float32]
PERCENTILES = (0.5, 99.5)


@dataclass(frozen=True)
class Statistics:
    """How inputs are normalised and targets binned.

    Attributes
    ----------
    shift, scale : ndarray, float32, shape (input,)
        Inputs become (x - shift) / scale.
    edges : ndarray, float32, shape (target, bins - 1)
        Bin k holds edges[k - 1] <= v < edges[k]; the first and the last bin are open.
    """

    BUFFERS: ClassVar[tuple[str, ...]] = ("shift", "scale", "edges")
    """Names under which a model stores them beside its weights."""

    shift: Float32Array
    scale: Float32Array
    edges: Float32Array

    def normalise(self, inputs: Float32Array) -> Float32Array:
        """Normalise inputs, in place."""
        inputs -= self.shift
        inputs /= self.scale
        return inputs


def bin_edges(values: npt.NDArray[np.floating], bins: int, threshold: float) -> npt.NDArray[np.float64]:
    """Equal bins between the 0.5 and the 99.5 percentile of the values above `threshold` in magnitude.

    Where no value is (the original stops with an error there), all values set the range; a constant gets bins of
    width 1e-6 around it.

    Parameters
    ----------
    values : ndarray, shape (n,)
        NaN is left out.
    bins : int
    threshold : float

    Returns
    -------
    ndarray, shape (bins - 1,)
    """
    values = values[~np.isnan(values)]
    large = values[np.abs(values) > threshold]
    chosen = large if len(large) else values
    low, high = np.percentile(chosen, PERCENTILES) if len(chosen) else (0.0, 0.0)
    if high - low <= 0:
        low, high = low - 1e-6 * bins / 2, high + 1e-6 * bins / 2
    return np.linspace(low, high, bins - 1)


def fit(inputs: Float32Array, targets: npt.NDArray[np.floating], config: Config) -> Statistics:
    """Measure scales and bins.

    Parameters
    ----------
    inputs : ndarray, shape (n, input)
    targets : ndarray, shape (n, target)
        NaN where a frame does not count.
    config : Config
        Settled.
    """
    width = inputs.shape[1]
    shift, scale = np.zeros(width), np.ones(width)
    # Column by column: float64 copies of everything would double the memory.
    for k in range(width):
        column = inputs[:, k].astype(np.float64)
        if config.normalise == "largest":
            scale[k] = np.abs(column).max(initial=0)
        else:
            shift[k], scale[k] = column.mean(), column.std()
    scale[scale < 1e-12] = 1
    edges = np.stack([bin_edges(column, config.hoa_bins, config.hoa_threshold) for column in targets.T])
    return Statistics(shift.astype(np.float32), scale.astype(np.float32), edges.astype(np.float32))


def quantise(targets: npt.NDArray[np.floating], edges: Float32Array) -> npt.NDArray[np.uint8]:
    """Number the bin of every target value, 0 to bins - 1.

    Parameters
    ----------
    targets : ndarray, shape (n, target)
        In float64 a value meets an edge as in the published code, whose edges are float32, too: π/4 is below the π/4 of
        float32.
    edges : ndarray, float32, shape (target, bins - 1)
    """
    out = np.empty(targets.shape, np.uint8)
    for k, edge in enumerate(edges):
        out[:, k] = np.digitize(np.nan_to_num(targets[:, k]), edge)
    return out
