"""Tables of one row a frame and columns such as `nose_x, nose_y, nose_likelihood`: Anipose, SimBA, DeepOF, plain csv.

A name may be joined to its axis by `_`, `.`, a space or `-`; with several animals the name begins or ends with the
animal's, which `individuals` names. Columns of other things (`nose_error`, `fnum`, angles) are passed over.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from workflow_scripts.core import limits
from workflow_scripts.core.documents import read_bounded
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.validation import Strict, nearest
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.sources.shared.found import Found, file_head
from workflow_scripts.sources.shared.points import describe, made
from workflow_scripts.sources.shared.text import delimiter_of, read_text, require_full_rows

EXPECTED = "a csv with a row a frame and the columns <point>_x, <point>_y and perhaps <point>_z, <point>_likelihood"
AXES = ("x", "y", "z")
SCORES = ("likelihood", "p", "score", "confidence", "conf", "prob", "probability")
NAME = re.compile(r"(?P<point>.+?)[_. -](?P<axis>x|y|z|likelihood|p|score|confidence|conf|prob|probability)", re.I)
AXIS_FIRST = re.compile(r"(?P<axis>x|y|z|likelihood|score|confidence)(?:[_. -](?P<point>.+))?", re.I)
"""`x_nose`, or `x` alone of the only point."""
ONLY = "body"
"""Name of the point of a table that names none."""
FRAMES = ("frame", "frames", "fnum", "frame_number", "frame_idx", "frame_index", "index", "")


SAMPLE_ROWS = 1000
"""Rows that `sniff` parses; the others are counted."""


class Options(Strict):
    """Options of the source `wide_csv`."""

    keypoints: list[str] = Field([], description="Points of the file to read; empty = all.")
    individuals: list[str] = Field(
        [],
        description="Animals whose names begin or end the points' (mouse1_nose_x, nose_mouse1_x); empty = one animal.",
    )
    missing: float | None = Field(None, description="Coordinate that stands for a missing point, e.g. -1.")


def _columns(header: list[str]) -> dict[str, dict[str, int]]:
    """Return point → axis (or `score`) → place, for the points that have x and y."""
    found: dict[str, dict[str, int]] = {}
    for place, name in enumerate(header):
        fit = NAME.fullmatch(name.strip()) or AXIS_FIRST.fullmatch(name.strip())
        if fit is None:
            continue
        axis = fit["axis"].lower()
        found.setdefault(fit["point"] or ONLY, {}).setdefault("score" if axis in SCORES else axis, place)
    return {point: axes for point, axes in found.items() if {"x", "y"} <= set(axes)}


def _frame(path: Path, rows: int | None) -> tuple[list[str], pd.DataFrame]:
    text = read_text(path, EXPECTED)
    delimiter = delimiter_of(text.split("\n", 1)[0])
    limits.require_most(path, "its number of columns", text.split("\n", 1)[0].count(delimiter) + 1, limits.COLUMNS)
    require_full_rows(path, text, delimiter)
    try:
        table = pd.read_csv(
            io.StringIO(text), sep=delimiter, dtype=object, keep_default_na=False, index_col=False, nrows=rows
        )
    except (pd.errors.ParserError, ValueError) as error:
        raise InputError(path, f"cannot be read as a table ({error})", f"expected {EXPECTED}") from error
    return [str(name).strip() for name in table.columns], table


def _numbers(path: Path, table: pd.DataFrame, place: int, decimal_comma: bool) -> npt.NDArray[np.float32]:
    if not decimal_comma:
        try:  # text functions of pandas take ten times as long; they are for finding the cell at fault
            numbers = np.array([cell or "nan" for cell in table.iloc[:, place]], dtype=np.float64)
            if not np.isinf(numbers).any():
                return numbers.astype(np.float32)
        except (ValueError, TypeError):
            pass
    cells = table.iloc[:, place].astype(str).str.strip()
    if decimal_comma:
        cells = cells.str.replace(",", ".")
    values = pd.to_numeric(cells.where(cells != "", "nan"), errors="coerce").to_numpy(dtype=np.float64)
    empty = cells.str.lower().isin(["", "nan", "na", "none", "null"]).to_numpy()
    wrong = np.flatnonzero((np.isnan(values) & ~empty) | np.isinf(values))
    if len(wrong):
        column = str(table.columns[place])
        raise InputError(
            path,
            f"line {wrong[0] + 2}: expected a number under {column}, found {cells.iloc[int(wrong[0])][:40]!r}",
            "correct or export it again",
        )
    return values.astype(np.float32)


def _split(points: dict[str, dict[str, int]], individuals: list[str]) -> dict[tuple[str, str], dict[str, int]]:
    """Return (animal, point) → columns, the animal's name taken off either end of the point's."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    for name, axes in points.items():
        for animal in individuals:
            for pattern in (rf"{re.escape(animal)}[_. -](?P<rest>.+)", rf"(?P<rest>.+)[_. -]{re.escape(animal)}"):
                fit = re.fullmatch(pattern, name)
                if fit:
                    found.setdefault((animal, fit["rest"]), axes)
    return found


