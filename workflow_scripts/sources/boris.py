"""BORIS event tables (csv or tsv), old and new; columns are found by name, never by position.

Three layouts are in use: tabular events with a preamble and a column Status (to version 7), flat tabular events with a
column "Behavior type" (version 8), and aggregated events with "Start (s)" and "Stop (s)". Files made by hand in one of
these layouts are common, so that every number is checked.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from workflow_scripts.cards.card import Task
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.files import atomic_path
from workflow_scripts.core.names import plain_cell
from workflow_scripts.core.validation import nearest
from workflow_scripts.formats.bouts import Bout
from workflow_scripts.formats.tracks import Labels
from workflow_scripts.sources.shared.bouts import BoutOptions, check_bouts, label_tasks, seconds_to_frames
from workflow_scripts.sources.shared.text import read_text, table_rows

EXPECTED = "a BORIS event table (csv)"

_NAMES = {
    "time": ("time",),
    "behavior": ("behavior", "behaviour"),
    "status": ("status", "behavior type", "behaviour type"),
    "start": ("start (s)", "start"),
    "stop": ("stop (s)", "stop"),
    "subject": ("subject",),
    "media": ("media file path", "media file name", "media file"),
    "observation": ("observation id",),
    "duration": ("total length", "media duration (s)"),
    "fps": ("fps", "fps (frame/s)"),
}


_KNOWN = {name for names in _NAMES.values() for name in names}


class Options(BoutOptions):
    """Options of the source `boris`."""

    observation: str | None = Field(
        None, description="Observation id or media file to read, where a file holds several."
    )


@dataclass(frozen=True)
class Event:
    """One row: `status` is START, STOP or POINT; `time` in seconds."""

    time: float
    behavior: str
    status: str
    subject: str
    observation: str
    line: int


@dataclass(frozen=True)
class _Table:
    rows: list[tuple[int, dict[str, str]]]
    columns: dict[str, int]


def _table(path: Path) -> _Table:
    text = read_text(path, EXPECTED)
    # The header tells the delimiter; a preamble before it may hold commas of its own.
    header_line = next((line for line in text.splitlines() if _is_header(line)), "")
    if not header_line:
        raise InputError(
            path,
            "has no header row with Behavior, Time and Status (or Behavior type), or with Start (s) and Stop (s)",
            "export tabular or aggregated events from BORIS as csv",
        )
    delimiter = max(",\t;", key=header_line.count)
    columns: dict[str, int] = {}
    rows: list[tuple[int, dict[str, str]]] = []
    for number, cells in table_rows(text, delimiter):
        lowered = [cell.lower() for cell in cells]
        if not columns:
            found = {key: next((lowered.index(n) for n in names if n in lowered), -1) for key, names in _NAMES.items()}
            twice = next((word for word in lowered if word and word in _KNOWN and lowered.count(word) > 1), None)
            if twice and found["behavior"] >= 0:
                raise InputError(path, f"line {number}: the column {twice!r} stands twice", "keep one of them")
            if found["behavior"] >= 0 and (found["time"] >= 0 or found["start"] >= 0):
                columns = {key: place for key, place in found.items() if place >= 0}
        else:
            if len(cells) <= max(columns[key] for key in columns if key in {"time", "behavior", "status", "stop"}):
                raise InputError(path, f"line {number}: the row is cut short", "export the file again")
            rows.append((number, {key: cells[place] for key, place in columns.items() if place < len(cells)}))
    tabular = {"time", "status"} <= set(columns)
    if not tabular and not {"start", "stop"} <= set(columns):
        raise InputError(path, "has neither Time and Status nor Start (s) and Stop (s) columns", "export it again")
    return _Table(rows, columns)


def _is_header(line: str) -> bool:
    words = {word.strip().strip('"').lower() for word in line.replace("\t", ",").replace(";", ",").split(",")}
    return bool(words & {"behavior", "behaviour"}) and bool(words & {"time", "start (s)", "start"})


def _number(path: Path, line: int, cells: dict[str, str], column: str) -> float:
    try:
        value = float(cells[column])
    except ValueError as error:
        raise InputError(
            path,
            f"line {line}: expected seconds under {column}, found {cells[column]!r}",
            "export it in seconds with a decimal point",
        ) from error
    if not math.isfinite(value) or value < 0:
        raise InputError(path, f"line {line}: the time {value} s is negative or not finite", "mend that row")
    return value


def _pair(path: Path, events: Sequence[Event], fps: float) -> list[Bout]:
    """Pair START with STOP per observation, subject and behaviour; a POINT is one frame."""
    opened: dict[tuple[str, str, str], Event] = {}
    bouts = []
    for event in sorted(events, key=lambda e: e.time):  # stable: BORIS's order decides between equal times
        key = (event.observation, event.subject, event.behavior)
        if event.status == "POINT":
            bouts.append(_bout(event.time, event.time, event, fps))
        elif event.status == "START":
            if key in opened:
                raise InputError(
                    path,
                    f"line {event.line}: {event.behavior!r} starts again, and its START in line {opened[key].line} "
                    "has no STOP",
                    "fix the unpaired events in BORIS and export again",
                )
            opened[key] = event
        else:
            if key not in opened:
                raise InputError(
                    path,
                    f"line {event.line}: {event.behavior!r} stops without a START",
                    "fix the unpaired events in BORIS and export again",
                )
            start = opened.pop(key)
            bouts.append(_bout(start.time, event.time, start, fps))
    for event in opened.values():
        raise InputError(
            path,
            f"line {event.line}: the START of {event.behavior!r} has no STOP",
            "fix the unpaired events in BORIS and export again",
        )
    return bouts


def _bout(start: float, stop: float, event: Event, fps: float) -> Bout:
    first, after = seconds_to_frames(start, stop, fps)
    return Bout(first, after, event.behavior, event.line, event.subject)


def _choose(path: Path, table: _Table, wanted: str | None) -> list[tuple[int, dict[str, str]]]:
    """Keep the rows of one observation: those of several would lie on each other."""
    key = "observation" if "observation" in table.columns else "media"
    names = list(dict.fromkeys(cells.get(key, "") for _, cells in table.rows))
    if wanted is None:
        if len(names) > 1:
            raise InputError(
                path, f"holds {len(names)} observations ({', '.join(names[:3])} …)", "name one under observation"
            )
        return table.rows
    rows = [(n, c) for n, c in table.rows if wanted in (c.get("observation"), c.get("media"))]
    if not rows:
        near = nearest(wanted, names).removesuffix("?")
        raise InputError(path, f"has no observation {wanted!r}{near}", "check observation in the label options")
    return rows


def read_bouts(path: Path, fps: float, observation: str | None = None) -> tuple[list[Bout], float | None, float | None]:
    """Read the bouts of one observation.

    Parameters
    ----------
    path : Path
    fps : float
        Frames per second of the tracks.
    observation : str or None
        Observation id or media file, where the file holds several.

    Returns
    -------
    bouts : list of Bout
    duration : float or None
        Seconds of media, where the table states one length.
    fps : float or None
        What BORIS thought the fps to be, where the table states one.

    Raises
    ------
    InputError
        When the file is no event table, a START or STOP has no partner, or a number is none; names the line.
    """
    table = _table(path)
    rows = _choose(path, table, observation)
    if "status" in table.columns and "time" in table.columns:
        events = []
        for line, cells in rows:
            status = cells["status"].upper()
            if status not in {"START", "STOP", "POINT"}:
                raise InputError(
                    path, f"line {line}: expected START, STOP or POINT, found {cells['status']!r}", "export it again"
                )
            time = _number(path, line, cells, "time")
            who = (cells.get("subject", ""), cells.get("observation", ""))
            events.append(Event(time, cells["behavior"], status, *who, line))
        bouts = _pair(path, events, fps)
    else:
        bouts = []
        for line, cells in rows:
            start, stop = _number(path, line, cells, "start"), _number(path, line, cells, "stop")
            if stop < start:
                raise InputError(path, f"line {line}: stops at {stop} s before it starts at {start} s", "mend that row")
            event = Event(start, cells["behavior"], "STATE", cells.get("subject", ""), "", line)
            bouts.append(_bout(start, stop, event, fps))
    return bouts, _one_number(rows, "duration"), _one_number(rows, "fps")


def _one_number(rows: list[tuple[int, dict[str, str]]], column: str) -> float | None:
    """Return the number every row repeats, or None where there is none or several."""
    found = {cells.get(column, "") for _, cells in rows}
    try:
        value = float(found.pop()) if len(found) == 1 else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def read_labels(
    path: Path, options: Options, *, n_frames: int, fps: float, tasks: dict[str, Task], warn: list[str]
) -> dict[str, Labels]:
    """Read one observation's labels; see :func:`workflow_scripts.sources.read_labels`."""
    bouts, duration, stated = read_bouts(path, fps, options.observation)
    if stated is not None and abs(stated - fps) > 0.01 * fps:
        warn.append(f"{path.name}: BORIS says {stated:g} frames a second, the card {fps:g}, which is used")
    length = None if duration is None else round(duration * fps)
    return label_tasks(path, bouts, options, n_frames=n_frames, tasks=tasks, warn=warn, length=length)


