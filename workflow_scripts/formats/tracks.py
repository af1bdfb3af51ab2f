"""Tracks: `/recordings/<id>/…`, one HDF5 file per shard and one index file of links per dataset (DESIGN §5)."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import h5py
import numpy as np
import numpy.typing as npt

from workflow_scripts.core.boundary import reading
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.typing import Float32Array
from workflow_scripts.formats.hdf5 import COMPRESSION, create, open_checked, require_own
from workflow_scripts.formats.rows import read_row, write_row

Level: TypeAlias = Literal["frame", "sequence"]
Kind: TypeAlias = Literal["binary", "multiclass", "continuous"]

KIND = "tracks"


def by_class(kind: str, level: str) -> bool:
    """Whether a task of this kind and level has one class a frame, out of several or yes and no."""
    return level == "frame" and kind in ("binary", "multiclass")


@dataclass(frozen=True)
class Labels:
    """What people (or rules) said about one task in one recording.

    Attributes
    ----------
    values : ndarray
        Level ``frame``: shape (time,); level ``sequence``: shape (1,). Kind ``multiclass``: int16 index into
        `vocabulary`; ``binary``: uint8 0 or 1; ``continuous``: float32.
    mask : ndarray of bool
        Same shape; True where the value is a label, False where nobody labelled.
    level, kind : str
    vocabulary : tuple of str
        Class names by index (two names for ``binary``, none for ``continuous``).
    background : str or None
        Class that means nothing of interest, which has no bouts; None in files older than the attribute.
    spans : tuple of (int, int, int)
        First frame, frame after the last, and class of every bout as its annotator gave it, where the source keeps
        them: of bouts that overlap, `values` hold one class a frame. Not stored.
    """

    values: npt.NDArray[np.generic]
    mask: npt.NDArray[np.bool_]
    level: Level
    kind: Kind
    vocabulary: tuple[str, ...] = ()
    background: str | None = None
    spans: tuple[tuple[int, int, int], ...] = ()


@dataclass(frozen=True)
class Recording:
    """One group of animals, tracked once.

    Attributes
    ----------
    id : str
        Unique in its dataset. May hold slashes (CalMS21 does).
    position : ndarray, float32, shape (time, individual, keypoint, space)
        In `unit`; NaN = missing.
    confidence : ndarray, float32, shape (time, individual, keypoint)
        The tracker's likelihood in [0, 1]; NaN where the position is missing from the source.
    fps : float
        Frames per second.
    individuals, keypoints : tuple of str
    group : str
        Animal, session or source video that no split may cut.
    unit : str
        Unit of `position`, usually ``px``.
    image_size : tuple of float or None
        Width and height in `unit`.
    filled : ndarray of bool, shape (time, individual, keypoint), or None
        True where a gap was filled by interpolation.
    labels : dict of str to Labels
    source_sha256 : dict of str to str
        Checksum by source file name.
    warnings : list of str
        What conversion had to decide; shown in the report.
    animal, condition, covariates : str, str, dict of str to str
        Of the sheet; empty where it names none.
    start : int
        Frame of the video at which frame 0 of this recording lies, at `fps`.
    source_fps : float
        Frames per second of the file; differs from `fps` where the recording was resampled. NaN = the same.
    scale : float
        Length of a unit of the file in `unit`, where the sheet states it of this recording; else NaN.
    """

    id: str
    position: Float32Array
    confidence: Float32Array
    fps: float
    individuals: tuple[str, ...]
    keypoints: tuple[str, ...]
    group: str
    unit: str = "px"
    image_size: tuple[float, float] | None = None
    filled: npt.NDArray[np.bool_] | None = None
    labels: dict[str, Labels] = field(default_factory=dict)
    source_sha256: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    animal: str = ""
    condition: str = ""
    covariates: dict[str, str] = field(default_factory=dict)
    start: int = 0
    source_fps: float = float("nan")
    scale: float = float("nan")

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return int(self.position.shape[0])


def escape_id(recording: str) -> str:
    """Make one HDF5 group name of a recording id, which may hold slashes."""
    return recording.replace("%", "%25").replace("/", "%2F")


def unescape_id(key: str) -> str:
    """Undo :func:`escape_id`."""
    return key.replace("%2F", "/").replace("%25", "%")


def _check(recording: Recording) -> None:
    time, individuals, keypoints, _ = recording.position.shape
    if recording.confidence.shape != (time, individuals, keypoints):
        raise ValueError(f"{recording.id}: confidence {recording.confidence.shape} beside {recording.position.shape}")
    if (individuals, keypoints) != (len(recording.individuals), len(recording.keypoints)):
        raise ValueError(f"{recording.id}: the names do not fit position {recording.position.shape}")
    for task, labels in recording.labels.items():
        expected = (time,) if labels.level == "frame" else (1,)
        if labels.values.shape != expected or labels.mask.shape != expected:
            raise ValueError(f"{recording.id}: labels {task} have shape {labels.values.shape}, not {expected}")


def _write_recording(parent: h5py.Group, recording: Recording) -> None:
    _check(recording)
    group = parent.create_group(escape_id(recording.id))
    group.create_dataset("position", data=recording.position.astype(np.float32, copy=False), **COMPRESSION)
    group.create_dataset("confidence", data=recording.confidence.astype(np.float32, copy=False), **COMPRESSION)
    if recording.filled is not None:
        group.create_dataset("filled", data=recording.filled, **COMPRESSION)
    group.attrs["id"] = recording.id
    group.attrs["fps"] = recording.fps
    group.attrs["unit"] = recording.unit
    group.attrs["group"] = recording.group
    group.attrs["individuals"] = json.dumps(recording.individuals)
    group.attrs["keypoints"] = json.dumps(recording.keypoints)
    group.attrs["source_sha256"] = json.dumps(recording.source_sha256)
    group.attrs["warnings"] = json.dumps(recording.warnings)
    if recording.image_size is not None:
        group.attrs["image_size"] = recording.image_size
    if recording.source_fps == recording.source_fps:  # not NaN
        group.attrs["source_fps"] = recording.source_fps
    if recording.scale == recording.scale:
        group.attrs["scale"] = recording.scale
    write_row(group, recording)
    write_labels(group, recording.labels)


def write_labels(recording: h5py.Group, labels: dict[str, Labels]) -> None:
    """Write the labels of a recording below its HDF5 group."""
    for task, found in labels.items():
        node = recording.create_group(f"labels/{task}")
        node.create_dataset("values", data=found.values, **COMPRESSION)
        node.create_dataset("mask", data=found.mask, **COMPRESSION)
        node.attrs["level"] = found.level
        node.attrs["kind"] = found.kind
        node.attrs["vocabulary"] = json.dumps(found.vocabulary)
        if found.background is not None:
            node.attrs["background"] = found.background


def read_label(recording: h5py.Group, task: str) -> Labels | None:
    """Read the labels of a task from a recording's HDF5 group, None where it has none."""
    found = recording.get(f"labels/{task}")
    if found is None:
        return None
    attributes = found.attrs
    return Labels(
        values=found["values"][:],
        mask=found["mask"][:],
        level=attributes["level"],
        kind=attributes["kind"],
        vocabulary=tuple(json.loads(attributes["vocabulary"])),
        background=attributes.get("background"),
    )


