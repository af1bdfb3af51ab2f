"""Clips: `clips/index.h5` over one stabilised square crop video (mp4) a recording; boxes, labels, clip tables."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeAlias

import av
import h5py
import numpy as np
import numpy.typing as npt

from workflow_scripts.core.documents import require_plain
from workflow_scripts.core.errors import InputError
from workflow_scripts.formats.hdf5 import COMPRESSION, create, open_checked
from workflow_scripts.formats.rows import read_row, write_row
from workflow_scripts.formats.tracks import Labels, RecordingsReader, escape_id, write_labels

KIND = "clips"
TASK = "action"
"""Name of the frame-level multiclass task of bouts."""

ClipKind: TypeAlias = Literal["positive", "idle", "hard_negative"]
CLIP_KINDS: tuple[ClipKind, ...] = ("positive", "idle", "hard_negative")
TEXT = h5py.string_dtype("utf-8")

GOP = 12
"""Frames between key frames of a crop video: what a random read decodes at most."""

MISSING, DETECTED, INTERPOLATED = 0, 1, 2
"""Where the box of a frame comes from."""

_COLUMNS = {
    "boxes": np.float32,
    "windows": np.float32,
    "scores": np.float32,
    "origin": np.uint8,
    "times": np.float64,
    "motion": np.float32,
}


@dataclass(frozen=True)
class Clip:
    """Frames `start` up to, not including, `stop` of one recording, with the class they show.

    `kind` is ``positive`` (a bout), ``idle`` (drawn from between the bouts) or ``hard_negative`` (idle, but moving);
    `task` is the task that the class is one of.
    """

    video: str
    start: int
    stop: int
    label: str
    kind: ClipKind
    task: str = TASK


@dataclass(frozen=True)
class ClipRecording:
    """One video, cropped around its animal.

    Attributes
    ----------
    id : str
        Unique in its dataset; may hold slashes.
    group : str
        Animal or source video that no split may cut.
    fps : float
        Frames per second (median rate where it varies).
    path : Path
        The crop video: mp4, square, one frame for each source frame.
    size : int
        Side of the crop video in pixels.
    boxes : ndarray, float32, shape (time, 4)
        Animal as x1, y1, x2, y2 in pixels of the upright source video; NaN = missing.
    windows : ndarray, float32, shape (time, 4)
        What the crop video shows, as x1, y1, x2, y2 in the same pixels; may reach over the border.
    scores : ndarray, float32, shape (time,)
        Confidence of the detection, NaN where the box is interpolated or missing.
    origin : ndarray, uint8, shape (time,)
        0 = missing, 1 = detected, 2 = interpolated.
    times : ndarray, float64, shape (time,)
        Seconds from the first frame.
    motion : ndarray, float32, shape (time,)
        Mean absolute change of the crop's brightness (0 to 255) since the frame before; 0 in the first.
    image_size : tuple of int
        Width and height of the upright source video.
    rotation : int
        Degrees (anticlockwise) the source was turned by to stand upright.
    labels : dict of str to Labels
    source_sha256 : dict of str to str
    warnings : list of str
    outside : float
        Share of the moving pixels of the video that lie outside the boxes; NaN where it was not measured or nothing
        moves. Much of it outside means that the boxes miss an animal.
    preprocessing : dict
        How the video was cropped: options of the source `videos` but for its labels, and the folder below which files
        named in them are found (`folder`). What was trained on such crops needs the same ones.
    animal, condition : str
        Of the sheet; empty where it names none.
    covariates : dict of str to str
        Other columns of the sheet.
    start : int
        Always 0: a video begins with itself.
    """

    id: str
    group: str
    fps: float
    path: Path
    size: int
    boxes: npt.NDArray[np.float32]
    windows: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    origin: npt.NDArray[np.uint8]
    times: npt.NDArray[np.float64]
    motion: npt.NDArray[np.float32]
    image_size: tuple[int, int]
    rotation: int = 0
    labels: dict[str, Labels] = field(default_factory=dict)
    source_sha256: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    outside: float = float("nan")
    preprocessing: dict[str, Any] = field(default_factory=dict)
    animal: str = ""
    condition: str = ""
    covariates: dict[str, str] = field(default_factory=dict)
    start: int = 0

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.times)

    def open(self) -> ClipVideo:
        """Open the crop video (a context manager)."""
        return ClipVideo(self.path, self.fps, self.n_frames)


def exact_rate(fps: float) -> Fraction:
    """Return the frame rate a crop video is stamped with; 29.97 becomes 30000/1001."""
    return Fraction(fps).limit_denominator(1001)


class ClipVideo:
    """Random and sequential access to the frames of a crop video.

    Parameters
    ----------
    path : str or Path
        Written by :mod:`workflow_scripts.video`: constant frame rate, short groups of pictures, no B-frames.
    fps : float
    n_frames : int
    """

    def __init__(self, path: str | Path, fps: float, n_frames: int) -> None:
        self.path = Path(path)
        self.n_frames = n_frames
        try:
            require_plain(path)
            self._container: Any = av.open(
                str(path), format="mov", options={"protocol_whitelist": "file"}, metadata_errors="replace"
            )
            self._stream = self._container.streams.video[0]
        except (av.FFmpegError, IndexError, OSError) as error:
            raise InputError(path, "is no readable video", "delete it and run the workflow again") from error
        self._stream.codec_context.thread_count = 1  # threads only delay the first frame after a seek
        self._frames_per_tick = Fraction(self._stream.time_base or 1) * exact_rate(fps)
        self._frames: Iterator[tuple[int, Any]] | None = None
        self._next = 0

    def __enter__(self) -> ClipVideo:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def _decode(self) -> Iterator[tuple[int, Any]]:
        try:
            for frame in self._container.decode(self._stream):
                yield round(frame.pts * self._frames_per_tick), frame
        except av.FFmpegError as error:
            raise InputError(self.path, f"is damaged ({error})", "delete it and run the workflow again") from error

    def _at(self, index: int) -> Any:
        """Return the decoded frame of that number, going on from where the reader is if it is near."""
        if self._frames is None or not self._next <= index < self._next + 2 * GOP:
            self._container.seek(round(index / self._frames_per_tick), stream=self._stream)
            self._frames = self._decode()
        for number, frame in self._frames:
            self._next = number + 1
            if number >= index:
                return frame
        raise InputError(self.path, f"ends before frame {index}", "delete it and run the workflow again")

    def frames(self, indices: Sequence[int] | npt.NDArray[np.integer]) -> npt.NDArray[np.uint8]:
        """Read frames in any order; a number may are there twice.

        Parameters
        ----------
        indices : sequence of int
            Frame numbers from 0; those outside the video are clipped to its first and last frame.

        Returns
        -------
        ndarray, uint8, shape (n, height, width, 3)
            RGB.
        """
        wanted = np.clip(np.asarray(indices, dtype=np.int64), 0, self.n_frames - 1)
        unique, inverse = np.unique(wanted, return_inverse=True)
        decoded = np.stack([self._at(int(index)).to_ndarray(format="rgb24", threads=1) for index in unique])
        return np.asarray(decoded[inverse], dtype=np.uint8)

    def iterate(
        self, start: int = 0, stop: int | None = None, step: int = 1
    ) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
        """Yield (frame number, RGB image) in order, decoding every frame once and one in memory at a time.

        Parameters
        ----------
        start, stop, step : int
            As of `range`.

        Yields
        ------
        int
            Frame number.
        ndarray, uint8, shape (height, width, 3)
        """
        for index in range(start, self.n_frames if stop is None else min(stop, self.n_frames), step):
            yield index, self._at(index).to_ndarray(format="rgb24", threads=1)


def _write_video(parent: h5py.Group, recording: ClipRecording, folder: Path) -> None:
    node = parent.create_group(escape_id(recording.id))
    for name, dtype in _COLUMNS.items():
        values = getattr(recording, name)
        if len(values) != recording.n_frames:
            raise ValueError(f"{recording.id}: {name} has {len(values)} rows for {recording.n_frames} frames")
        node.create_dataset(name, data=values.astype(dtype, copy=False), **COMPRESSION)
    for name in ("id", "group", "fps", "size", "image_size", "rotation"):
        node.attrs[name] = getattr(recording, name)
    node.attrs["path"] = os.path.relpath(recording.path, folder)
    node.attrs["source_sha256"] = json.dumps(recording.source_sha256)
    node.attrs["warnings"] = json.dumps(recording.warnings)
    node.attrs["outside"] = recording.outside
    node.attrs["preprocessing"] = json.dumps(recording.preprocessing)
    write_row(node, recording)
    write_labels(node, recording.labels)


def write_clips(
    path: str | Path,
    recordings: Iterable[ClipRecording],
    clips: dict[str, list[Clip]] | None = None,
    quarantined: dict[str, str] | None = None,
) -> None:
    """Write recordings and clip tables; the crop videos stay where they are and are named relative to the file.

    Parameters
    ----------
    path : str or Path
        The HDF5 file to make, whole or not at all.
    recordings : iterable of ClipRecording
        May be a generator.
    clips : dict of str to list of Clip
        Clip tables by mode (``sound``, ``faithful``).
    quarantined : dict of str to str
        Recordings that could not be used, with the reason.

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
            _write_video(parent, recording, Path(path).parent)
        handle.attrs["quarantined"] = json.dumps(quarantined or {})
        for mode, table in (clips or {}).items():
            node = handle.create_group(f"clips/{mode}")
            for name in ("video", "label", "kind", "task"):
                node.create_dataset(name, data=np.array([getattr(c, name) for c in table], dtype=object), dtype=TEXT)
            for name in ("start", "stop"):
                node.create_dataset(name, data=np.array([getattr(c, name) for c in table], dtype=np.int64))


