"""Models without gradients: fitted in passes over the training recordings, their state kept in buffers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import numpy.typing as npt
from scipy import linalg

from workflow_scripts.core.errors import ConfigError, EthoMakeError
from workflow_scripts.core.typing import Float64Array
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.kinematics.geometry import FloatArray, extent
from workflow_scripts.training.buffers import Buffers
from workflow_scripts.views.tracks import DataSpec, TrackView


@dataclass(frozen=True)
class ClosedFormData:
    """What `prepare` gives for a model that is fitted rather than trained.

    Attributes
    ----------
    view : TrackView
        The recordings of one split.
    """

    view: TrackView


class ClosedFormModel(Buffers, ABC):
    """A model that :meth:`fit` settles; all it learns is in buffers, whose shapes follow from `spec` and options.

    Parameters
    ----------
    spec : DataSpec
        The data it is made for.
    """

    fitted: npt.NDArray[np.uint8]

    def __init__(self, spec: DataSpec) -> None:
        super().__init__()
        self.spec = spec
        self.register_buffer("fitted", np.uint8(0))

    def fit(self, view: TrackView) -> dict[str, float]:
        """Fit on the training recordings of `view`.

        Returns
        -------
        dict of str to float
            What is worth a line in the log and in `metrics.csv`.

        Raises
        ------
        EthoMakeError
            When a recording is not what the model was made for, or the training recordings show nothing.
        """
        metrics = self._fit(view)
        self.fitted.fill(1)
        return metrics

    def checked(self, view: TrackView) -> Iterator[Recording]:
        """Yield the training recordings without labels; one that the model was not made for is an error."""
        for recording in view.train(()):
            self.spec.check(recording)
            yield recording

    @abstractmethod
    def _fit(self, view: TrackView) -> dict[str, float]:
        """Do the work of :meth:`fit`."""

    @abstractmethod
    def dimension_names(self) -> list[str]:
        """Name every dimension of the embedding."""

    @abstractmethod
    def _embed(self, recording: Recording) -> npt.NDArray[np.floating]:
        """Do the work of :meth:`embed`."""

    def embed(self, recording: Recording) -> npt.NDArray[np.float32]:
        """Embed a recording.

        Returns
        -------
        ndarray, float32, shape (time, dim)
            Finite.

        Raises
        ------
        EthoMakeError
            When the model was neither fitted nor given weights, or the recording is of another kind.
        """
        if not self.fitted.item():
            raise EthoMakeError("The model was neither fitted nor given weights; fit it, or load its weights first.")
        self.spec.check(recording)
        return np.ascontiguousarray(self._embed(recording), dtype=np.float32)


class Normaliser(Buffers):
    """Brings positions to the order of 1: (position − origin) / scale, with one scale for all axes.

    With an image size in `spec`, origin is the middle of the image and scale half its longer side. Without one, both
    are means over the training recordings of their central 98 % ranges (:func:`kinematics.extent`).

    Parameters
    ----------
    spec : DataSpec
    """

    origin: Float64Array
    scale: Float64Array

    def __init__(self, spec: DataSpec) -> None:
        super().__init__()
        self.image_size = spec.image_size
        self.register_buffer("origin", np.zeros(spec.space))
        self.register_buffer("scale", np.ones(()))

    def fit(self, view: TrackView) -> None:
        """Settle origin and scale from the training recordings of `view`.

        Raises
        ------
        EthoMakeError
            When no point of them was ever seen.
        """
        origins, scales = [], []
        for recording in view.train(()):
            origin, scale = extent(recording.position, self.image_size)
            if np.isfinite(scale) and scale > 0:
                origins.append(origin)
                scales.append(scale)
        if not scales:
            raise EthoMakeError(
                f"{view.path}: the training recordings of split {view.split.name!r} hold no tracked point that moves; "
                "check the tracking files or the card's gaps."
            )
        self.origin[...] = np.mean(origins, axis=0)
        self.scale.fill(float(np.mean(scales)))

    def apply_to(self, position: FloatArray) -> Float64Array:
        """Normalise positions (…, space)."""
        normalised: Float64Array = (position - self.origin) / float(self.scale)
        return normalised


class RunningCovariance:
    """Mean and covariance of rows that come in chunks, by merging centred sums (Chan, Golub and LeVeque 1983).

    Parameters
    ----------
    columns : int
    """

    def __init__(self, columns: int) -> None:
        self.count = 0
        self.mean: Float64Array = np.zeros(columns)
        self._scatter: Float64Array = np.zeros((columns, columns))

    def add(self, rows: FloatArray) -> None:
        """Take in a chunk, shape (n, columns), without NaN."""
        n = len(rows)
        if not n:
            return
        chunk_mean = rows.mean(axis=0, dtype=np.float64)
        centred = rows - chunk_mean
        shift = chunk_mean - self.mean
        total = self.count + n
        self._scatter += centred.T @ centred + np.outer(shift, shift) * (self.count * n / total)
        self.mean = self.mean + shift * (n / total)
        self.count = total

    def covariance(self) -> Float64Array:
        """Return the unbiased covariance (n − 1), shape (columns, columns)."""
        return self._scatter / max(self.count - 1, 1)


def principal_components(covariance: Float64Array, dim: int) -> tuple[Float64Array, Float64Array]:
    """Return the first `dim` principal components, one a row, and their variances, largest first.

    An eigenvector has no sign of its own; its largest loading is made positive, so that reruns agree.

    Parameters
    ----------
    covariance : ndarray, shape (n, n)
    dim : int
        At most n.
    """
    n = len(covariance)
    values, vectors = linalg.eigh(covariance, subset_by_index=[n - dim, n - 1])
    components = vectors.T[::-1]
    largest = np.take_along_axis(components, np.abs(components).argmax(axis=1)[:, None], axis=1)
    return np.ascontiguousarray(components * np.where(largest < 0, -1.0, 1.0)), np.maximum(values[::-1], 0)


class RunningMean:
    """Mean by column of rows that come in chunks and have holes.

    Parameters
    ----------
    columns : int
    """

    def __init__(self, columns: int) -> None:
        self._sum: Float64Array = np.zeros(columns)
        self._count: npt.NDArray[np.int64] = np.zeros(columns, dtype=np.int64)
        self._rows = 0

    def add(self, rows: FloatArray) -> None:
        """Take in a chunk, shape (n, columns); NaN = missing."""
        seen = ~np.isnan(rows)
        self._sum += np.where(seen, rows, 0).sum(axis=0, dtype=np.float64)
        self._count += seen.sum(axis=0)
        self._rows += len(rows)

    def mean(self) -> Float64Array:
        """Return the mean of every column, 0 for one never seen."""
        return self._sum / np.maximum(self._count, 1)

    def share_missing(self) -> float:
        """Return the share of values that were missing."""
        return 1 - float(self._count.sum()) / max(self._rows * len(self._count), 1)


# Four of the five functions (and the names of the dimensions) are the same for every method of this kind.


def prepare(view: TrackView, config: object) -> ClosedFormData:
    """Give the recordings a model is fitted on."""
    return ClosedFormData(view)


def embed(model: ClosedFormModel, recording: Recording) -> npt.NDArray[np.float32]:
    """Embed a recording as float32 (time, dim), finite."""
    return model.embed(recording)


def predict(model: object, recording: object) -> None:
    """Return None: a control predicts nothing by itself."""
    return


def import_weights(path: str | Path) -> NoReturn:
    """Refuse: nobody publishes weights of a control.

    Raises
    ------
    ConfigError
        Always.
    """
    raise ConfigError(f"{path}: a control has no published weights to import; let the workflow fit it on your data.")


def dimension_names(model: ClosedFormModel) -> list[str]:
    """Name every dimension of the embedding."""
    return model.dimension_names()
