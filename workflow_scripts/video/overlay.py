"""Films with what was found drawn in: a box around the animal and the class of every frame."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from matplotlib.colors import to_rgb
from PIL import Image, ImageDraw, ImageFont

from workflow_scripts.core.files import atomic_path
from workflow_scripts.formats.clips import exact_rate
from workflow_scripts.plotting.style import class_colours
from workflow_scripts.video.frames import decode, prefetch
from workflow_scripts.video.metadata import VideoInfo
from workflow_scripts.video.writing import add_h264

Image8 = npt.NDArray[np.uint8]

CLOCK = Fraction(1, 90000)
"""Time stamps of the film: fine enough for any camera, and those of the video where its frame rate varies."""


def colours(count: int, background: int | None) -> list[Image8]:
    """Return a colour for each class, the same as in figures and in the report."""
    names = [str(code) for code in range(count)]
    chosen = class_colours(names, None if background is None else str(background))
    return [np.round(255 * np.array(to_rgb(colour))).astype(np.uint8) for colour in chosen]


def label(text: str, height: int, colour: Image8) -> Image8:
    """Draw a name on a ground of its colour, an image (height, width, 3)."""
    font = ImageFont.load_default(size=0.7 * height)
    width = round(font.getlength(text) + 0.6 * height)
    image = Image.new("RGB", (width, height), tuple(int(value) for value in colour))
    # Dark letters on bright grounds: the usual weights of perceived brightness.
    bright = float(colour @ np.array([0.299, 0.587, 0.114])) > 128
    draw = ImageDraw.Draw(image)
    draw.text((0.3 * height, height / 2), text, fill="black" if bright else "white", font=font, anchor="lm")
    return np.asarray(image, dtype=np.uint8)


def _paste(picture: Image8, image: Image8, x: int, y: int) -> None:
    height, width = picture.shape[:2]
    part = image[: max(0, height - y), : max(0, width - x)]
    picture[y : y + part.shape[0], x : x + part.shape[1]] = part


def draw_box(picture: Image8, box: npt.NDArray[np.floating], colour: Image8, thick: int) -> None:
    """Draw the outline of a box (x1, y1, x2, y2) into a picture (height, width, 3); what is outside is left out."""
    height, width = picture.shape[:2]
    x1, x2 = np.clip(np.round(box[[0, 2]]), 0, width).astype(int)
    y1, y2 = np.clip(np.round(box[[1, 3]]), 0, height).astype(int)
    picture[y1 : min(y1 + thick, y2), x1:x2] = colour
    picture[max(y2 - thick, y1) : y2, x1:x2] = colour
    picture[y1:y2, x1 : min(x1 + thick, x2)] = colour
    picture[y1:y2, max(x2 - thick, x1) : x2] = colour


def write_overlay(
    path: Path,
    info: VideoInfo,
    boxes: npt.NDArray[np.floating],
    codes: npt.NDArray[np.integer],
    probabilities: npt.NDArray[np.floating],
    classes: Sequence[str],
    background: int | None,
) -> None:
    """Write a film of a video with the animal's box, each frame's class, and a bar as long as it is probable.

    The video is decoded once, in order, a few frames in memory at a time.

    Parameters
    ----------
    path : Path
        The mp4 to make, whole or not at all.
    info : VideoInfo
        The video.
    boxes : ndarray, shape (time, 4)
        x1, y1, x2, y2 in pixels of the upright video; NaN = none is drawn. The film ends with them.
    codes : ndarray of int, shape (time,)
        Class of every frame; negative = none, of which nothing is drawn.
    probabilities : ndarray, shape (time, classes)
    classes : sequence of str
    background : int or None
        The class of no bout, drawn quietly.

    Raises
    ------
    InputError
        When the video cannot be decoded.
    """
    width, height = info.width // 2 * 2, info.height // 2 * 2
    size = max(12, round(0.05 * height))
    thick = max(2, round(height / 240))
    ground = colours(len(classes), background)
    labels = [label(name, size, colour) for name, colour in zip(classes, ground, strict=True)]
    ticks = np.round(info.times / float(CLOCK)).astype(np.int64)
    with atomic_path(path) as part, av.open(str(part), "w", format="mp4") as container:
        stream = add_h264(container, exact_rate(info.fps))
        stream.width, stream.height = width, height
        stream.codec_context.time_base = CLOCK
        for number, planes in enumerate(prefetch(decode(info), depth=4)):
            if number == len(codes):
                break
            picture = planes.rgb()
            code = int(codes[number])
            if code >= 0:
                if not np.isnan(boxes[number]).any():
                    draw_box(picture, boxes[number], ground[code], thick)
                _paste(picture, labels[code], 0, 0)
                bar = round(float(probabilities[number, code]) * width)
                picture[size : size + thick, :bar] = ground[code]
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = int(ticks[number]), CLOCK
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
