"""EthoVision's raw-data export as text: some 35 lines about the trial, a header, a row of units, a row a sample.

Columns of behaviours hold 0 and 1, `-` where the program has no value.
"""

from __future__ import annotations

import re
from itertools import zip_longest
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
from workflow_scripts.sources.shared.found import Found, file_head
from workflow_scripts.sources.shared.text import delimiter_of, number, read_text, table_rows

EXPECTED = "an EthoVision export of raw data as text (File > Export > Raw data, comma or semicolon separated)"
TIMES = ("recording time", "trial time", "time")


class Options(BoutOptions):
    """Options of the source `ethovision`."""

    behaviours: list[str] = Field([], description="Columns to read; empty = every one of 0 and 1.")
    encoding: str = Field("utf-8", description="Encoding of the text, e.g. utf-16 or cp1252.")


def in_seconds(options: Options) -> bool:
    """Say that the labels follow a clock."""
    return True


def _table(path: Path, encoding: str) -> tuple[list[str], npt.NDArray[np.float64], dict[str, str], list[int]]:
    """Return the header, times and columns as numbers (NaN for `-`), the lines about the trial, and line numbers."""
    if file_head(path).raw[:4] == b"PK\x03\x04":
        raise InputError(path, "is a spreadsheet", f"expected {EXPECTED}; save it as csv")
    text = read_text(path, EXPECTED, encoding)
    lines = text.splitlines()
    stated = re.search(r"number of header lines\W+(\d+)", "\n".join(lines[:5]), re.I)
    if not stated:
        raise InputError(path, "line 1: expected 'Number of header lines'", f"expected {EXPECTED}")
    count = int(stated[1])
    header_line = lines[count - 2] if 2 <= count <= len(lines) else ""
    delimiter = delimiter_of(header_line)
    rows = list(table_rows(text, delimiter))
    about = {cells[0].lower().rstrip(":"): cells[1] for line, cells in rows if line < count - 1 and len(cells) > 1}
    header = next((cells for line, cells in rows if line == count - 1), [])
    if not any(name.lower() in TIMES for name in header):
        raise InputError(path, f"line {count - 1}: expected a header with Trial time", f"expected {EXPECTED}")
    units = next((cells for line, cells in rows if line == count), [])
    # What has a unit is measured, even if every value happens to be 0 or 1.
    header = [
        f"{name} ({unit})" if unit and name.lower() not in TIMES else name
        for name, unit in zip_longest(header, units[: len(header)], fillvalue="")
    ]
    body = [(line, cells) for line, cells in rows if line > count]
    limits.require_shape(path, "its table", (len(body), len(header)), 8)
    named = max((place for place, name in enumerate(header, 1) if name), default=0)
    short = next((line for line, cells in body if len(cells) < named), None)
    if short is not None:
        raise InputError(
            path, f"line {short}: has fewer cells than the header", "the file may be cut off; export it again"
        )
    values = np.full((len(body), len(header)), np.nan)
    for row, (line, cells) in enumerate(body):
        for place, cell in enumerate(cells[: len(header)]):
            if cell in {"", "-"}:
                continue
            try:
                values[row, place] = number(cell)
            except ValueError as error:
                raise InputError(
                    path,
                    f"line {line}: expected a number or - under {header[place]}, found {cell!r}",
                    "export it again",
                ) from error
    if not len(body):
        raise InputError(path, "holds no sample", "export it again")
    return header, values, about, [line for line, _ in body]


def _behaviours(header: list[str], values: npt.NDArray[np.float64]) -> list[str]:
    found = []
    for place, name in enumerate(header):
        column = values[:, place]
        known = column[~np.isnan(column)]
        if (
            name
            and name.lower() not in TIMES
            and not name.endswith(")")
            and len(known)
            and np.isin(known, (0, 1)).all()
        ):
            found.append(name)
    return found


def _bouts(
    path: Path, header: list[str], values: npt.NDArray[np.float64], chosen: list[str], fps: float, lines: list[int]
) -> tuple[list[Bout], npt.NDArray[np.bool_]]:
    """Return the bouts, and which frames have a value in every chosen column."""
    time = next(k for k, name in enumerate(header) if name.lower() in TIMES)
    times = values[:, time]
    if np.isnan(times).any() or (np.diff(times) <= 0).any():
        raise InputError(path, "the times are missing or do not increase", "export it again")
    last = float(times[-1]) + float(np.median(np.diff(times)) if len(times) > 1 else 1 / fps)
    limits.require_frames(path, last * fps, len(times))
    count = round(last * fps)
    # The sample whose time is nearest to the frame's.
    at = np.clip(np.searchsorted(times, (np.arange(count) - 0.5) / fps), 0, len(times) - 1)
    bouts: list[Bout] = []
    known = np.ones(count, bool)
    for name in chosen:
        column = values[at, header.index(name)]
        known &= ~np.isnan(column)
        bouts += [
            Bout(a, b, name, lines[at[a]])
            for a, b, value in runs(np.nan_to_num(column, nan=0).astype(int)).triples()
            if value == 1
        ]
    return bouts, known


def read_labels(
    path: Path, options: Options, *, n_frames: int, fps: float, tasks: dict[str, Task], warn: list[str]
) -> dict[str, Labels]:
    """Read the columns of 0 and 1; see :func:`workflow_scripts.sources.read_labels`."""
    header, values, _, lines = _table(path, options.encoding)
    chosen = options.behaviours or _behaviours(header, values)
    for name in chosen:
        if name not in header:
            near = nearest(name, header).removesuffix("?")
            raise InputError(path, f"has no column {name!r}{near}", "check behaviours in the label options")
    bouts, known = _bouts(path, header, values, chosen, fps, lines)
    fit_length(path, options.multiclass or "the binary tasks", len(known), n_frames, warn)
    made = label_tasks(path, bouts, options, n_frames=n_frames, tasks=tasks, warn=warn)
    inside = np.zeros(n_frames, bool)
    inside[: len(known)] = known[:n_frames]
    for labels in made.values():
        labels.mask[~inside] = False
    return made


def sniff(path: Path) -> Found | None:
    """Tell an EthoVision export by its first line; a spreadsheet of one cannot be known from others."""
    raw = file_head(path).raw
    encoding = "utf-16" if raw[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8"
    start = raw[:400].decode(encoding, errors="replace")
    if not re.match(r"\W*number of header lines", start, re.I):
        return None
    options = {} if encoding == "utf-8" else {"encoding": encoding}
    header, values, about, lines = _table(path, encoding)
    found = Found(source="ethovision", kind="labels", options=options)
    chosen = _behaviours(header, values)
    bouts, known = _bouts(path, header, values, chosen, 100.0, lines)
    media = [about[key] for key in ("video file", "trial name") if about.get(key)]
    found.add_bouts(path.stem, bouts, 100.0, media=media, duration=len(known) / 100.0)
    if chosen:
        found.options = options | {"behaviours": chosen}
        found.guessed.append(f"{path.name}: the columns of 0 and 1 are behaviours: {', '.join(chosen)}.")
    else:
        found.unknown.append(f"{path.name} has no column of 0 and 1; export the behaviours with the raw data.")
    return found
