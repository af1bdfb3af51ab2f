"""Stretches of a video as files of their own, cut by ffmpeg as the seed project cut its clips."""

from __future__ import annotations

import math
import subprocess
from pathlib import Path

import ffmpeg
import imageio_ffmpeg

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.files import atomic_path
from workflow_scripts.video.metadata import OPEN_OPTIONS, VideoInfo

SHORT_EDGE = 480
CRF = "20"
PRESET = "fast"
"""Shorter side in pixels, quality and effort of the seed project's clips."""


def scaled_size(width: int, height: int, short_edge: int = SHORT_EDGE) -> tuple[int, int]:
    """Return width and height with a shorter side of `short_edge`, both rounded up to even numbers."""
    factor = short_edge / min(width, height)
    return tuple(2 * math.ceil(round(side * factor, 6) / 2) for side in (width, height))  # type: ignore[return-value]


def cut_clip(info: VideoInfo, start: int, stop: int, target: Path, *, short_edge: int = SHORT_EDGE) -> None:
    """Cut frames `start` up to, not including, `stop` out of a video, as H.264 without sound, a key frame first.

    The program is run directly, without a shell, and may open files alone, whatever the video names inside it.

    Parameters
    ----------
    info : VideoInfo
        The video.
    start, stop : int
    target : Path
        The mp4 to make, whole or not at all.
    short_edge : int
        Its shorter side in pixels.

    Raises
    ------
    InputError
        When ffmpeg cannot cut it; says why.
    """
    if not 0 <= start < stop <= info.n_frames:
        raise ValueError(f"frames {start} to {stop} of {info.n_frames}")
    width, height = scaled_size(info.width, info.height, short_edge)
    # Half a frame early: a time stamp that was rounded down must not lose the first frame.
    before = info.times[start - 1] if start else info.times[0]
    source = ffmpeg.input(f"file:{info.path.resolve()}", ss=f"{(before + info.times[start]) / 2:.6f}", **OPEN_OPTIONS)
    with atomic_path(target) as part:
        made = source.video.filter("scale", width, height).output(
            f"file:{Path(part).resolve()}",
            **{"frames:v": stop - start, "map_metadata": -1},
            format="mp4",
            vcodec="libx264",
            preset=PRESET,
            crf=CRF,
            pix_fmt="yuv420p",
            force_key_frames=0,
            threads=1,
        )
        command = made.compile(
            cmd=[imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-loglevel", "error"], overwrite_output=True
        )
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise InputError(info.path, f"frames {start} to {stop - 1} could not be cut ({reason})", "copy it again")
