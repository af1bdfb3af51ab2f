"""Tables of 0 and 1, one row a frame and one column a behaviour: DeepEthogram's `<video>_labels.csv` and SimBA's files.

DeepEthogram's first class is `background`, and a frame nobody labelled holds -1. SimBA's `targets_inserted` files have
the behaviours among hundreds of columns of features; name them under `behaviours`.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import Field

from workflow_scripts.cards.card import Task
from workflow_scripts.core import limits
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.validation import nearest
from workflow_scripts.formats.bouts import Bout, runs
from workflow_scripts.formats.tracks import Labels
from workflow_scripts.sources.shared.bouts import BoutOptions, fit_length, label_tasks
from workflow_scripts.sources.shared.found import Found
from workflow_scripts.sources.shared.text import delimiter_of, number, read_text, table_rows

EXPECTED = "a csv with one row a frame and one column of 0 and 1 a behaviour"


class Options(BoutOptions):
    """Options of the source `frame_table`."""

    behaviours: list[str] = Field([], description="Columns to read; empty = every one but the index.")
    empty: str = Field("background", description="Column that stands for no behaviour, if there is one.")
    step_s: float | None = Field(
        None, gt=0, description="Seconds between two rows, where they are no frames; empty = by a column time, if any."
    )


def read_labels(
    path: Path, options: Options, *, n_frames: int, fps: float, tasks: dict[str, Task], warn: list[str]
) -> dict[str, Labels]:
    """Read one video's labels; see :func:`workflow_scripts.sources.read_labels`."""
    rows = table(path)
    header = rows[0][1]
    chosen = options.behaviours or [name for name in header[index_columns(header) :] if name != options.empty]
    places = []
    for name in chosen:
        if header.count(name) > 1:
            raise InputError(path, f"line 1: the column {name!r} is there twice", "keep one of them")
        if name not in header:
            near = nearest(name, header).removesuffix("?")
            raise InputError(path, f"line 1: the column {name!r} is missing{near}", f"expected {EXPECTED}")
        places.append(header.index(name))
    numbers = _numbers(path, header, rows[1:], places)
    step = options.step_s or step_of(path, rows)
    if step is not None:
        # A row stands for the time up to the next one: frame k shows the row in which its middle lies.
        limits.require_frames(path, len(numbers) * step * fps, len(numbers))
        count = round(len(numbers) * step * fps)
        at = np.minimum(((np.arange(count) + 0.5) / (fps * step)).astype(int), len(numbers) - 1)
        numbers = numbers[at]
        warn.append(f"{path.name}: has a row every {step:g} s, laid on {count} frames")
    known = np.asarray((numbers >= 0).all(axis=1))
    fit_length(path, options.multiclass or "the binary tasks", len(numbers), n_frames, warn)
    bouts = [
        Bout(start, stop, name)
        for column, name in enumerate(chosen)
        for start, stop, value in runs(numbers[:n_frames, column]).triples()
        if value == 1
    ]
    found = label_tasks(path, bouts, options, n_frames=n_frames, tasks=tasks, warn=warn)
    for labels in found.values():
        labels.mask[: len(known)] &= known[:n_frames]
        labels.mask[len(known) :] = False
    return found


def table(path: Path) -> list[tuple[int, list[str]]]:
    """Return the rows of a table, the header first, whatever the delimiter.

    Raises
    ------
    InputError
        When it holds none.
    """
    text = read_text(path, EXPECTED)
    rows = list(table_rows(text, delimiter_of(text.lstrip().split("\n", 1)[0])))
    if not rows:
        raise InputError(path, "holds no row", f"expected {EXPECTED}")
    return rows


TIME = {"time", "time (s)", "time_s", "seconds", "timestamp"}


def index_columns(header: list[str]) -> int:
    """Return 1 where the first column counts frames or seconds, else 0."""
    return int(bool(header) and header[0].lower() in {"", "frame", "frames", "unnamed: 0", "index", *TIME})


def step_of(path: Path, rows: list[tuple[int, list[str]]]) -> float | None:
    """Return the seconds between two rows, where the first column is a time.

    Raises
    ------
    InputError
        When the times are no numbers, or not evenly spaced.
    """
    if rows[0][1][0].lower() not in TIME or len(rows) < 3:
        return None
    times = []
    for line, cells in rows[1:]:
        try:
            times.append(number(cells[0]))
        except ValueError as error:
            raise InputError(path, f"line {line}: expected seconds, found {cells[0]!r}", "export it again") from error
    steps = np.diff(times)
    step = float(np.median(steps))
    wrong = np.flatnonzero(np.abs(steps - step) > 0.25 * abs(step))
    if step <= 0 or len(wrong):
        line = rows[1 + int(wrong[0]) + 1][0] if len(wrong) else rows[1][0]
        raise InputError(path, f"line {line}: the times are not evenly spaced", "export it with a constant time step")
    return round(step, 6)


def _numbers(
    path: Path, header: list[str], rows: list[tuple[int, list[str]]], places: list[int]
) -> npt.NDArray[np.int64]:
    limits.require_shape(path, "its table", (len(rows), len(places)), 8)
    table = np.empty((len(rows), len(places)), dtype=np.int64)
    for row, (line, cells) in enumerate(rows):
        if len(cells) != len(header):
            raise InputError(path, f"line {line}: has {len(cells)} cells, the header {len(header)}", "export it again")
        for column, place in enumerate(places):
            text = cells[place]
            if text not in {"0", "1", "-1", "0.0", "1.0", "-1.0"}:
                raise InputError(
                    path,
                    f"line {line}: expected 0, 1 or -1 under {header[place]}, found {text!r}",
                    "name the behaviours' columns under behaviours",
                )
            table[row, column] = int(float(text))
    return table


def binary_columns(rows: list[tuple[int, list[str]]]) -> list[str]:
    """Return the names of the columns that hold 0, 1 and -1 alone."""
    header = rows[0][1]
    good = [True] * len(header)
    for _, cells in rows[1:]:
        for place, cell in enumerate(cells[: len(header)]):
            if good[place] and cell not in {"0", "1", "-1", "0.0", "1.0", "-1.0"}:
                good[place] = False
    start = index_columns(header)
    return [name for place, name in enumerate(header) if place >= start and good[place] and name]


def sniffed(path: Path, source: str, rows: list[tuple[int, list[str]]], chosen: list[str]) -> Found:
    """Describe a table of 0 and 1."""
    found = Found(source=source, kind="labels")
    header = rows[0][1]
    step = step_of(path, rows)
    named = [name for name in chosen if name.lower() != "background"]
    places = [header.index(name) for name in named]
    numbers = _numbers(path, header, rows[1:], places)
    bouts = [
        Bout(start, stop, name)
        for k, name in enumerate(named)
        for start, stop, value in runs(numbers[:, k]).triples()
        if value == 1
    ]
    rate = math.nan if step is None else 1 / step
    found.add_bouts(path.stem, bouts, rate, n_frames=len(rows) - 1 if step is None else None)
    if step is not None:
        found.media[0].duration = (len(rows) - 1) * step
        found.guessed.append(f"{path.name} has a row every {step:g} s (column time).")
    found.media[0].classes |= {name: 0 for name in named if name not in found.media[0].classes}
    return found