class ClipsReader(RecordingsReader):
    """Read clips one recording at a time; see :func:`open_clips`."""

    length_of = "times"
    absent = "has no recording"

    def labels(self, recording: str, task: str = TASK) -> Labels | None:
        """Return the labels of a task, or None where the recording has none."""
        return super().labels(recording, task)

    def read(self, recording: str) -> ClipRecording:
        """Read everything of one recording but its pixels; those are behind :meth:`ClipRecording.open`.

        Raises
        ------
        InputError
            When the recording is absent or damaged, or names a video outside the folder of the dataset.
        """
        with self._damage():
            return self._unpack(recording)

    def _unpack(self, recording: str) -> ClipRecording:
        node = self._node(recording)
        video = self.path.parent / str(node.attrs["path"])
        if not video.resolve().is_relative_to(self.path.parent.resolve().parent):
            raise InputError(self.path, f"{recording}: its video {video} is outside the dataset", "convert it again")
        columns: dict[str, Any] = {name: node[name][:] for name in _COLUMNS}
        width, height = (int(side) for side in node.attrs["image_size"])
        return ClipRecording(
            id=recording,
            group=str(node.attrs["group"]),
            fps=float(node.attrs["fps"]),
            path=video,
            size=int(node.attrs["size"]),
            image_size=(width, height),
            rotation=int(node.attrs["rotation"]),
            labels=self.all_labels(recording),
            source_sha256=json.loads(node.attrs["source_sha256"]),
            warnings=json.loads(node.attrs["warnings"]),
            outside=float(node.attrs.get("outside", float("nan"))),
            preprocessing=json.loads(node.attrs.get("preprocessing", "{}")),
            **read_row(node),
            **columns,
        )

    def clips(self, mode: str = "sound", videos: Iterable[str] | None = None) -> list[Clip]:
        """Return a clip table, in file order.

        Parameters
        ----------
        mode : {"sound", "faithful"}
        videos : iterable of str or None
            Only the clips of these recordings.
        """
        with self._damage():
            node = self._handle[f"clips/{mode}"]
            kept = set(self.ids if videos is None else videos)
            text = {name: node[name].asstr()[:] for name in ("video", "label", "kind")}
            text["task"] = node["task"].asstr()[:] if "task" in node else np.full(len(text["video"]), TASK, object)
            rows = zip(
                text["video"], node["start"][:], node["stop"][:], text["label"], text["kind"], text["task"], strict=True
            )
            return [Clip(str(v), int(a), int(b), str(x), k, str(t)) for v, a, b, x, k, t in rows if v in kept]

    def __iter__(self) -> Iterator[ClipRecording]:
        """Yield every recording, one in memory at a time."""
        for recording in self.ids:
            yield self.read(recording)


@contextmanager
def open_clips(path: str | Path) -> Iterator[ClipsReader]:
    """Open `clips/index.h5` (or the file of one recording) for reading.

    Raises
    ------
    InputError
        When the file is absent, damaged, of another kind or schema version.
    """
    with open_checked(path, KIND) as handle, closing(ClipsReader(path, handle)) as reader:
        yield reader