HEADER = (
    "Observation id",
    "Media file name",
    "Media duration (s)",
    "FPS (frame/s)",
    "Subject",
    "Behavior",
    "Behavior type",
    "Time",
    "Comment",
)


def write_boris(
    path: Path,
    bouts: Sequence[Bout],
    fps: float,
    *,
    n_frames: int,
    subject: str = "No focal subject",
    observation: str = "EthoMake",
    media: str = "",
) -> None:
    """Write bouts as flat tabular events (START and STOP rows) that BORIS's own columns name.

    BORIS has no column for a model's confidence; the comment of each event carries it.

    Parameters
    ----------
    path : Path
        The csv to make, whole or not at all.
    bouts : sequence of Bout
    fps : float
    n_frames : int
        Length of the media.
    subject : str
        For bouts without one.
    observation, media : str

    Raises
    ------
    InputError
        When a bout is negative or reversed.
    """
    check_bouts(path, bouts)
    # Milliseconds, as BORIS writes them, tell frames apart up to 200 a second.
    decimals = 3 if fps <= 200 else 6
    rows = []
    for bout in bouts:
        for time, status in ((bout.start / fps, "START"), (bout.stop / fps, "STOP")):
            # Of two events at one time the STOP comes first, so that adjoining bouts pair up.
            order = (round(time, decimals), status == "START")
            who = bout.subject or subject
            comment = "" if bout.confidence is None else f"confidence {bout.confidence:.3f}"
            text = [
                plain_cell(observation),
                plain_cell(media),
                f"{n_frames / fps:.{decimals}f}",
                f"{fps:g}",
                plain_cell(who),
                plain_cell(bout.name),
                status,
            ]
            rows.append((order, [*text, f"{time:.{decimals}f}", comment]))
    with atomic_path(path) as part, open(part, "w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(HEADER)
        writer.writerows(row for _, row in sorted(rows, key=lambda item: item[0]))
