"""From a recording to the numbers a window is cut from: gaps filled, normalised, laid out by individual."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workflow_scripts.errors import EthoMakeError
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.methods.lisbet.config import Config
from workflow_scripts.training.data import DataSpec
from workflow_scripts.training.kinematics import FloatArray, extent
from workflow_scripts.training.roles import body_length, find_roles

Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Layout:
    """Columns of the input: individual by individual, each keypoint's coordinates, then whether each was seen.

    Attributes
    ----------
    individuals, keypoints, space : int
    seen : bool
    """

    individuals: int
    keypoints: int
    space: int
    seen: bool

    @classmethod
    def of(cls, spec: DataSpec, config: Config) -> Layout:
        """Derive the layout from the data and the settled options."""
        return cls(len(spec.individuals), len(spec.keypoints), spec.space, bool(config.seen))

    @property
    def coordinates(self) -> int:
        """Coordinate columns of one individual."""
        return self.keypoints * self.space

    @property
    def block(self) -> int:
        """All columns of one individual."""
        return self.coordinates + (self.keypoints if self.seen else 0)

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
    seen = ~np.isnan(position).any(axis=-1)
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
    if not config.seen:
        return flat
    return np.concatenate([flat, seen.astype(np.float32)], axis=-1)
