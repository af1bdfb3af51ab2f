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


def write_film(path: Path, pictures: Iterable[npt.NDArray[np.uint8]], fps: float, *, crf: str = "23") -> int:
    """Write RGB pictures of one even size as an mp4, whole or not at all.

    Parameters
    ----------
    path : Path
    pictures : iterable of ndarray, uint8, shape (height, width, 3)
    fps : float
        Frames per second of the film.
    crf : str
        Quality of x264.

    Returns
    -------
    int
        Frames written.
    """
    rate: Fraction = exact_rate(fps)
    count = 0
    with atomic_path(path) as part, av.open(str(part), "w", format="mp4") as container:
        stream: Any = container.add_stream("libx264", rate=rate)
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        stream.options = {"crf": crf, "preset": PRESET, "x264-params": "threads=1"}
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
