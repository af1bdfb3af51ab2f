"""The columns that trees choose from: hand features, their windows, their spectra."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workflow_scripts.core.typing import Float32Array, Float64Array
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.kinematics.body_roles import Roles, find_roles
from workflow_scripts.kinematics.geometry import odd_window, rolling_moments
from workflow_scripts.kinematics.quantities import blank_recording, lay_quantities, measure
from workflow_scripts.methods.boosting.config import Config
from workflow_scripts.views.tracks import DataSpec

CHUNK = 4096
"""Frames of which spectra are taken at a time."""


class ColumnMaker:
    """Makes the columns of recordings of one kind.

    Parameters
    ----------
    config : Config
    spec : DataSpec
    """

    def __init__(self, config: Config, spec: DataSpec) -> None:
        self.config, self.spec = config, spec
        self.roles: Roles = find_roles(spec.keypoints, config.roles)
        self.quantities = list(self._quantities(blank_recording(spec.individuals, spec.keypoints, spec.space), 1.0))

    def _quantities(self, recording: Recording, length: float) -> dict[str, Float64Array]:
        options = self.config
        found = measure(
            recording, self.roles, length, smooth_s=options.smooth_s, contact=options.contact, near=options.near
        )
        return lay_quantities(found, options.identity, self.spec.individuals)

    def names(self) -> list[str]:
        """Name every column, in order."""
        names = list(self.quantities)
        for seconds in self.config.windows_s:
            kinds = ("mean", "sd", *(("past", "future") if self.config.past_and_future else ()))
            names += [f"{name}|{kind}_{seconds:g}s" for kind in kinds for name in self.quantities]
        if self.config.spectrum_s:
            names += [f"{name}|{low:g}-{high:g}Hz" for low, high in self.config.bands_hz for name in self.quantities]
        return names

    def columns(self, recording: Recording, length: float, *, edges: bool = False) -> Float32Array:
        """Compute the columns.

        Parameters
        ----------
        recording : Recording
        length : float
            One body length, in the recording's unit.
        edges : bool
            Add the time since the beginning and until the end, up to `edges_s`.

        Returns
        -------
        ndarray, float32, shape (time, column)
            NaN where a point was not seen: trees send what is missing down a side of its own.
        """
        now = np.stack(list(self._quantities(recording, length).values()), axis=1)
        parts = [now]
        frames = np.arange(len(now))
        for seconds in self.config.windows_s:
            window = odd_window(seconds, recording.fps)
            mean, deviation = rolling_moments(now, window)
            parts += [mean, deviation]
            if self.config.past_and_future:
                half = window // 2
                # The window that ends (begins) at a frame is the centred one half a window earlier (later).
                parts += [mean[np.maximum(frames - half, 0)], mean[np.minimum(frames + half, max(len(now) - 1, 0))]]
        if self.config.spectrum_s:
            parts += band_powers(now, recording.fps, self.config.spectrum_s, self.config.bands_hz)
        if edges and self.config.edges_s:
            # Both are constant away from the ends: a clock would let trees learn single recordings by heart.
            both = np.stack([frames, frames[::-1]], axis=1) / recording.fps
            parts.append(np.minimum(both, self.config.edges_s))
        return np.concatenate(parts, axis=1).astype(np.float32)


def band_powers(
    values: Float64Array, fps: float, seconds: float, bands: Sequence[Sequence[float]]
) -> list[Float64Array]:
    """Take the power of each column in frequency bands, in a Hann window about each frame.

    Parameters
    ----------
    values : ndarray, shape (time, n)
        NaN = missing; counts as the mean of its window's middle column.
    fps : float
    seconds : float
        Length of the window.
    bands : sequence of two floats each
        In Hz; a band above half the frame rate has no power.

    Returns
    -------
    list of ndarray, shape (time, n)
        For each band log(1 + power), power in squared units of the column.
    """
    window = odd_window(seconds, fps)
    time, width = values.shape
    found = [np.zeros((time, width)) for _ in bands]
    if not time:
        return found
    seen = ~np.isnan(values)
    mean = np.where(seen, values, 0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    padded = np.pad(np.where(seen, values, mean), ((window // 2, window // 2), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, window, axis=0)
    taper = np.hanning(window + 2)[1:-1]
    frequencies = np.fft.rfftfreq(window, 1 / fps)
    for start in range(0, time, CHUNK):
        part = windows[start : start + CHUNK]
        power = np.abs(np.fft.rfft((part - part.mean(axis=2, keepdims=True)) * taper, axis=2)) ** 2 / (taper**2).sum()
        for band, (low, high) in zip(found, bands, strict=True):
            inside = (frequencies >= low) & (frequencies < high)
            band[start : start + CHUNK] = np.log1p(power[:, :, inside].sum(axis=2))
    return found
