"""From a recording to the numbers a window is cut from: gaps filled, normalised, laid out by individual."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, permutations

import numpy as np
import numpy.typing as npt
import torch

from workflow_scripts.core.arrays import any_nan
from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.kinematics.body_roles import body_length, find_roles
from workflow_scripts.kinematics.geometry import FloatArray, extent, nan_mean, rolling_moments
from workflow_scripts.kinematics.quantities import blank_recording, measure
from workflow_scripts.methods.lisbet.config import Config
from workflow_scripts.views.tracks import DataSpec

Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Layout:
    """Columns of the input: individual by individual, each keypoint's coordinates, whether each was seen, quantities.

    Attributes
    ----------
    individuals, keypoints, space : int
    seen : bool
    quantities : int
        Number of quantities of one individual.
    """

    individuals: int
    keypoints: int
    space: int
    seen: bool
    quantities: int = 0

    @classmethod
    def of(cls, spec: DataSpec, config: Config) -> Layout:
        """Derive the layout from the data and the settled options."""
        extra = 0
        if config.quantities != "none":
            blank = blank_recording(spec.individuals, spec.keypoints, spec.space)
            extra = measure_individuals(blank, config).shape[2]
        return cls(len(spec.individuals), len(spec.keypoints), spec.space, bool(config.seen), extra)

    @property
    def coordinates(self) -> int:
        """Coordinate columns of one individual."""
        return self.keypoints * self.space

    @property
    def block(self) -> int:
        """All columns of one individual."""
        return self.tracked + self.quantities

    @property
    def tracked(self) -> int:
        """Columns of one individual without its quantities."""
        return self.coordinates + (self.keypoints if self.seen else 0)

    def quantity_columns(self) -> torch.Tensor | None:
        """Columns of the flat input that hold quantities; None where there are none."""
        if not self.quantities:
            return None
        each = torch.arange(self.tracked, self.block)
        return (torch.arange(self.individuals)[:, None] * self.block + each).flatten()

    @property
    def features(self) -> int:
        """All columns; without `seen`, column = (individual · keypoints + keypoint) · space + axis."""
        return self.individuals * self.block


def interpolate_both_ways(columns: FloatArray) -> None:
    """Fill NaN linearly between seen values and with the nearest one at the ends, in place; all-NaN stays.

    Parameters
    ----------
    columns : ndarray, shape (time, n)
    """
    frames = np.arange(len(columns))
    for column in columns.T:
        missing = np.isnan(column)
        if missing.any() and not missing.all():
            column[missing] = np.interp(frames[missing], frames[~missing], column[~missing])


def _fill_never_seen(position: FloatArray) -> None:
    """Put a keypoint that a recording never shows at the centre of its animal, in place."""
    for animal in range(position.shape[1]):
        never = np.isnan(position[:, animal]).all(axis=(0, 2))
        if never.any() and not never.all():
            position[:, animal, never] = np.nanmean(position[:, animal, ~never], axis=1)[:, None]


def measure_individuals(recording: Recording, config: Config) -> Float32Array:
    """Lay out the hand features' quantities by individual.

    ``symmetric``: the smallest value over animals, pairs or ordered pairs is with the first animal, the largest
    with the second, the mean with any other. ``named``: an animal has its own, those of its pairs and those of the
    ordered pairs it leads (the mean over the others, of three or more). Each is averaged over the frames of one token
    (`fps_scaling`) and filled over time.

    Returns
    -------
    ndarray, float32, shape (time, individual, quantity)
        Finite.
    """
    roles = find_roles(recording.keypoints, config.roles)
    length = body_length(recording.position, roles)
    length = length if np.isfinite(length) and length > 0 else 1.0
    found = measure(recording, roles, length)
    animals = range(len(recording.individuals))
    subjects: list[list[tuple[int, ...]]] = [
        [(k,) for k in animals],
        list(combinations(animals, 2)),
        list(permutations(animals, 2)),
    ]
    columns = []
    for group, whose in zip((found.single, found.pair, found.directed), subjects, strict=True):
        for values in group.values():
            if config.quantities == "named":
                mine = [
                    [k for k, who in enumerate(whose) if animal in (who[:1] if group is found.directed else who)]
                    for animal in animals
                ]
                columns.append(np.stack([nan_mean(values[:, own], 1) for own in mine], axis=1))
            else:
                spread: list[FloatArray] = [np.fmin.reduce(values, axis=1), np.fmax.reduce(values, axis=1)]
                spread += [nan_mean(values, 1)] * (len(animals) - 2)
                columns.append(np.stack(spread[: len(animals)], axis=1))
    table = np.stack(columns, axis=2).reshape(len(recording.position), -1)
    token = 2 * int(config.fps_scaling / 2) + 1
    if token > 1:
        table = rolling_moments(table, token, deviation=False)[0]
    interpolate_both_ways(table)
    laid: Float32Array = np.nan_to_num(table).astype(np.float32).reshape(len(table), len(animals), -1)
    return laid


def _unit_square(position: FloatArray, recording: Recording, config: Config) -> None:
    """Bring positions to [0, 1], in place, by the image's size or the record's own range."""
    size = recording.image_size
    if config.normalise == "image" and (size is None or position.shape[3] != 2):
        raise EthoMakeError(
            f"Recording {recording.id!r} states no image size, which normalise: image divides by; "
            "write image_size in the card or choose normalise: minmax."
        )
    if size is not None and position.shape[3] == 2 and config.normalise != "minmax":
        np.divide(position, np.asarray(size, np.float32), out=position)
        return
    low = np.nanmin(position, axis=(0, 1, 2))
    span = np.nanmax(position, axis=(0, 1, 2)) - low
    np.subtract(position, low, out=position)
    np.divide(position, np.where(span > 0, span, 1).astype(np.float32), out=position)


def prepare_recording(recording: Recording, config: Config) -> Float32Array:
    """Fill, normalise and lay out one recording.

    Parameters
    ----------
    recording : Recording
    config : Config
        Settled.

    Returns
    -------
    ndarray, float32, shape (time, individual, block)
        Finite. See :class:`Layout`.

    Raises
    ------
    EthoMakeError
        When not one point was tracked, or the image's size is needed and unknown.
    """
    position = np.array(recording.position, dtype=np.float32)
    time, individuals, keypoints, space = position.shape
    seen = ~any_nan(position)
    if not seen.any():
        raise EthoMakeError(f"Recording {recording.id!r} holds no tracked point; leave it out or track it again.")
    if config.fill == "zero" and config.normalise != "body":
        # As the original: zeros before the range is taken, so that a missing point drags the minimum to 0.
        np.nan_to_num(position, copy=False)
    elif config.fill == "interpolate" and not seen.all():
        interpolate_both_ways(position.reshape(time, -1))
        _fill_never_seen(position)
    if config.normalise == "body":
        origin, size = extent(recording.position, recording.image_size)
        length = body_length(recording.position, find_roles(recording.keypoints, config.roles))
        if not np.isfinite(length):  # front and rear are never seen together
            length = size / 10
        np.subtract(position, origin.astype(np.float32), out=position)
        np.divide(position, np.float32(length if length > 0 else 1), out=position)
    else:
        _unit_square(position, recording, config)
    flat = np.nan_to_num(position, copy=False).reshape(time, individuals, keypoints * space)
    parts: list[Float32Array] = [flat]
    if config.seen:
        parts.append(np.asarray(seen, np.float32))
    if config.quantities != "none":
        parts.append(measure_individuals(recording, config))
    return np.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]
