"""From a recording to the columns the network reads: laid out, gaps filled, normalised; and its labels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from workflow_scripts.core.errors import ConfigError, EthoMakeError
from workflow_scripts.core.typing import Float64Array
from workflow_scripts.core.validation import nearest
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.kinematics.body_roles import RoleNames, body_length, find_roles, lay_recording
from workflow_scripts.kinematics.geometry import (
    FloatArray,
    fill_last_seen,
    lay_names,
    nan_mean,
    odd_window,
    rolling_moments,
)
from workflow_scripts.kinematics.quantities import Columns, Identity, blank_recording, lay_quantities, measure
from workflow_scripts.methods.daart.config import Config
from workflow_scripts.methods.daart.heuristics import apply_rules
from workflow_scripts.methods.daart.sequences import Signals
from workflow_scripts.views.tracks import DataSpec

PREFERRED = "behaviour"
"""Task of the hand labels where the options name none and the dataset has several."""


def strong_task(spec: DataSpec, config: Config) -> str:
    """Settle which task holds the hand labels.

    Raises
    ------
    ConfigError
        When the options name none and the data leave a choice, or name one that is not there.
    """
    known = [name for name, classes in spec.vocabularies.items() if classes]
    if config.strong is not None:
        if config.strong not in known:
            raise ConfigError(
                f"methods.daart.strong: there is no task {config.strong!r}{nearest(config.strong, known)}."
            )
        return config.strong
    free = [name for name in known if name != config.weak]
    if PREFERRED in free:
        return PREFERRED
    if len(free) != 1:
        raise ConfigError(
            f"methods.daart.strong: name the task of the hand labels; the dataset has: {', '.join(free)}."
        )
    return free[0]


def column_names(spec: DataSpec, config: Config) -> list[str]:
    """Name the columns of :func:`columns`."""
    names: list[str] = []
    if config.coordinates != "none":
        names = lay_names(spec.individuals, spec.keypoints, spec.space, config.coordinates)
    if config.velocity:
        names = [*names, *(f"{name}.velocity" for name in names)]
    if config.quantities != "none":
        own = list(_quantities(blank_recording(spec.individuals, spec.keypoints, spec.space), config))
        names += own
        for seconds in config.windows_s:
            names += [f"{name}|{statistic}_{seconds:g}s" for statistic in ("mean", "sd") for name in own]
    if config.likelihood:
        names += [f"{who}.{point}.likelihood" for who in spec.individuals for point in spec.keypoints]
    return names


def columns(recording: Recording, config: Config) -> Float64Array:
    """Lay a recording out as (time, column), NaN-free, not yet normalised.

    Missing coordinates take their last seen value, before the first the column's mean. A velocity is the change from
    the frame before, 0 in the first frame and while a gap is held. A missing quantity takes its column's mean; whether
    points are seen is a quantity of its own.
    """
    parts: list[Float64Array] = []
    if config.coordinates != "none":
        roles = find_roles(recording.keypoints, RoleNames())
        laid = lay_recording(recording, _as_float64, config.coordinates, roles)
        parts.append(fill_last_seen(laid, np.nan_to_num(nan_mean(laid, 0))))
        if config.velocity:
            parts.append(np.diff(parts[0], axis=0, prepend=parts[0][:1]))
    if config.quantities != "none":
        now = np.stack(list(_quantities(recording, config).values()), axis=1)
        measured = [now]
        for seconds in config.windows_s:
            measured += rolling_moments(now, odd_window(seconds, recording.fps))
        table = np.concatenate(measured, axis=1)
        parts.append(np.where(np.isnan(table), np.nan_to_num(nan_mean(table, 0)), table))
    if config.likelihood:
        parts.append(np.nan_to_num(recording.confidence.reshape(recording.n_frames, -1).astype(np.float64)))
    return np.concatenate(parts, axis=1)


def _quantities(recording: Recording, config: Config) -> Columns:
    """Measure in the recording's own body lengths, so that a camera's scale does not matter."""
    roles = find_roles(recording.keypoints, RoleNames())
    length = body_length(recording.position, roles)
    # Never seen from front to rear: nothing is known of lengths, and any unit is as good.
    length = length if length > 0 else 1.0
    found = measure(recording, roles, length)
    identity: Identity = "named" if config.quantities == "named" else "symmetric"
    return lay_quantities(found, identity, recording.individuals)


def _as_float64(position: FloatArray) -> Float64Array:
    return np.asarray(position, np.float64)


def standardise(values: Float64Array) -> npt.NDArray[np.float32]:
    """Centre every column and divide it by its population deviation; a constant column is centred alone."""
    if not len(values):
        return values.astype(np.float32)
    deviation = values.std(axis=0)
    scaled: npt.NDArray[np.float32] = ((values - values.mean(axis=0)) / np.where(deviation > 0, deviation, 1)).astype(
        np.float32
    )
    return scaled


def _codes(recording: Recording, task: str | None, vocabulary: tuple[str, ...]) -> npt.NDArray[np.int64]:
    found = recording.labels.get(task) if task else None
    if found is None:
        return np.full(recording.n_frames, -1)
    if found.level != "frame":
        raise EthoMakeError(
            f"Recording {recording.id!r}: the task {task!r} labels whole sequences, daart needs frames."
        )
    if found.vocabulary != vocabulary:
        raise EthoMakeError(
            f"Recording {recording.id!r}: the task {task!r} has the classes {', '.join(found.vocabulary)}, and the "
            f"model has {', '.join(vocabulary)}; give all label tasks one vocabulary, in one order."
        )
    return np.where(found.mask, found.values.astype(np.int64), -1)


def signals(recording: Recording, config: Config, spec: DataSpec) -> Signals:
    """Make what training needs of a recording.

    Raises
    ------
    EthoMakeError
        When a label task has other classes than the model.
    """
    values = columns(recording, config)
    strong = strong_task(spec, config)
    targets = np.full((recording.n_frames, len(config.targets)), np.nan, np.float32)
    for k, name in enumerate(config.targets):
        found = recording.labels.get(name)
        if found is not None:
            targets[:, k] = np.where(found.mask, found.values, np.nan)
    vocabulary = spec.vocabularies[strong]
    weak = (
        apply_rules(recording, config.rules, vocabulary)
        if config.rules is not None
        else _codes(recording, config.weak, vocabulary)
    )
    return Signals(
        id=recording.id,
        x=standardise(values) if config.normalise == "recording" else values.astype(np.float32),
        strong=_codes(recording, strong, vocabulary),
        weak=weak,
        targets=targets,
    )
