"""Tables of 0 and 1, one row a frame and one column a behaviour: DeepEthogram's `<video>_labels.csv` and SimBA's files.

DeepEthogram's first class is `background`, and a frame nobody labelled holds -1. SimBA's `targets_inserted` files have
the behaviours among hundreds of columns of features; name them under `behaviours`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import Field

from workflow_scripts.cards.card import Task
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.validation import nearest
from workflow_scripts.formats.bouts import Bout, runs
from workflow_scripts.formats.tracks import Labels
from workflow_scripts.sources.shared.bouts import BoutOptions, fit_length, label_tasks
from workflow_scripts.sources.shared.text import read_text, table_rows

EXPECTED = "a csv with one row a frame and one column of 0 and 1 a behaviour"


class Options(BoutOptions):
    """Options of the source `frame_table`."""

    behaviours: list[str] = Field([], description="Columns to read; empty = every one but the index.")
    empty: str = Field("background", description="Column that stands for no behaviour, if there is one.")


def read_labels(
    path: Path, options: Options, *, n_frames: int, fps: float, tasks: dict[str, Task], warn: list[str]
) -> dict[str, Labels]:
    """Read one video's labels; see :func:`workflow_scripts.sources.read_labels`."""
    rows = list(table_rows(read_text(path, EXPECTED)))
    if not rows:
        raise InputError(path, "holds no row", f"expected {EXPECTED}")
    header = rows[0][1]
    chosen = options.behaviours or [name for name in header[_index_columns(header) :] if name != options.empty]
    places = []
    for name in chosen:
        if header.count(name) > 1:
            raise InputError(path, f"line 1: the column {name!r} stands twice", "keep one of them")
        if name not in header:
            near = nearest(name, header).removesuffix("?")
            raise InputError(path, f"line 1: the column {name!r} is missing{near}", f"expected {EXPECTED}")
        places.append(header.index(name))
    table = _numbers(path, header, rows[1:], places)
    known = np.asarray((table >= 0).all(axis=1))
    fit_length(path, options.multiclass or "the binary tasks", len(table), n_frames, warn)
    bouts = [
        Bout(start, stop, name)
        for column, name in enumerate(chosen)
        for start, stop, value in runs(table[:n_frames, column]).triples()
        if value == 1
    ]
    found = label_tasks(path, bouts, options, n_frames=n_frames, tasks=tasks, warn=warn)
    for labels in found.values():
        labels.mask[: len(known)] &= known[:n_frames]
        labels.mask[len(known) :] = False
    return found


def _index_columns(header: list[str]) -> int:
    return int(bool(header) and header[0].lower() in {"", "frame", "frames", "unnamed: 0", "index"})


def _numbers(
    path: Path, header: list[str], rows: list[tuple[int, list[str]]], places: list[int]
) -> npt.NDArray[np.int64]:
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