def write_tracks(
    path: str | Path, recordings: Iterable[Recording], quarantined: Mapping[str, str] | None = None
) -> None:
    """Write recordings one after another, so that only one need be in memory.

    Parameters
    ----------
    path : str or Path
        The HDF5 file to make, whole or not at all.
    recordings : iterable of Recording
        May be a generator.
    quarantined : mapping of str to str, optional
        Recordings that are left out, and why; looked at after the last recording.

    Raises
    ------
    InputError
        When two recordings share an id.
    """
    with create(path, KIND) as handle:
        parent = handle.create_group("recordings")
        for recording in recordings:
            if escape_id(recording.id) in parent:
                raise InputError(path, f"two recordings are called {recording.id!r}", "give each its own id")
            _write_recording(parent, recording)
        if quarantined:
            handle.attrs["quarantined"] = json.dumps(dict(quarantined))


def write_quarantine(path: str | Path, shard: str, reason: str) -> None:
    """Write a shard that holds no recording but the reason why, so that it never vanishes from the report."""
    with create(path, KIND) as handle:
        handle.create_group("recordings")
        handle.attrs["quarantined"] = json.dumps({shard: reason})


class RecordingsReader:
    """What a file of recordings of any kind can be asked; the kinds add how a recording is read."""

    length_of: str
    """Dataset of a recording that has a row a frame."""
    absent: str
    """Start of the error sentence about a recording that is not there."""
    hidden: Collection[str] = ()  # recordings given as unlabelled: a split's `unlabelled`

    def __init__(self, path: str | Path, handle: h5py.File) -> None:
        self.path = Path(path)
        self._handle = handle
        self._last: tuple[str, h5py.Group | None] = ("", None)
        with self._damage():
            self._recordings: h5py.Group = handle["recordings"]
            self.quarantined: dict[str, str] = json.loads(str(handle.attrs.get("quarantined", "{}")))
            self.ids: list[str] = [unescape_id(key) for key in self._recordings]

    def _damage(self) -> AbstractContextManager[None]:
        return reading(self.path, "a file that EthoMake made", "delete it and run the workflow again")

    def _node(self, recording: str) -> h5py.Group:
        key = escape_id(recording)
        # A recording is asked many things in a row, and in an index each would open its file again.
        if self._last[0] == key and self._last[1]:
            return self._last[1]
        try:
            link = self._recordings.get(key, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                require_own(self.path.parent / link.filename)
            self._last = key, self._recordings[key]
            return self._last[1]
        except KeyError as error:
            raise InputError(
                self.path, f"{self.absent} {recording!r}", "run the workflow again; see splits and card"
            ) from error

    def close(self) -> None:
        """Close the recording's file that is kept open for the next question."""
        self._last = "", None

    def n_frames(self, recording: str) -> int:
        """Number of frames of a recording."""
        with self._damage():
            return int(self._node(recording)[self.length_of].shape[0])

    def group(self, recording: str) -> str:
        """Return the group that no split may cut."""
        with self._damage():
            return str(self._node(recording).attrs["group"])

    def fps(self, recording: str) -> float:
        """Frames per second."""
        with self._damage():
            return float(self._node(recording).attrs["fps"])

    def tasks(self, recording: str) -> list[str]:
        """Names of the tasks labelled in a recording."""
        with self._damage():
            node = self._node(recording)
            return list(node["labels"]) if "labels" in node else []

    def labels(self, recording: str, task: str) -> Labels | None:
        """Return the labels of a task, or None where the recording has none."""
        with self._damage():
            found = read_label(self._node(recording), task)
        # The task, its kind and classes stay known: they are the card's.
        return replace(found, mask=np.zeros_like(found.mask)) if found and recording in self.hidden else found

    def has_labels(self, recording: str) -> bool:
        """Whether anything in a recording is labelled."""
        node = self._node(recording)
        return any(bool(task["mask"][:].any()) for task in node["labels"].values()) if "labels" in node else False

    def row(self, recording: str) -> dict[str, Any]:
        """Return animal, condition, covariates and start, as the sheet has them."""
        return read_row(self._node(recording))

    def all_labels(self, recording: str, tasks: Collection[str] | None = None) -> dict[str, Labels]:
        """Return the labels of a recording by task; `tasks`: of these alone."""
        known = [task for task in self.tasks(recording) if tasks is None or task in tasks]
        found = {task: self.labels(recording, task) for task in known}
        return {task: labels for task, labels in found.items() if labels is not None}


class TracksReader(RecordingsReader):
    """Read tracks one recording at a time; get one from :func:`open_tracks`."""

    length_of = "position"
    absent = "has no readable recording"

    @property
    def reading(self) -> dict[str, Any]:
        """How the files of the dataset are read; empty in files older than that."""
        found: dict[str, Any] = json.loads(str(self._handle.attrs.get("reading", "{}")))
        return found

    def read(self, recording: str, tasks: Collection[str] | None = None) -> Recording:
        """Read one recording whole, or with the labels of `tasks` alone: reading those takes most of the time."""
        return self._read(recording, slice(None), tasks)

    def header(self, recording: str, tasks: Collection[str] | None = None) -> Recording:
        """Read everything but the frames: `position` and `confidence` have length 0."""
        return self._read(recording, slice(0, 0), tasks)

    def _read(self, recording: str, frames: slice, tasks: Collection[str] | None) -> Recording:
        with self._damage():
            found = self._unpack(recording, frames, tasks)
            if found.position.ndim != 4 or found.confidence.shape != found.position.shape[:3]:
                shapes = f"{found.position.shape} and {found.confidence.shape}"
                problem = f"{recording}: position and confidence have the shapes {shapes}"
                raise InputError(self.path, problem, "delete the file and run the workflow again")
        return found

    def _unpack(self, recording: str, frames: slice, tasks: Collection[str] | None) -> Recording:
        node = self._node(recording)
        size = node.attrs.get("image_size")
        return Recording(
            id=recording,
            position=node["position"][frames],
            confidence=node["confidence"][frames],
            filled=node["filled"][frames] if "filled" in node else None,
            fps=float(node.attrs["fps"]),
            individuals=tuple(json.loads(node.attrs["individuals"])),
            keypoints=tuple(json.loads(node.attrs["keypoints"])),
            group=str(node.attrs["group"]),
            unit=str(node.attrs["unit"]),
            image_size=None if size is None else (float(size[0]), float(size[1])),
            labels=self.all_labels(recording, tasks),
            source_sha256=json.loads(node.attrs["source_sha256"]),
            warnings=json.loads(node.attrs["warnings"]),
            source_fps=float(node.attrs.get("source_fps", "nan")),
            scale=float(node.attrs.get("scale", "nan")),
            **read_row(node),
        )

    def __iter__(self) -> Iterator[Recording]:
        """Yield every recording, one in memory at a time."""
        for recording in self.ids:
            yield self.read(recording)


@contextmanager
def open_tracks(path: str | Path) -> Iterator[TracksReader]:
    """Open a shard or an index of tracks for reading.

    Raises
    ------
    InputError
        When the file is absent, damaged, of another kind or schema version.
    """
    with open_checked(path, KIND) as handle, closing(TracksReader(path, handle)) as reader:
        yield reader
