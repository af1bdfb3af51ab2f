"""Upright frames as brightness and colour planes: views into the decoder's buffers, no conversion, no copy."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import av
import numpy as np
import numpy.typing as npt

from workflow_scripts.core.errors import InputError
from workflow_scripts.video.metadata import VideoInfo, open_video

Item = TypeVar("Item")
Plane = npt.NDArray[np.uint8]

MIN_KEYS = 10
"""Key frames from which a look at a video takes them alone."""

PIECE = 4
"""Items that :func:`prefetch` hands over at a time."""

SUBSAMPLED = {"yuv420p": (1, 1), "yuv422p": (2, 1), "yuv444p": (2, 2)}
"""Steps (rows, columns) that make quarter-size colour planes of each pixel format; others are converted."""


@dataclass(frozen=True)
class Region:
    """A rectangle of the upright picture, in pixels; the whole picture where a video shows one animal."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Planes:
    """One frame: brightness (height, width) and two colour planes of half the size, uint8."""

    y: Plane
    u: Plane
    v: Plane
    _gray: dict[int, npt.NDArray[np.float32]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def gray(self, step: int) -> npt.NDArray[np.float32]:
        """Return the brightness, each pixel the mean of `step` × `step` of the original's; computed once, read-only.

        Parameters
        ----------
        step : int

        Returns
        -------
        ndarray, float32, shape (height // step, width // step)
        """
        if step not in self._gray:
            height, width = self.y.shape[0] // step * step, self.y.shape[1] // step * step
            # At most four samples a side: enough against noise, and several times faster than all of them.
            offsets = range(0, step, -(-step // 4))
            # Rows first: whole lines are added many pixels at a time.
            lines = np.zeros((height // step, width), dtype=np.uint16)
            for row in offsets:
                lines += self.y[row:height:step, :width]
            total = np.zeros((height // step, width // step), dtype=np.uint16)
            for column in offsets:
                total += lines[:, column::step]
            gray = total.astype(np.float32) / np.float32(len(offsets) ** 2)
            gray.flags.writeable = False
            self._gray[step] = gray
        return self._gray[step]

    def rgb(self) -> npt.NDArray[np.uint8]:
        """Return the picture as RGB, shape (height, width, 3), for detectors that see colour."""
        even = self.y.shape[0] // 2 * 2, self.y.shape[1] // 2 * 2
        frame = to_frame(self.y[: even[0], : even[1]], self.u, self.v)
        return np.asarray(frame.to_ndarray(format="rgb24", threads=1), dtype=np.uint8)


def to_frame(y: Plane, u: Plane, v: Plane, into: Any = None) -> Any:
    """Make a PyAV frame of planes, or fill `into`, one of their size; height and width of `y` are even."""
    height, width = y.shape
    frame = av.VideoFrame(width, height, "yuv420p") if into is None else into
    for plane, values in zip(
        frame.planes, (y, u[: height // 2, : width // 2], v[: height // 2, : width // 2]), strict=True
    ):
        _view(plane)[...] = values
    return frame


def _view(plane: Any) -> Plane:
    rows = np.frombuffer(plane, np.uint8)[: plane.line_size * plane.height].reshape(plane.height, plane.line_size)
    return rows[:, : plane.width]


def planes_of(frame: Any, rotation: int, region: Region | None) -> Planes:
    """Take the planes of a decoded frame, turn them upright and cut out a region."""
    if frame.format.name not in SUBSAMPLED:
        frame = frame.reformat(format="yuv420p", threads=1)
    rows, columns = SUBSAMPLED[frame.format.name]
    y, u, v = (_view(plane) for plane in frame.planes)
    if (rows, columns) != (1, 1):
        u, v = u[::rows, ::columns], v[::rows, ::columns]
    if rotation:
        y, u, v = (np.rot90(plane, rotation // 90) for plane in (y, u, v))
    if region is not None:
        x0, y0, x1, y1 = region.x, region.y, region.x + region.width, region.y + region.height
        y = y[y0:y1, x0:x1]
        u, v = (plane[y0 // 2 : (y1 + 1) // 2, x0 // 2 : (x1 + 1) // 2] for plane in (u, v))
    return Planes(y, u, v)


def decode(info: VideoInfo, region: Region | None = None) -> Iterator[Planes]:
    """Yield every frame of a video in order.

    Raises
    ------
    InputError
        When it breaks off, or holds fewer frames than its packets promise.
    """
    container, stream = open_video(info.path)
    count = 0
    with container:
        try:
            for frame in container.decode(stream):
                if count == info.n_frames:
                    break  # frames without a packet of their own: some codecs repeat the last
                yield planes_of(frame, info.rotation, region)
                count += 1
        except av.FFmpegError as error:
            raise InputError(
                info.path, f"is damaged at frame {count} of {info.n_frames} ({error.strerror})", "copy it again"
            ) from error
    if count == 0:
        raise InputError(info.path, "has not one frame that can be decoded", "convert it to mp4 with ffmpeg")


def samples(info: VideoInfo, count: int, region: Region | None = None) -> Iterator[tuple[int, Planes]]:
    """Yield about `count` numbered frames spread over a video.

    They are key frames where there are enough; those are decoded by themselves, so that a look at half an hour costs a
    fraction of a second. Else they are spread over the frames that others are built on: leaving out the rest changes
    nothing in these and spares up to half of the work.
    """
    container, stream = open_video(info.path)
    few, stamped = len(info.keys) < MIN_KEYS, len(info.keys) > 0
    if stamped:  # else only counting all frames tells which is which
        stream.codec_context.skip_frame = "NONREF" if few else "NONKEY"
    step = max(1, info.n_frames // count) if few else max(1, len(info.keys) // count)
    base, first, due = float(stream.time_base or 1), None, 0
    with container:
        try:
            for number, frame in enumerate(container.decode(stream)):
                place = number
                if few and stamped:
                    first = frame.pts if first is None else first
                    place = int(np.searchsorted(info.times, (frame.pts - first) * base - 1e-6))
                if place < due:
                    continue
                due = place // step * step + step
                yield (
                    place if few else int(info.keys[min(place, len(info.keys) - 1)]),
                    planes_of(frame, info.rotation, region),
                )
        except av.FFmpegError as error:
            raise InputError(info.path, f"is damaged ({error.strerror})", "copy it again") from error


def prefetch(items: Iterable[Item], depth: int = 16) -> Iterator[Item]:
    """Run an iterator in a thread of its own, about `depth` items ahead: decoding goes on while a crop is encoded.

    They are handed over four at a time: each time costs as much as a small crop.
    """
    waiting: queue.Queue[Any] = queue.Queue(max(1, depth // PIECE))
    end, stop = object(), threading.Event()

    def put(item: Any) -> bool:
        while not stop.is_set():
            try:
                waiting.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        piece: list[Any] = []
        try:
            for item in items:
                piece.append(item)
                if len(piece) == PIECE:
                    if not put(piece):
                        return
                    piece = []
            put([*piece, end])
        except Exception as error:  # handed over to the reader, who raises it
            put([*piece, error])

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            for item in waiting.get():
                if item is end:
                    return
                if isinstance(item, Exception):
                    raise item
                yield item
    finally:
        stop.set()
        thread.join()
