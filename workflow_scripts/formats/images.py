"""Images with hand points: `/images`, `/points` and one index row an image, one HDF5 file per shard or dataset."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from workflow_scripts.core.boundary import reading
from workflow_scripts.core.errors import InputError
from workflow_scripts.formats.hdf5 import COMPRESSION, create, open_checked

KIND = "images"
CHUNK_BYTES = 1 << 20
TASK = "points"
"""Name of the task of finding the points; its vocabulary are the points' names."""
TEXT = h5py.string_dtype("utf-8")


@dataclass(frozen=True)
class PointLabels:
    """Hand points as the labels of a recording; like :class:`workflow_scripts.formats.tracks.Labels`.

    Attributes
    ----------
    values : ndarray, float32, shape (n, n_points, 2)
    mask : ndarray of bool, shape (n,)
        Images with all points.
    vocabulary : tuple of str
        Names of the points.
    """

    values: npt.NDArray[np.float32]
    mask: npt.NDArray[np.bool_]
    vocabulary: tuple[str, ...]
    kind: str = "points"
    level: str = "frame"
    background: None = None


@dataclass(frozen=True)
class ImageSet:
    """Grey images of one size, with points.

    Attributes
    ----------
    images : ndarray, uint8, shape (n, height, width)
    points : ndarray, float32, shape (n, n_points, 2)
        x and y in pixels of the image, pixel centres at whole numbers; NaN = not labelled.
    names : tuple of str
        Name of each point.
    source_frame : ndarray, int64, shape (n,)
        The frame an image was cut from or is a copy of; copies of one frame share it.
    animal : ndarray of str, shape (n,)
    group : ndarray of str, shape (n,)
        What no split may cut: the source frame, or a session where the card names one.
    index : dict of str to ndarray, int64 or float32, shape (n,)
        Further columns (the augmentation factors).
    fps : float
        Frames per second of a movie; NaN for single frames.
    warnings : list of str
        What conversion had to decide.
    """

    images: npt.NDArray[np.uint8]
    points: npt.NDArray[np.float32]
    names: tuple[str, ...]
    source_frame: npt.NDArray[np.int64]
    animal: npt.NDArray[np.str_]
    group: npt.NDArray[np.str_]
    index: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    fps: float = float("nan")
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        n = len(self.images)
        if self.images.dtype != np.uint8 or self.images.ndim != 3:
            raise ValueError(f"images must be uint8 (n, height, width), not {self.images.dtype} {self.images.shape}")
        if self.points.shape != (n, len(self.names), 2):
            raise ValueError(f"{len(self.names)} points for {n} images do not have shape {self.points.shape}")
        for name, column in {**self._columns(), **self.index}.items():
            if column.shape != (n,):
                raise ValueError(f"column {name} has shape {column.shape}, not ({n},)")

    def _columns(self) -> dict[str, npt.NDArray[Any]]:
        return {"source_frame": self.source_frame, "animal": self.animal, "group": self.group}

    def __len__(self) -> int:
        return len(self.images)

    @property
    def recordings(self) -> list[str]:
        """Recording id of each image: its source frame, the smallest thing a split can move."""
        return [recording_id(frame) for frame in self.source_frame]

    @property
    def id(self) -> str:
        """Recording id, for the images of one source frame."""
        return recording_id(self.source_frame[0])

    @property
    def n_frames(self) -> int:
        """Number of images."""
        return len(self)

    @property
    def labels(self) -> dict[str, PointLabels]:
        """The points as labels of the task `points`."""
        return {TASK: PointLabels(self.points, np.asarray(np.isfinite(self.points).all(axis=(1, 2))), self.names)}

    def take(self, rows: npt.NDArray[Any]) -> ImageSet:
        """Return some of the images, by a boolean mask or row numbers."""
        return ImageSet(
            images=self.images[rows],
            points=self.points[rows],
            names=self.names,
            source_frame=self.source_frame[rows],
            animal=self.animal[rows],
            group=self.group[rows],
            index={name: column[rows] for name, column in self.index.items()},
            fps=self.fps,
            warnings=self.warnings,
        )


def recording_id(source_frame: int) -> str:
    """Name a source frame as splits do."""
    return f"frame{int(source_frame):06d}"


def frame_groups(source_frame: npt.NDArray[np.int64]) -> npt.NDArray[np.str_]:
    """Return the smallest groups there are: each source frame its own."""
    return np.array([recording_id(frame) for frame in source_frame])


def write_images(
    path: str | Path,
    batches: Iterable[ImageSet],
    *,
    compress: bool = True,
    quarantined: Mapping[str, str] | None = None,
) -> None:
    """Write images as they come, one batch in memory at a time.

    Parameters
    ----------
    path : str or Path
        The HDF5 file to make, whole or not at all.
    batches : iterable of ImageSet
        Same size, names, columns and fps throughout; at least one.
    compress : bool
        Lossless compression; without it the augmented set is written at the speed of the disk.
    quarantined : mapping of str to str, optional
        Shards that could not be read, and why; looked at after the last batch.

    Raises
    ------
    InputError
        When there is no batch, or two differ.
    """
    options: dict[str, Any] = COMPRESSION if compress else {}
    with create(path, KIND) as handle:
        first: ImageSet | None = None
        warnings: list[str] = []
        for batch in batches:
            warnings += [text for text in batch.warnings if text not in warnings]
            if first is None:
                first = batch
                _declare(handle, batch, options)
            same = (batch.images.shape[1:], batch.names, batch.index.keys())
            if same != (first.images.shape[1:], first.names, first.index.keys()):
                raise InputError(
                    path, f"images of {same[0]} px follow others of {first.images.shape[1:]} px", "correct it"
                )
            _append(handle, batch)
        if first is None:
            raise InputError(path, "would hold no image", "check the source files")
        handle.attrs["warnings"] = json.dumps(warnings)
        handle.attrs["quarantined"] = json.dumps(dict(quarantined or {}))


