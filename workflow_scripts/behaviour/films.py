"""Films of a recording: the animals, the class by hand and by model, and an ethogram that runs along below."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.colors import to_rgb
from PIL import Image, ImageDraw, ImageFont

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.typing import Float64Array, Int64Array
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.kinematics.skeleton import bones
from workflow_scripts.plotting.style import class_colours
from workflow_scripts.video.frames import decode, prefetch, to_frame
from workflow_scripts.video.metadata import VideoInfo
from workflow_scripts.video.overlay import label
from workflow_scripts.video.skeleton import ANIMALS, Frame, blank, draw_animals, frame_of, known_places
from workflow_scripts.video.writing import write_film

Image8 = npt.NDArray[np.uint8]

SPAN_S = 20.0
"""Seconds that the ethogram shows around the frame."""

UNKNOWN = (225, 225, 225)
"""Ground of the ethogram where nothing is known."""


@dataclass(frozen=True)
class Row:
    """One row of the ethogram: whose it is, class of every frame (negative = unknown), and probabilities."""

    title: str
    codes: Int64Array
    scores: npt.NDArray[np.floating] | None = None


@dataclass(frozen=True)
class Layout:
    """Classes and their colours, and the sizes of what is written below the picture."""

    classes: Sequence[str]
    ground: list[Image8]
    height: int
    margin: int

    @classmethod
    def of(cls, classes: Sequence[str], background: str | None, width: int, titles: Sequence[str]) -> Layout:
        """Lay out a film of some width."""
        ground = [
            np.round(255 * np.array(to_rgb(name))).astype(np.uint8) for name in class_colours(classes, background)
        ]
        height = max(14, round(width / 32))
        font = ImageFont.load_default(size=0.7 * height)
        margin = round(max(font.getlength(title) for title in titles) + 0.8 * height) if titles else 0
        return cls(classes, ground, height, margin)


def _strip(rows: Sequence[Row], layout: Layout, width: int, fps: float) -> Iterator[Image8]:
    """Yield the part below the picture, frame by frame: two lines a row, the ethogram under the frame's class."""
    high, left = layout.height, layout.margin
    ground = np.vstack([*[colour[None] for colour in layout.ground], np.array([UNKNOWN], np.uint8)])
    chips = [
        [
            label(f"{row.title}: {name}", high, colour)
            for name, colour in zip(layout.classes, layout.ground, strict=True)
        ]
        for row in rows
    ]
    base = Image.new("RGB", (width, high * (len(rows) + 1)), "white")
    draw = ImageDraw.Draw(base)
    font = ImageFont.load_default(size=0.7 * high)
    for k, row in enumerate(rows):
        draw.text((0.3 * high, high * (k + 1.5)), row.title, fill="black", font=font, anchor="lm")
    plain = np.asarray(base)
    columns = np.arange(width - left)
    offset = np.round((columns / max(1, len(columns) - 1) - 0.5) * SPAN_S * fps).astype(int)
    n = len(rows[0].codes)
    painted = [np.where((row.codes >= 0) & (row.codes < len(layout.classes)), row.codes, -1) for row in rows]
    cursor = left + int(np.argmin(np.abs(offset)))
    for frame in range(n):
        part = plain.copy()
        at = frame + offset
        inside = (at >= 0) & (at < n)
        x = 0
        for k, codes in enumerate(painted):
            shown = codes[np.clip(at, 0, n - 1)]
            colours = ground[shown]
            colours[~inside] = 255
            part[high * (k + 1) + 2 : high * (k + 2) - 2, left:] = colours
            code = int(codes[frame])
            if code >= 0:
                chip = chips[k][code][:, : max(0, width - x)]
                part[:high, x : x + chip.shape[1]] = chip
                x += chip.shape[1] + high // 2
        part[high:, cursor : cursor + 2] = 0
        yield part


def _video(info: VideoInfo, numbers: Int64Array, frame: Frame) -> Iterator[Image8]:
    """Yield the video's frames of some numbers (rising), at the size of the film."""
    wanted = 0
    for number, planes in enumerate(prefetch(decode(info), depth=4)):
        if number < numbers[wanted]:
            continue
        rows, columns = planes.y.shape[0] // 2 * 2, planes.y.shape[1] // 2 * 2
        picture = to_frame(planes.y[:rows, :columns], planes.u, planes.v)
        small: Image8 = picture.reformat(width=frame.width, height=frame.height, format="rgb24").to_ndarray()
        while wanted < len(numbers) and numbers[wanted] <= number:
            yield small
            wanted += 1
        if wanted == len(numbers):
            return
    while wanted < len(numbers):  # the table is longer than the video
        yield blank(frame)
        wanted += 1


