"""What a video file holds, read from its packets without decoding it all; whatever is unusable is one sentence."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from workflow_scripts.core import limits
from workflow_scripts.core.documents import require_plain
from workflow_scripts.core.errors import InputError

VIDEOS = frozenset({".mp4", ".m4v", ".avi", ".mkv", ".mov", ".webm", ".mpg", ".mpeg", ".wmv"})
"""Names of video files that people's programs write."""

SUFFIXES = VIDEOS | {".mts", ".h264", ".ogv"}
"""Names that video files mostly have. A file is judged by its content; these only help to find videos in a folder."""

VARIABLE = 0.05
"""A video whose frame intervals differ by more than this share of their median has a variable frame rate."""

FALLBACK_RATE = 30.0
MIN_FPS, MAX_FPS = 1e-3, 1e5
"""Slowest and fastest frame rate that is believed."""

FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,avi,matroska,webm,mpeg,mpegvideo,mpegts,asf,h264,hevc,m4v,ogg,flv,gif,apng,mjpeg,dv,mxf,nut,ivf,obu,"
    "yuv4mpegpipe,vc1,wtv"
)
"""Containers that hold their own data. Playlists and lists of files (hls, concat, dash, sdp, image2 …), which name
others, are refused by what they hold, whatever they are called."""

OPEN_OPTIONS = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}


def open_container(path: str | Path) -> Any:
    """Open a media file with PyAV: a regular file, in a container that names no other file.

    Raises
    ------
    InputError
        When it is no regular file.
    av.FFmpegError
        When FFmpeg cannot read it.
    """
    require_plain(path)
    # As a url: a name such as `concat:a|b` or `-` is a file's name, too.
    # Cameras write titles and comments in other encodings than UTF-8.
    return av.open(f"file:{Path(path).absolute()}", options=OPEN_OPTIONS, metadata_errors="replace")


@dataclass(frozen=True)
class VideoInfo:
    """One video stream.

    Attributes
    ----------
    path : Path
    width, height : int
        Of the upright picture in pixels.
    rotation : int
        0, 90, 180 or 270: degrees anticlockwise that turn the stored picture upright.
    fps : float
        Frames per second, from the median interval of the time stamps.
    times : ndarray, float64, shape (n_frames,)
        Seconds from the first frame, in the order of showing.
    keys : ndarray, int64
        Numbers of the key frames.
    variable : bool
        True where the intervals between frames differ.
    """

    path: Path
    width: int
    height: int
    rotation: int
    fps: float
    times: npt.NDArray[np.float64]
    keys: npt.NDArray[np.int64]
    variable: bool

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.times)


def open_video(path: str | Path) -> tuple[Any, Any]:
    """Open a file and return its container and first video stream.

    Raises
    ------
    InputError
        When it is absent, empty, no video, or sound alone.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(path, "the file does not exist", "check the path")
    if path.stat().st_size == 0:
        raise InputError(path, "the file is empty", "copy it again from the camera")
    try:
        container = open_container(path)
    except (av.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            path, f"is no readable video ({reason})", "copy it again, or convert it to mp4 with ffmpeg"
        ) from error
    if not container.streams.video:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        container.close()
        raise InputError(path, f"holds no picture, only {kinds}", "check that it is the right file")
    stream = container.streams.video[0]
    if stream.codec_context is None:  # PyAV knows no decoder of what the file names
        container.close()
        raise InputError(path, "is in no known codec, or damaged", "copy it again, or convert it to mp4 with ffmpeg")
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > limits.PIXELS:
        container.close()
        raise InputError(
            path,
            f"its pictures have {width} × {height} pixels, more than the limit of {limits.PIXELS:,}",
            "scale the video down with ffmpeg",
        )
    stream.codec_context.options = {"max_pixels": str(limits.PIXELS)}  # the size may change inside the stream
    # A job has one core, and most pictures have one slice: FFmpeg's threads would only wait for each other.
    stream.codec_context.thread_count = 1
    return container, stream


def probe(path: str | Path) -> VideoInfo:
    """Describe a video from the time stamps of its packets and its first frame.

    Parameters
    ----------
    path : str or Path
        Any container PyAV reads.

    Raises
    ------
    InputError
        When it is no video, or not one frame can be decoded.
    """
    path = Path(path)
    container, stream = open_video(path)
    with container:
        stamps: list[tuple[int, bool]] = []
        unstamped = 0
        try:
            for packet in container.demux(stream):
                if packet.size == 0:
                    continue
                if packet.pts is None:
                    unstamped += 1
                else:
                    stamps.append((packet.pts, packet.is_keyframe))
                limits.require_most(path, "its number of frames", len(stamps) + unstamped, limits.FRAMES)
        except av.FFmpegError as error:
            raise InputError(path, f"breaks off in the middle ({error.strerror})", "copy it again") from error
        base = float(stream.time_base or 1)
        stated = float(stream.average_rate or stream.guessed_rate or FALLBACK_RATE)
    if unstamped or not stamps:
        # Raw streams have no time stamps; their frames are taken to be evenly spaced.
        count = unstamped + len(stamps)
        times, keys = np.arange(count) / stated, np.zeros(0, np.int64)
    else:
        stamps.sort()
        ticks = np.array([pts for pts, _ in stamps], dtype=np.float64)
        times = (ticks - ticks[0]) * base
        keys = np.flatnonzero([key for _, key in stamps])
    limits.require_most(path, "its length in seconds", float(times[-1]) if len(times) else 0.0, limits.VIDEO_SECONDS)
    first = _first_frame(path)
    rotation = int(first.rotation) % 360
    if rotation % 90:
        raise InputError(path, f"is turned by {rotation} degrees", "turn it by a multiple of 90 with ffmpeg")
    gaps = np.diff(times)
    fps = stated
    if len(gaps) and np.median(gaps) > 0:
        # Median, as one long pause must not change the rate; the mean of the usual intervals, as stamps are rounded.
        usual = gaps[np.abs(gaps - np.median(gaps)) <= VARIABLE * np.median(gaps) + base]
        fps = 1.0 / float(usual.mean())
    if not MIN_FPS <= fps <= MAX_FPS:
        raise InputError(path, f"its frames are {fps:g} a second", f"expected {MIN_FPS:g} to {MAX_FPS:g}; convert it")
    if abs(fps - stated) < 0.002 * stated:
        fps = stated
    variable = bool(len(gaps)) and bool((np.abs(gaps - 1 / fps) > VARIABLE / fps + 2 * base).any())
    upright = (first.height, first.width) if rotation in (90, 270) else (first.width, first.height)
    return VideoInfo(path, *upright, rotation, fps, times, keys.astype(np.int64), variable)


def _first_frame(path: Path) -> Any:
    container, stream = open_video(path)
    with container:
        try:
            for frame in container.decode(stream):
                return frame
        except av.FFmpegError as error:
            raise InputError(path, f"cannot be decoded ({error.strerror})", "convert it to mp4 with ffmpeg") from error
    raise InputError(path, "has not one frame", "copy it again from the camera")


def checksum(path: str | Path) -> str:
    """Return the sha256 of a file, read in chunks."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
