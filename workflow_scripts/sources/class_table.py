"""A class by name in every row: `frame,behaviour`, a row a frame, or `time,behaviour` at a constant step."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from workflow_scripts.cards.card import Task
from workflow_scripts.core import limits
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.validation import nearest
from workflow_scripts.formats.bouts import Bout, runs
from workflow_scripts.formats.tracks import Labels
from workflow_scripts.sources.shared.bouts import BoutOptions, fit_length, label_tasks
from workflow_scripts.sources.shared.found import Found, file_head
from workflow_scripts.sources.shared.frame_table import index_columns, step_of, table

EXPECTED = "a csv with a class by name in every row, perhaps after a column frame or time"
COLUMNS = ("behavior", "behaviour", "label", "class", "annotation", "action", "state")
NOTHING = {"", "nan", "na", "none", "null"}
"""Cells of frames without a label."""
FEWEST = 20
"""Rows of a table that can be taken for one; a shorter list of names is something else."""


class Options(BoutOptions):
    """Options of the source `class_table`."""

    column: str | None = Field(None, description="Column of the classes; empty = the one called behaviour or label.")
    empty: Literal["unlabelled", "background"] = Field(
        "unlabelled", description="What a row without a class is: not labelled, or no behaviour."
    )
    step_s: float | None = Field(
        None, gt=0, description="Seconds between two rows, where they are no frames; empty = by a column time, if any."
    )


def in_seconds(options: Options) -> bool:
    """Say whether the labels follow a clock and not a count of frames."""
    return options.step_s is not None


def _classes(path: Path, rows: list[tuple[int, list[str]]], column: str | None) -> list[str]:
    """Return the class of every row; empty = no label.

    Raises
    ------
    InputError
        When there is no such column, or a row is incomplete.
    """
    header = rows[0][1]
    lowered = [name.lower() for name in header]
    wanted = (column.lower(),) if column else COLUMNS
    place = next((lowered.index(name) for name in wanted if name in lowered), None)
    if place is None:
        near = nearest(wanted[0], lowered).removesuffix("?")
        raise InputError(path, f"line 1: the column {wanted[0]!r} is missing{near}", f"expected {EXPECTED}")
    found = []
    for line, cells in rows[1:]:
        if len(cells) != len(header):
            raise InputError(path, f"line {line}: has {len(cells)} cells, the header {len(header)}", "correct that row")
        found.append("" if cells[place].lower() in NOTHING else cells[place])
    return found


def _bouts(classes: list[str], lines: list[int]) -> list[Bout]:
    names = sorted(set(classes))
    codes = np.array([names.index(name) for name in classes], np.int64)
    return [Bout(start, stop, names[code], lines[start]) for start, stop, code in runs(codes).triples() if names[code]]


def read_labels(
    path: Path, options: Options, *, n_frames: int, fps: float, tasks: dict[str, Task], warn: list[str]
) -> dict[str, Labels]:
    """Read one video's labels; see :func:`workflow_scripts.sources.read_labels`."""
    rows = table(path)
    classes = _classes(path, rows, options.column)
    if not classes:
        raise InputError(path, "has no row of a frame", f"expected {EXPECTED}")
    lines = [line for line, _ in rows[1:]]
    step = options.step_s or step_of(path, rows)
    if step is not None:
        # A row is valid until the next one: frame k has the row in which its middle is.
        limits.require_frames(path, len(classes) * step * fps, len(classes))
        at = ((np.arange(round(len(classes) * step * fps)) + 0.5) / (fps * step)).astype(int)
        chosen = np.minimum(at, len(classes) - 1).tolist()
        classes, lines = [classes[row] for row in chosen], [lines[row] for row in chosen]
        warn.append(f"{path.name}: has a row every {step:g} s, laid on {len(classes)} frames")
    fit_length(path, options.multiclass or "the binary tasks", len(classes), n_frames, warn)
    found = label_tasks(path, _bouts(classes[:n_frames], lines), options, n_frames=n_frames, tasks=tasks, warn=warn)
    known = np.zeros(n_frames, bool)
    known[: len(classes)] = [bool(name) or options.empty == "background" for name in classes[:n_frames]]
    for labels in found.values():
        labels.mask[~known] = False
    return found


def sniff(path: Path) -> Found | None:
    """Tell a table with a column of classes and perhaps one of frames or times, and no other."""
    head = file_head(path).rows(2) if path.suffix.lower() in {".csv", ".tsv", ".txt"} else []
    if len(head) < 2:
        return None
    header = [name.lower() for name in head[0]]
    counted = index_columns(header)
    if len(header) != counted + 1 or header[-1] not in COLUMNS:
        return None
    rows = table(path)
    classes = _classes(path, rows, None)
    named = sorted(set(classes) - {""})
    if len(classes) < FEWEST or not named or len(named) > len(classes) // 2:
        return None
    step = step_of(path, rows) if counted else None
    found = Found(source="class_table", kind="labels")
    if "" in classes and len(named) == 1:
        found.options = {"empty": "background"}
        found.guessed.append(f"{path.name}: rows without a class are frames without {named[0]} (empty: background).")
    rate = math.nan if step is None else 1 / step
    found.add_bouts(
        path.stem,
        _bouts(classes, [line for line, _ in rows[1:]]),
        rate,
        n_frames=len(classes) if step is None else None,
    )
    if step is not None:
        found.media[0].duration = len(classes) * step
        found.guessed.append(f"{path.name} has a row every {step:g} s (column time).")
    return found
