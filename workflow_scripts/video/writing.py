"""Films written frame by frame."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from workflow_scripts.core.files import atomic_path
from workflow_scripts.formats.clips import exact_rate
from workflow_scripts.video.crop import PRESET

CRF = "23"
"""Quality of x264: films are looked at, and not measured."""


def add_h264(container: Any, rate: Fraction) -> Any:
    """Add the video stream of a film to an open mp4: H.264, which plays everywhere, on one thread."""
    stream = container.add_stream("libx264", rate=rate)
    stream.pix_fmt = "yuv420p"
    stream.codec_context.thread_count = 1
    stream.options = {"crf": CRF, "preset": PRESET, "x264-params": "threads=1"}
    return stream


def write_film(path: Path, pictures: Iterable[npt.NDArray[np.uint8]], fps: float) -> int:
    """Write RGB pictures of one even size as an mp4, whole or not at all.

    Parameters
    ----------
    path : Path
    pictures : iterable of ndarray, uint8, shape (height, width, 3)
    fps : float
        Frames per second of the film.

    Returns
    -------
    int
        Frames written.
    """
    rate: Fraction = exact_rate(fps)
    count = 0
    with atomic_path(path) as part, av.open(str(part), "w", format="mp4") as container:
        stream = add_h264(container, rate)
        for picture in pictures:
            if not count:
                stream.height, stream.width = picture.shape[:2]
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = count, 1 / rate
            container.mux(stream.encode(frame))
            count += 1
        if count:
            container.mux(stream.encode(None))
    return count
