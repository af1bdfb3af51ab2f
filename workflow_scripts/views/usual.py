"""What the training recordings usually look like, and how far another recording is from that: a measure of distance."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from workflow_scripts.core.typing import Float64Array
from workflow_scripts.formats.tracks import Recording

QUANTILES = (0.01, 0.99)
"""Of each quantity over the training frames: its usual range, which leaves out two frames in a hundred."""

ROUNDING = 1e-4
"""Share of the ends of a range by which rounding may miss them."""

FRAMES = 2000
"""Frames of a recording that count, evenly spread."""

UNLIKE = 0.25
"""A recording with more of its frames outside a usual range than this is reported."""


def quantities(recording: Recording) -> dict[str, Float64Array]:
    """Return plain quantities of evenly spread frames, NaN where unknown.

    `size` is the root mean square distance of an animal's points from their centre, `speed` that of the centre (units a
    second), `distance` that between the nearest two centres, `x` and `y` the centre, `missing` the share of points.
    """
    position = recording.position.astype(np.float64)
    step = max(1, len(position) // FRAMES)
    known = np.asarray(np.isfinite(position).all(axis=-1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # frames without a point are NaN
        centre = np.nanmean(position, axis=2)
        spread = position[::step] - centre[::step, :, None]
        found = {
            "size": np.sqrt(np.nanmean((spread**2).sum(axis=-1), axis=2)).ravel(),
            "speed": (np.linalg.norm(np.diff(centre, axis=0), axis=-1) * recording.fps)[::step].ravel(),
            "missing": 1 - known[::step].mean(axis=(1, 2)),
        }
        if centre.shape[1] > 1:
            first, second = np.triu_indices(centre.shape[1], 1)
            apart = np.linalg.norm(centre[::step, first] - centre[::step, second], axis=-1)
            found["distance"] = np.nanmin(apart, axis=1)
    for axis, name in enumerate("xyz"[: centre.shape[2]]):
        found[name] = centre[::step, :, axis].ravel()
    return found


def usual_ranges(recordings: Iterable[Recording]) -> dict[str, list[float]]:
    """Return the range, between :data:`QUANTILES`, of each quantity over the frames of training recordings."""
    pooled: dict[str, list[Float64Array]] = {}
    for recording in recordings:
        for name, values in quantities(recording).items():
            pooled.setdefault(name, []).append(values[np.isfinite(values)])
    joined = {name: np.concatenate(parts) for name, parts in pooled.items()}
    return {
        name: [float(f"{value:.6g}") for value in np.quantile(values, QUANTILES)]
        for name, values in joined.items()
        if len(values)
    }


def outside(recording: Recording, usual: Mapping[str, Any]) -> dict[str, float]:
    """Return the share of a recording's frames outside the usual range of each quantity.

    About 0.02 where the recording is like those of the training, by construction of the ranges.
    """
    found: dict[str, float] = {}
    for name, values in quantities(recording).items():
        known = values[np.isfinite(values)]
        if name in usual and len(known):
            low, high = usual[name]
            room = ROUNDING * max(abs(low), abs(high))
            low, high = low - room, high + room
            found[name] = float(((known < low) | (known > high)).mean())
    return found


def unlike(recording: Recording, usual: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each quantity that is outside its usual range in many frames."""
    unit = recording.unit
    units = {"speed": f" {unit}/s", "missing": ""}
    return [
        f"unlike the training recordings: {name} is outside their usual range ({usual[name][0]:g} to "
        f"{usual[name][1]:g}{units.get(name, f' {unit}')}) in {share:.0%} of the frames"
        for name, share in outside(recording, usual).items()
        if share > UNLIKE
    ]
