"""Long tables: one row a frame, animal and point (MABe 2025, our own export), csv or parquet.

Columns, by any of their usual names: frame (`video_frame`), individual (`mouse_id`), point (`bodypart`), x, y, perhaps
z, likelihood and, where a file holds several recordings, recording (`video_id`).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from workflow_scripts.core import limits
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.validation import Strict, nearest
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.sources.shared.columns import numbers_of
from workflow_scripts.sources.shared.found import Found, file_head
from workflow_scripts.sources.shared.points import describe, made
from workflow_scripts.sources.shared.text import delimiter_of, read_text, require_full_rows

EXPECTED = "a long table with the columns frame, individual, keypoint, x, y (one row a frame, animal and point)"
SAME = {
    "frame": ("frame", "video_frame", "frame_idx", "frame_number", "frames"),
    "individual": ("individual", "mouse_id", "animal", "animal_id", "track", "track_id", "individuals", "id"),
    "keypoint": ("keypoint", "bodypart", "point", "node", "keypoints", "landmark", "part"),
    "x": ("x",),
    "y": ("y",),
    "z": ("z",),
    "likelihood": ("likelihood", "confidence", "score"),
    "recording": ("recording", "video_id", "video", "session"),
}
MOST_FRAMES = 50_000_000


class Options(Strict):
    """Options of the source `long_table`."""

    individuals: list[str] = Field([], description="Animals of the file to read; empty = all.")
    keypoints: list[str] = Field([], description="Points of the file to read; empty = all.")
    recording: str | None = Field(None, description="Recording to read, where the table holds several; empty = all.")


def _require_rows(path: Path) -> None:
    """Refuse a parquet file whose columns do not fit into memory: a kilobyte can stand for 10⁹ equal rows."""
    from pyarrow.parquet import read_metadata

    claimed = read_metadata(path)
    limits.require_shape(path, "its table", (claimed.num_rows, claimed.num_columns), 16)


def _table(path: Path) -> pd.DataFrame:
    if path.suffix.lower() == ".parquet" or file_head(path).raw[:4] == b"PAR1":
        try:
            _require_rows(path)
            table = pd.read_parquet(path)
        except ImportError as error:
            raise InputError(
                path, "reading parquet needs pyarrow, which is not installed", "install pyarrow, or save it as csv"
            ) from error
        except (OSError, ValueError) as error:
            raise InputError(path, f"is no readable parquet file ({error})", "download it again") from error
    else:
        text = read_text(path, EXPECTED)
        first = text.split("\n", 1)[0]
        delimiter = delimiter_of(first)
        limits.require_most(path, "its number of columns", first.count(delimiter) + 1, limits.COLUMNS)
        require_full_rows(path, text, delimiter)
        try:
            table = pd.read_csv(io.StringIO(text), sep=delimiter, index_col=False)
        except (pd.errors.ParserError, ValueError) as error:
            raise InputError(path, f"cannot be read as a table ({error})", f"expected {EXPECTED}") from error
    lowered = {str(name).strip().lower(): name for name in table.columns}
    renamed = {}
    for ours, names in SAME.items():
        there = next((name for name in names if name in lowered), None)
        if there is not None:
            renamed[lowered[there]] = ours
    table = table.rename(columns=renamed)
    for name in ("frame", "keypoint", "x", "y"):
        if name not in table:
            near = nearest(name, [str(c) for c in table.columns]).removesuffix("?")
            raise InputError(path, f"has no column {name!r}{near}", f"expected {EXPECTED}")
    if not len(table):
        raise InputError(path, "holds no row", f"expected {EXPECTED}")
    for name in {"individual", "keypoint"} & set(table.columns):
        if table[name].isna().any():
            row = int(np.flatnonzero(table[name].isna())[0]) + 1
            raise InputError(path, f"row {row}: has no {name}", "the file may be cut off; export it again")
    if "individual" not in table:
        table["individual"] = "individual1"
    return table


def read(path: Path, options: Options, *, recording: str) -> Iterator[Recording]:
    """Read the recordings of a table; see :func:`workflow_scripts.sources.read_tracks`."""
    table = _table(path)
    if "recording" not in table:
        yield _one(path, table, options, recording)
        return
    names = [str(name) for name in table["recording"].unique()]
    if options.recording is not None and options.recording not in names:
        near = nearest(options.recording, names).removesuffix("?")
        raise InputError(path, f"has no recording {options.recording!r}{near}", "check recording in the source options")
    for name, part in table.groupby("recording", sort=False):
        if options.recording in (None, str(name)):
            yield _one(path, part, options, str(name) if options.recording is None else recording)


def _chosen(path: Path, found: list[str], wanted: list[str], what: str) -> list[str]:
    for name in wanted:
        if name not in found:
            near = nearest(name, found).removesuffix("?")
            raise InputError(path, f"has no {what} {name!r}{near}", f"check {what}s in the source options")
    return wanted or found


def _one(path: Path, table: pd.DataFrame, options: Options, recording: str) -> Recording:
    numbers = {
        name: numbers_of(path, table, name, missing=name != "frame")
        for name in ("frame", "x", "y", "z", "likelihood")
        if name in table
    }
    frames = numbers["frame"].astype(np.int64)
    if (frames != numbers["frame"]).any() or frames.min() < 0 or frames.max() > MOST_FRAMES:
        raise InputError(path, "has frame numbers that are negative, not whole or too large", "count frames from 0")
    who, part = table["individual"].astype(str), table["keypoint"].astype(str)
    animals = _chosen(path, sorted(who.unique()), options.individuals, "individual")
    points = _chosen(path, sorted(part.unique()), options.keypoints, "keypoint")
    kept = who.isin(animals).to_numpy() & part.isin(points).to_numpy()
    place = (
        frames[kept],
        who[kept].map({name: k for k, name in enumerate(animals)}).to_numpy(),
        part[kept].map({name: k for k, name in enumerate(points)}).to_numpy(),
    )
    count = int(frames.max()) + 1
    limits.require_frames(path, count, len(frames))
    flat = (place[0] * len(animals) + place[1]) * len(points) + place[2]
    unique, first = np.unique(flat, return_index=True)
    if len(unique) < len(flat):
        twice = int(np.setdiff1d(np.arange(len(flat)), first)[0])
        raise InputError(
            path,
            f"frame {place[0][twice]} has the point {points[place[2][twice]]!r} of {animals[place[1][twice]]!r} twice",
            "keep one of the rows",
        )
    axes = [name for name in ("x", "y", "z") if name in numbers]
    limits.require_shape(path, "its positions", (count, len(animals), len(points), len(axes) + 1), 4)
    position = np.full((count, len(animals), len(points), len(axes)), np.nan, np.float32)
    for k, axis in enumerate(axes):
        position[(*place, k)] = numbers[axis][kept]
    confidence: npt.NDArray[np.float32] | None = None
    if "likelihood" in numbers:
        confidence = np.full(position.shape[:3], np.nan, np.float32)
        confidence[place] = numbers["likelihood"][kept]
    warnings = (
        [] if frames.min() == 0 else [f"{path.name}: frames 0 to {frames.min() - 1} have no row and hold no point"]
    )
    return made(path, recording, position, confidence, animals, points, warnings=warnings)


def sniff(path: Path) -> Found | None:
    """Tell a long table by its header."""
    head = file_head(path)
    if head.raw[:4] == b"PAR1":
        try:
            table = _table(path)
        except InputError as error:
            if "has no column" in str(error):
                return None
            raise
    else:
        first = set(head.rows(1)[0]) if head.text else set()
        if not {"x", "y"} <= first or not all(first & set(SAME[name]) for name in ("frame", "keypoint")):
            return None
        table = _table(path)
    found = Found(source="long_table", kind="tracks")
    recordings = list(read(path, Options(), recording=path.stem))
    describe(found, recordings[0])
    if "recording" in table:
        found.recordings = [recording.id for recording in recordings]
    return found
