"""Small pictures of the data for the report: poses and thumbnails beside ethograms, on maps and on the first screen."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from workflow_scripts.formats.clips import ClipsReader
from workflow_scripts.formats.datasets import open_dataset
from workflow_scripts.formats.images import ImagesReader
from workflow_scripts.formats.tracks import Recording, TracksReader
from workflow_scripts.kinematics.skeleton import bones
from workflow_scripts.video.skeleton import known_places

PICTURES = ["dataset", "recording", "use", "frame", "pose", "image"]
"""Columns of `pictures.csv`.

`use` is ``film`` (frames of a recording, evenly spread), ``map`` (frames of the embedding maps), ``crop`` (single
images of a dataset of images), ``bones`` (`pose` holds pairs of keypoints) or ``box`` (`pose` holds width and height of
what the poses lie in). `pose` holds x,y of every keypoint, whole numbers up to :data:`SIDE`, ``-`` where missing, a
blank between keypoints and a semicolon between individuals. `image` is a `data:` URI.
"""
SIDE = 999
"""Length of the longer side of the box of poses."""
FILM, MAP, CROPS = 900, 400, 8
"""Rows of each use for a dataset."""
FILM_IMAGES, MAP_IMAGES = 120, 200
"""The same where each row is a thumbnail."""
THUMBNAIL = 96
"""Pixels of the longer side of a thumbnail."""
Row = tuple[str, str, str, int, str, str]


def picture_table(files: dict[str, Path], ethograms: pd.DataFrame, maps: pd.DataFrame) -> pd.DataFrame:
    """Gather the pictures of several datasets.

    Parameters
    ----------
    files : dict of str to Path
        The converted file of each dataset.
    ethograms, maps : DataFrame
        `ethograms.csv` and `embedding_maps.csv`: which recordings and frames the report shows.

    Returns
    -------
    DataFrame
        Columns :data:`PICTURES`.
    """
    rows: list[Row] = []
    for name, path in files.items():
        films = list(dict.fromkeys(_of(ethograms, name)["recording"].astype(str)))
        points = _of(maps, name).drop_duplicates(["recording", "frame"]) if len(maps) else maps
        wanted = [(str(row["recording"]), int(row["frame"])) for row in points.to_dict("records")]
        with open_dataset(path) as reader:
            rows += [(name, *row) for row in _pictures(reader, films, wanted)]
    return pd.DataFrame(rows, columns=PICTURES)


def _of(table: pd.DataFrame, dataset: str) -> pd.DataFrame:
    return table[table["dataset"] == dataset] if len(table) else pd.DataFrame(columns=["recording", "frame"])


def _pictures(reader: Any, films: Sequence[str], wanted: Sequence[tuple[str, int]]) -> list[tuple[Any, ...]]:
    if isinstance(reader, ImagesReader):
        return _crops(reader)
    present = set(reader.ids)
    shown = [name for name in films if name in present] or sorted(present)[:1]
    if isinstance(reader, TracksReader):
        return _poses(reader, shown, _spread([w for w in wanted if w[0] in present], MAP))
    if isinstance(reader, ClipsReader):
        return _frames(reader, shown, _spread([w for w in wanted if w[0] in present], MAP_IMAGES))
    return []


def _spread(items: Sequence[Any], most: int) -> list[Any]:
    if not items:
        return []
    return [items[k] for k in np.unique(np.linspace(0, len(items) - 1, min(most, len(items))).astype(int))]


def _grouped(wanted: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    by: dict[str, list[int]] = {}
    for recording, frame in wanted:
        by.setdefault(recording, []).append(frame)
    return by


def _poses(reader: TracksReader, films: Sequence[str], wanted: Sequence[tuple[str, int]]) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for recording in films:
        found = reader.read(recording)
        low, scale, size = _box(found)
        joined = " ".join(f"{a}-{b}" for a, b in bones(found.position))
        rows += [(recording, "bones", 0, joined, ""), (recording, "box", 0, f"{size[0]},{size[1]}", "")]
        for frame in _spread(range(found.n_frames), FILM):
            rows.append((recording, "film", frame, _pose(found.position[frame], low, scale), ""))
    for recording, frames in _grouped(wanted).items():
        found = reader.read(recording)
        low, scale, _ = _box(found)
        rows += [
            (recording, "map", frame, _pose(found.position[frame], low, scale), "")
            for frame in frames
            if frame < found.n_frames
        ]
    return rows


def _box(found: Recording) -> tuple[npt.NDArray[np.float64], float, tuple[int, int]]:
    """Return the lower corner, the scale and the size of what the poses lie in: the image, else what was visited."""
    flat = known_places(found.position)
    if not len(flat):
        return np.zeros(2), 1.0, (SIDE, SIDE)
    low, high = np.percentile(flat, 0.1, axis=0), np.percentile(flat, 99.9, axis=0)
    # Image coordinates of which the animals use a small part would be drawn as dots: the visited part counts.
    room = 0.04 * max(high - low)
    low, high = low - room, high + room
    scale = SIDE / max(float(max(high - low)), 1e-9)
    width, height = (max(1, round(float(side))) for side in (high - low) * scale)
    return low, scale, (width, height)


def _pose(points: npt.NDArray[np.floating], low: npt.NDArray[np.float64], scale: float) -> str:
    placed = (points[..., :2].astype(np.float64) - low) * scale
    return ";".join(
        " ".join(f"{x:.0f},{y:.0f}" if np.isfinite(x + y) else "-" for x, y in animal) for animal in placed.tolist()
    )


def _frames(reader: ClipsReader, films: Sequence[str], wanted: Sequence[tuple[str, int]]) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    plan = [(recording, "film", None) for recording in films]
    plan += [(recording, "map", frames) for recording, frames in _grouped(wanted).items()]  # type: ignore[misc]
    for recording, use, frames in plan:
        found = reader.read(recording)
        chosen: list[int] = _spread(range(found.n_frames), FILM_IMAGES) if frames is None else sorted(set(frames))
        chosen = [frame for frame in chosen if frame < found.n_frames]
        with found.open() as video:
            pictures = video.frames(chosen)
        rows += [
            (recording, use, frame, "", thumbnail(picture)) for frame, picture in zip(chosen, pictures, strict=True)
        ]
    return rows


def _crops(reader: ImagesReader) -> list[tuple[Any, ...]]:
    """Take images evenly over the file, and their points."""
    rows = []
    for row in _spread(range(len(reader)), CROPS):
        found = reader.read(row, row + 1)
        image = found.images[0]
        scale = SIDE / max(image.shape)
        pose = _pose(found.points[:1], np.zeros(2), scale)
        rows.append((found.recordings[0], "crop", row, pose, thumbnail(image)))
    if rows:
        height, width = (round(side * scale) for side in image.shape)
        rows.append(("", "box", 0, f"{width},{height}", ""))
    return rows


def thumbnail(picture: npt.NDArray[np.uint8], side: int = THUMBNAIL) -> str:
    """Return a small copy of a picture (grey or RGB) as the `data:` URI of a WebP file."""
    image = Image.fromarray(picture).convert("RGB")
    image.thumbnail((side, side), Image.Resampling.BILINEAR)
    buffer = io.BytesIO()
    image.save(buffer, format="WEBP", quality=55, method=4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