def read(path: Path, options: Options, *, recording: str) -> Iterator[Recording]:
    """Read one recording; see :func:`workflow_scripts.sources.read_tracks`."""
    yield _read(path, options, recording)


def _read(path: Path, options: Options, recording: str, rows: int | None = None) -> Recording:
    header, table = _frame(path, rows)
    points = _columns(header)
    if not points:
        raise InputError(
            path,
            f"line 1: has no pair of columns such as nose_x, nose_y (found {', '.join(header[:4])} …)",
            f"expected {EXPECTED}",
        )
    if not len(table):
        raise InputError(path, "holds no frame", "export the file again")
    if options.individuals:
        places = _split(points, options.individuals)
        animals = options.individuals
    else:
        places = {("individual1", name): axes for name, axes in points.items()}
        animals = ["individual1"]
    names = list(dict.fromkeys(point for _, point in places))
    for name in options.keypoints:
        if name not in names:
            near = nearest(name, names).removesuffix("?")
            raise InputError(path, f"has no keypoint {name!r}{near}", "check keypoints in the source options")
    names = options.keypoints or names
    for animal in animals:
        for name in names:
            if (animal, name) not in places:
                raise InputError(
                    path, f"the individual {animal!r} has no point {name!r}", "name the points of all under keypoints"
                )
    chosen = [places[animal, name] for animal in animals for name in names]
    axes = AXES if all("z" in one for one in chosen) else AXES[:2]
    comma = bool(table.iloc[:1].astype(str).apply(lambda c: c.str.fullmatch(r"-?\d+,\d+").any()).any())

    def block(axis: str) -> npt.NDArray[np.float32]:
        values = [_numbers(path, table, one[axis], comma) for one in chosen]
        return np.stack(values, axis=1).reshape(len(table), len(animals), len(names))

    position = np.stack([block(axis) for axis in axes], axis=-1)
    if options.missing is not None:
        position[(position == options.missing).all(-1)] = np.nan
    confidence = block("score") if all("score" in one for one in chosen) else None
    position, confidence = _by_frame(path, header, table, position, confidence)
    return made(path, recording, position, confidence, animals, names)


def _by_frame(
    path: Path,
    header: list[str],
    table: pd.DataFrame,
    position: npt.NDArray[np.float32],
    confidence: npt.NDArray[np.float32] | None,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32] | None]:
    """Check the column of frame numbers, where there is one: each must follow the one before."""
    place = next(
        (k for k, name in enumerate(header) if name.lower() in FRAMES or name.lower().startswith("unnamed")), None
    )
    if place is None:
        return position, confidence
    frames = _numbers(path, table, place, False)
    steps = np.diff(frames)
    wrong = np.flatnonzero(steps != 1)
    if len(wrong):
        line = int(wrong[0]) + 3
        raise InputError(
            path,
            f"line {line}: frame {frames[wrong[0] + 1]:g} follows frame {frames[wrong[0]]:g}",
            "every frame must be there once, in order",
        )
    return position, confidence


def sniff(path: Path) -> Found | None:
    """Tell a table by its pairs of columns; names that all share a first word are taken for several animals."""
    if path.suffix.lower() not in {".csv", ".tsv", ".txt"}:
        return None
    head = file_head(path)
    first = head.text.split("\n", 1)[0]
    header = [cell.strip().strip('"') for cell in first.split(delimiter_of(first))]
    if header[0].lower() in {"scorer", "bodyparts", "track"} or "frame_idx" in header:
        return None
    points = _columns(header)
    if not points:
        return None
    found = Found(source="wide_csv", kind="tracks", title="Anipose" if "fnum" in header else "csv of points")
    animals = _animals(list(points))
    if animals:
        found.options = {"individuals": animals}
        found.guessed.append(f"{path.name}: the points belong to the animals {', '.join(animals)}, by their names.")
    describe(found, _read(path, Options(**found.options), path.stem, SAMPLE_ROWS))
    raw = read_bounded(path, limits.TEXT_BYTES)
    found.n_frames = raw.rstrip(b"\r\n").count(b"\n")  # without the header, the number of rows
    return found


def _animals(names: list[str]) -> list[str]:
    """Find animals in names such as mouse1_nose or nose_2: every point must be there once for each."""
    for pattern in (r"(?P<animal>[^_. -]+)[_. -](?P<point>.+)", r"(?P<point>.+)[_. -](?P<animal>[^_. -]+)"):
        fits = [re.fullmatch(pattern, name) for name in names]
        if not all(fits):
            continue
        pairs = [(fit["animal"], fit["point"]) for fit in fits if fit]
        animals, points = list(dict.fromkeys(a for a, _ in pairs)), {p for _, p in pairs}
        # left_ear, right_ear, left_hip, right_hip would pass, too: a digit or a word for an animal is asked for.
        word = re.compile(r"\d|^(mouse|rat|fly|animal|ind|resident|intruder|id|track|bird|fish)", re.I)
        if 1 < len(animals) <= 20 and len(pairs) == len(animals) * len(points) and all(map(word.search, animals)):
            return animals
    return []