def film(
    path: Path,
    recording: Recording,
    rows: Sequence[Row],
    classes: Sequence[str],
    background: str | None,
    *,
    video: VideoInfo | None = None,
    span: tuple[int, int] | None = None,
    lines: Sequence[tuple[int, int]] | None = None,
    size: tuple[int, int] = (640, 480),
) -> int:
    """Write a film of a recording.

    Parameters
    ----------
    path : Path
        The mp4 to make.
    recording : Recording
    rows : sequence of Row
        By hand, by model.
    classes : sequence of str
    background : str or None
    video : VideoInfo or None
        Drawn under the animals; its frame rate may differ from the recording's.
    span : tuple of int or None
        First frame, and frame after the last.
    lines : sequence of (int, int), optional
        Between points; empty = as their distances suggest.
    size : tuple of int
        Bounds of the picture, without the ethogram.

    Returns
    -------
    int
        Frames written.

    Raises
    ------
    InputError
        When the span holds no frame, or the video cannot be read.
    """
    start, stop = span or (0, recording.n_frames)
    stop = min(stop, recording.n_frames)
    if start >= stop:
        raise InputError(path, f"frames {start} to {stop} of {recording.n_frames} are none", "name another span")
    shown = None if video is None else (float(video.width), float(video.height))
    frame = frame_of(recording.position, shown or recording.image_size, *size)
    places = frame(recording.position[start:stop])
    lines = bones(recording.position) if lines is None else lines
    radius = max(2.0, frame.height / 160)
    cut = [
        Row(row.title, row.codes[start:stop], None if row.scores is None else row.scores[start:stop]) for row in rows
    ]
    layout = Layout.of(classes, background, frame.width, [row.title for row in cut])
    if video is None:
        ground: Iterator[Image8] = iter([blank(frame)] * (stop - start))
    else:
        numbers = np.round((recording.start + np.arange(start, stop)) / recording.fps * video.fps).astype(np.int64)
        ground = _video(video, numbers, frame)
    below = _strip(cut, layout, frame.width, recording.fps)

    def pictures() -> Iterator[Image8]:
        for k, (under, strip) in enumerate(zip(ground, below, strict=True)):
            drawn = draw_animals(under, places[k], lines, radius=radius, colours=ANIMALS)
            both = np.concatenate([drawn, strip])
            yield both if both.shape[0] % 2 == 0 else np.concatenate([both, strip[-1:]])

    return write_film(path, pictures(), recording.fps)


@dataclass(frozen=True)
class Snippet:
    """A stretch of a recording to be shown beside others."""

    recording: Recording
    start: int
    stop: int


def grid(
    path: Path,
    snippets: Sequence[Snippet],
    title: str,
    *,
    columns: int = 4,
    cell: int = 160,
    seconds: float = 2.0,
) -> int:
    """Write a film of snippets side by side, each around its own place, all starting together.

    Parameters
    ----------
    path : Path
    snippets : sequence of Snippet
        At least one.
    title : str
        Class or motif, written on top.
    columns : int
    cell : int
        Side of a snippet's square, in pixels; even.
    seconds : float
        Longest part of a snippet that is shown; a shorter one stops at its last frame.

    Returns
    -------
    int
        Frames written.
    """
    first = snippets[0].recording
    frames = max(1, round(seconds * first.fps))
    columns = min(columns, len(snippets))
    rows = -(-len(snippets) // columns)
    side = max(_extent(each) for each in snippets)
    head = label(title, 24, np.array([40, 40, 40], np.uint8))
    cells: list[tuple[Float64Array, list[tuple[int, int]]]] = []
    for each in snippets:
        part = each.recording.position[each.start : min(each.stop, each.start + frames)]
        flat = known_places(part)
        centre = np.median(flat, axis=0) if len(flat) else np.zeros(2)
        frame = Frame(float(centre[0] - side / 2), float(centre[1] - side / 2), cell / side, cell, cell)
        cells.append((frame(part), bones(each.recording.position)))
    ground = np.full((cell, cell, 3), 245, np.uint8)
    ground[[0, -1]] = ground[:, [0, -1]] = 190

    def pictures() -> Iterator[Image8]:
        for k in range(min(frames, max(len(places) for places, _ in cells))):
            sheet = np.full((24 + rows * cell, columns * cell, 3), 255, np.uint8)
            sheet[: head.shape[0], : head.shape[1]] = head[:, : sheet.shape[1]]
            for number, (places, lines) in enumerate(cells):
                now = places[min(k, len(places) - 1)]
                drawn = draw_animals(ground, now, lines, radius=2.5, colours=ANIMALS)
                row, column = divmod(number, columns)
                sheet[24 + row * cell : 24 + (row + 1) * cell, column * cell : (column + 1) * cell] = drawn
            yield sheet

    return write_film(path, pictures(), first.fps)


def _extent(snippet: Snippet) -> float:
    """Side of the square that holds nearly all points of a snippet, with room around them."""
    flat = known_places(snippet.recording.position[snippet.start : snippet.stop])
    if not len(flat):
        return 1.0
    low, high = np.quantile(flat, [0.02, 0.98], axis=0)
    return max(1.3 * float((high - low).max()), 1e-6)


def choose_bouts(
    bouts: Sequence[tuple[str, int, int, float]], count: int, *, shortest: int = 1
) -> list[tuple[str, int, int]]:
    """Choose bouts to show: the surest first, in turn over the recordings, so that none fills the grid.

    Parameters
    ----------
    bouts : sequence of (recording, start, stop, sureness)
    count : int
        At most.
    shortest : int
        Frames of a bout, at least.
    """
    by_recording: dict[str, list[tuple[str, int, int, float]]] = {}
    for bout in sorted(bouts, key=lambda bout: (-bout[3], bout[0], bout[1])):
        if bout[2] - bout[1] >= shortest:
            by_recording.setdefault(bout[0], []).append(bout)
    chosen: list[tuple[str, int, int]] = []
    while by_recording and len(chosen) < count:
        for name in sorted(by_recording):
            chosen.append(by_recording[name].pop(0)[:3])
            if not by_recording[name]:
                del by_recording[name]
            if len(chosen) == count:
                break
    return chosen


def same_length(path: Path, codes: Any, frames: int) -> Int64Array:
    """Return classes as integers, and refuse those of another length than the recording."""
    found = np.asarray(codes).astype(np.int64)
    if len(found) != frames:
        raise InputError(path, f"holds {len(found)} frames of a recording of {frames}", "name the predictions of it")
    return found
