"""Square crops of upright frames, and the mp4 they are written to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import VideoReformatter

from workflow_scripts.formats.clips import GOP, exact_rate
from workflow_scripts.video.frames import Plane, Planes, to_frame

CRF = "20"
PRESET = "ultrafast"
"""Quality and effort of x264; at this size the file is small whatever the effort."""


def _cut(plane: Plane, x: int, y: int, width: int, height: int) -> Plane:
    """Cut a rectangle that may reach over the border, where the border's pixels are repeated."""
    rows, columns = plane.shape
    if x >= 0 and y >= 0 and x + width <= columns and y + height <= rows:
        return plane[y : y + height, x : x + width]
    across = np.clip(np.arange(x, x + width), 0, columns - 1)
    down = np.clip(np.arange(y, y + height), 0, rows - 1)
    return plane[down[:, None], across[None, :]]


class Cropper:
    """Cut a square window out of a frame and scale it.

    Parameters
    ----------
    size : int
        Side of the result in pixels, even.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._scaler = VideoReformatter()
        self._window: Any = None

    def __call__(self, planes: Planes, x: int, y: int, side: int) -> Any:
        """Return a PyAV frame of `size` pixels a side.

        Parameters
        ----------
        planes : Planes
        x, y, side : int
            Corner and side of the window in pixels of the frame, all even.
        """
        half = side // 2
        # Scaling copies, so that one frame of the window's size will do for all; without scaling it is handed out.
        spare = self._window if self._window is not None and self._window.width == side != self.size else None
        self._window = frame = to_frame(
            _cut(planes.y, x, y, side, side),
            _cut(planes.u, x // 2, y // 2, half, half),
            _cut(planes.v, x // 2, y // 2, half, half),
            spare,
        )
        way = "AREA" if side > self.size else "BILINEAR"
        # One thread: at this size starting more takes longer than scaling.
        return self._scaler.reformat(frame, self.size, self.size, "yuv420p", interpolation=way, threads=1)


class CropWriter:
    """Write crop frames as mp4: H.264, constant rate, a key frame every `GOP` frames, no B-frames.

    One encoder thread, so that the bytes depend on the frames alone.

    Parameters
    ----------
    path : str or Path
    fps : float
    size : int
    """

    def __init__(self, path: str | Path, fps: float, size: int) -> None:
        self._container: Any = av.open(str(path), "w", format="mp4")
        self._stream: Any = self._container.add_stream("libx264", rate=exact_rate(fps))
        self._stream.width = self._stream.height = size
        self._stream.pix_fmt = "yuv420p"
        self._stream.gop_size = GOP
        self._stream.codec_context.max_b_frames = 0
        self._stream.codec_context.thread_count = 1
        self._tick = self._stream.codec_context.time_base = 1 / exact_rate(fps)
        self._stream.options = {"crf": CRF, "preset": PRESET, "x264-params": "scenecut=0:threads=1"}
        self._count = 0

    def __enter__(self) -> CropWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            for packet in self._stream.encode(None):
                self._container.mux(packet)
        self._container.close()

    def write(self, frame: Any) -> None:
        """Append a frame."""
        frame.pts = self._count
        frame.time_base = self._tick
        self._count += 1
        for packet in self._stream.encode(frame):
            self._container.mux(packet)


MOTION_STEP = 4


def motion_meter() -> Callable[[Any], float]:
    """Return a function that gives the mean absolute change of brightness since the frame it was called with before."""
    last: npt.NDArray[np.int16] | None = None

    def measure(frame: Any) -> float:
        nonlocal last
        plane = frame.planes[0]
        rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
        now = rows[::MOTION_STEP, : plane.width : MOTION_STEP].astype(np.int16)
        change = 0.0 if last is None else float(np.abs(now - last).sum() / now.size)
        last = now
        return change

    return measure
