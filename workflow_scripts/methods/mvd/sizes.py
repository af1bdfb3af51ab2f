"""Sizes of the video transformer, apart from it so that reading a configuration imports no torch."""

from __future__ import annotations

from typing import NamedTuple


class Size(NamedTuple):
    """Width and depth of a video transformer, and the image side it is usually fed."""

    dim: int
    depth: int
    heads: int
    image_size: int


SIZES: dict[str, Size] = {
    "nano": Size(96, 3, 3, 64),
    "tiny": Size(192, 12, 3, 224),
    "small": Size(384, 12, 6, 224),
    "base": Size(768, 12, 12, 224),
    "large": Size(1024, 24, 16, 224),
    "huge": Size(1280, 32, 16, 224),
}
"""`small` to `huge` are those of the published checkpoints; `nano` trains on a CPU."""

TUBELET = 2
"""Sampled frames in a token, in every published checkpoint."""