def _declare(handle: h5py.File, batch: ImageSet, options: dict[str, Any]) -> None:
    handle.attrs["names"] = json.dumps(batch.names)
    handle.attrs["fps"] = batch.fps
    height, width = batch.images.shape[1:]
    rows = max(1, CHUNK_BYTES // max(1, height * width))

    def column(name: str, dtype: Any, shape: tuple[int, ...] = (), chunk: int = 4096) -> None:
        handle.create_dataset(name, (0, *shape), dtype, maxshape=(None, *shape), chunks=(chunk, *shape), **options)

    column("images", np.uint8, (height, width), rows)
    column("points", np.float32, (len(batch.names), 2))
    column("source_frame", np.int64)
    column("animal", TEXT)
    column("group", TEXT)
    for name, values in batch.index.items():
        column(f"index/{name}", np.float32 if values.dtype.kind == "f" else np.int64)


def _append(handle: h5py.File, batch: ImageSet) -> None:
    start = handle["images"].shape[0]
    columns: dict[str, Any] = {
        "images": batch.images,
        "points": batch.points,
        "source_frame": batch.source_frame,
        "animal": batch.animal.astype(object),
        "group": batch.group.astype(object),
    }
    columns |= {f"index/{name}": values for name, values in batch.index.items()}
    for name, values in columns.items():
        handle[name].resize(start + len(batch), axis=0)
        handle[name][start:] = values


class ImagesReader:
    """Read images by row; get one from :func:`open_images`."""

    def __init__(self, path: str | Path, handle: h5py.File) -> None:
        self.path = Path(path)
        self._handle = handle
        with self._damage():
            self._describe(handle)

    def _damage(self) -> AbstractContextManager[None]:
        return reading(self.path, "an images file that EthoMake made", "delete it and run the workflow again")

    def _describe(self, handle: h5py.File) -> None:
        self.names: tuple[str, ...] = tuple(json.loads(str(handle.attrs["names"])))
        self.fps = float(handle.attrs["fps"])
        self.quarantined: dict[str, str] = json.loads(str(handle.attrs.get("quarantined", "{}")))
        self.warnings: list[str] = json.loads(str(handle.attrs["warnings"]))
        self.shape: tuple[int, int] = tuple(handle["images"].shape[1:])
        self.source_frame: npt.NDArray[np.int64] = handle["source_frame"][:]
        self.animal = handle["animal"].asstr()[:].astype(str)
        self.groups = handle["group"].asstr()[:].astype(str)
        frames, first = np.unique(self.source_frame, return_index=True)
        self._group_of = {recording_id(f): str(self.groups[row]) for f, row in zip(frames, first, strict=True)}

    def __len__(self) -> int:
        with self._damage():
            return int(self._handle["images"].shape[0])

    @property
    def ids(self) -> list[str]:
        """Recording ids (source frames), sorted."""
        return sorted(self._group_of)

    def group(self, recording: str) -> str:
        """Return the group that no split may cut."""
        return self._group_of[recording]

    def animal_of(self, recording: str) -> str:
        """Return the animal on the images of a source frame.

        Raises
        ------
        InputError
            When there are several.
        """
        found = np.unique(self.animal[self.rows_of([recording])])
        if len(found) > 1:
            raise InputError(
                self.path, f"{recording!r} shows the animals {', '.join(found)}", "split by group instead of by animal"
            )
        return str(found[0])

    def rows_of(self, recordings: Iterable[str]) -> npt.NDArray[np.int64]:
        """Row numbers of some recordings, in file order."""
        wanted = np.array([int(name.removeprefix("frame")) for name in recordings], dtype=np.int64)
        rows: npt.NDArray[np.int64] = np.flatnonzero(np.isin(self.source_frame, wanted))
        return rows

    def read(self, start: int = 0, stop: int | None = None) -> ImageSet:
        """Read images `start` to `stop`."""
        rows = slice(start, stop)
        with self._damage():
            return self._unpack(rows)

    def _unpack(self, rows: slice) -> ImageSet:
        index = self._handle.get("index", {})
        return ImageSet(
            images=self._handle["images"][rows],
            points=self._handle["points"][rows],
            names=self.names,
            source_frame=self.source_frame[rows],
            animal=self.animal[rows],
            group=self.groups[rows],
            index={name: index[name][rows] for name in index},
            fps=self.fps,
            warnings=self.warnings,
        )

    def iterate(self, batch: int = 4096) -> Iterator[ImageSet]:
        """Yield the images in batches, one in memory at a time."""
        for start in range(0, len(self), batch):
            yield self.read(start, start + batch)


@contextmanager
def open_images(path: str | Path) -> Iterator[ImagesReader]:
    """Open an images file for reading (errors as :func:`workflow_scripts.formats.hdf5.open_checked`)."""
    with open_checked(path, KIND) as handle:
        yield ImagesReader(path, handle)
