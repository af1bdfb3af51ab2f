"""Small videos made on the spot: a dark square on a bright floor."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np


def frames(count: int = 60, width: int = 160, height: int = 120, *, still: bool = False) -> np.ndarray:
    """Grey frames, shape (count, height, width), and a square that moves to the right and down."""
    rng = np.random.default_rng(0)
    made = np.clip(rng.normal(180, 2, (count, height, width)), 0, 255)
    for t in range(count):
        x, y = place(t, width, height, still=still)
        made[t, y : y + 20, x : x + 24] = 40 + 10 * (t % 2)
    return made.astype(np.uint8)


def place(t: int, width: int = 160, height: int = 120, *, still: bool = False) -> tuple[int, int]:
    """Upper left corner of the square in a frame: it swings to and fro."""
    swing = 0.5 - 0.5 * np.cos(t / 30)
    return (60, 50) if still else (10 + int(swing * (width - 44)), 10 + int(swing * (height - 40)))


def write(
    path: Path, images: np.ndarray, *, fps: int | Fraction = 30, codec: str = "libx264", pix: str = "yuv420p"
) -> Path:
    """Encode grey frames."""
    with av.open(str(path), "w", format="matroska" if path.suffix == ".mkv" else "mp4") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.height, stream.width = images.shape[1:]
        stream.pix_fmt = pix
        if codec == "libx264":
            stream.options = {"crf": "15", "preset": "ultrafast", "g": "25"}
        for image in images:
            frame = av.VideoFrame.from_ndarray(np.repeat(image[..., None], 3, axis=2), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def ffmpeg(*arguments: str) -> None:
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", *arguments], check=True)
