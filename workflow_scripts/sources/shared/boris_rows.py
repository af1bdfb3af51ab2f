"""What a BORIS file holds, whatever its layout: events by observation, with the media they were coded on.

Layouts: tabular events with a preamble and a column Status (to version 7), flat tabular events with a column "Behavior
type" (version 8 and later), aggregated events with "Start (s)" and "Stop (s)", and the project file itself (`.boris`,
JSON). Event times run through all media of an observation one after another, and include its time offset: an exported
`Image index` is (time − offset) · fps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from workflow_scripts.core.documents import parse_json
from workflow_scripts.core.errors import InputError
from workflow_scripts.sources.shared.text import delimiter_of, number, read_text, table_rows

EXPECTED = "a BORIS event table (csv) or project (.boris)"

NAMES = {
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
    "offset": ("time offset (s)",),
    "coded": ("observation duration", "coding duration"),
    "index": ("image index", "image index start"),
}
"""Columns are found by name, never by position."""


@dataclass(frozen=True)
class Row:
    """One event: `status` is START, STOP, POINT, or STATE (which has a `stop`); seconds as the file has them."""

    line: int
    behavior: str
    status: str
    time: float
    stop: float = math.nan
    subject: str = ""
    media: str = ""
    index: float = math.nan


@dataclass
class Observation:
    """One observation: its events, its media in order, and what BORIS knew of them."""

    id: str
    rows: list[Row] = field(default_factory=list)
    media: list[str] = field(default_factory=list)
    durations: list[float] = field(default_factory=list)
    fps: list[float] = field(default_factory=list)
    offset: float = 0.0
    coded: float | None = None

    def edges(self) -> list[float]:
        """Seconds at which each of several media begins, and the end of the last."""
        found = [0.0]
        for duration in self.durations:
            found.append(found[-1] + duration)
        return found


def bare(name: str) -> str:
    """Return a media file's name without folders, whichever system wrote it, and without suffix."""
    last = PureWindowsPath(PurePosixPath(name).name).name
    return PurePosixPath(last).stem if PurePosixPath(last).suffix[1:].isalnum() else last


def read_observations(path: Path, encoding: str = "utf-8") -> dict[str, Observation]:
    """Read every observation of a file, by id.

    Raises
    ------
    InputError
        When the file is none of the layouts, or a number in it is none; names the line.
    """
    text = read_text(path, EXPECTED, encoding)
    if text.lstrip().startswith("{"):
        return _project(path, text)
    found = _table(path, text)
    for observation in found.values():
        _order_media(observation)
    return found


def is_header(line: str) -> bool:
    """Whether a line is the header of an event table."""
    words = {word.strip().strip('"').lower() for word in line.replace("\t", ",").replace(";", ",").split(",")}
    boris = bool(words & {"status", "behavior type", "behaviour type", "start (s)", "observation id", "subject"})
    return boris and bool(words & {"behavior", "behaviour"}) and bool(words & {"time", "start (s)"})


def _table(path: Path, text: str) -> dict[str, Observation]:
    header_line = next((line for line in text.splitlines() if is_header(line)), "")
    if not header_line:
        raise InputError(
            path,
            "has no header row with Behavior, Time and Status (or Behavior type), or with Start (s) and Stop (s)",
            "export tabular or aggregated events from BORIS as csv",
        )
    # The header tells the delimiter; a preamble before it may hold commas of its own.
    preamble: dict[str, str] = {}
    columns: dict[str, int] = {}
    found: dict[str, Observation] = {}
    for line, cells in table_rows(text, delimiter_of(header_line)):
        lowered = [cell.lower() for cell in cells]
        if not columns:
            if is_header("\t".join(cells)):
                places = {k: next((lowered.index(n) for n in names if n in lowered), -1) for k, names in NAMES.items()}
                columns = {key: place for key, place in places.items() if place >= 0}
                _check_columns(path, columns)
            elif len(cells) > 1:
                preamble.setdefault(lowered[0], cells[1])
            continue
        needed = [columns[key] for key in ("time", "behavior", "status", "start", "stop") if key in columns]
        if len(cells) <= max(needed):
            raise InputError(path, f"line {line}: the row is cut short", "export the file again")
        row = {key: cells[place] for key, place in columns.items() if place < len(cells)}
        name = row.get("observation") or preamble.get("observation id", "")
        _add(path, line, row, found.setdefault(name, Observation(name)), preamble)
    return found


def _check_columns(path: Path, columns: dict[str, int]) -> None:
    if not {"time", "status"} <= set(columns) and not {"start", "stop"} <= set(columns):
        raise InputError(path, "has neither Time and Status nor Start (s) and Stop (s) columns", "export it again")


def _add(path: Path, line: int, row: dict[str, str], to: Observation, preamble: dict[str, str]) -> None:
    aggregated = "start" in row and "stop" in row
    if aggregated:
        start, stop = _seconds(path, line, row, "start"), _seconds(path, line, row, "stop")
        if stop < start:
            raise InputError(path, f"line {line}: stops at {stop} s before it starts at {start} s", "correct that row")
        status = "STATE"
    else:
        start, stop, status = _seconds(path, line, row, "time"), math.nan, row["status"].upper()
        if status not in {"START", "STOP", "POINT"}:
            raise InputError(
                path, f"line {line}: expected START, STOP or POINT, found {row['status']!r}", "export it again"
            )
    index = _list(row.get("index", ""))
    to.rows.append(
        Row(
            line,
            row["behavior"],
            status,
            start,
            stop,
            row.get("subject", ""),
            row.get("media", ""),
            index[0] if len(index) == 1 else math.nan,
        )
    )
    to.durations = to.durations or _list(row.get("duration", ""))
    to.fps = to.fps or _list(row.get("fps", ""))
    offset = _list(row.get("offset", preamble.get("time offset (s)", "")))
    to.offset = to.offset or (offset[0] if offset else 0.0)
    coded = _list(row.get("coded", ""))
    to.coded = to.coded or (coded[0] if coded and coded[0] > 0 else None)


def _seconds(path: Path, line: int, row: dict[str, str], column: str) -> float:
    try:
        value = number(row[column])
    except ValueError as error:
        raise InputError(
            path,
            f"line {line}: expected seconds under {column}, found {row[column]!r}",
            "export it in seconds with a decimal point",
        ) from error
    if not math.isfinite(value) or value < 0:
        raise InputError(path, f"line {line}: the time {value} s is negative or not finite", "correct that row")
    return value


def _list(text: str) -> list[float]:
    """Read `60.000;60.000`; what is no number is left out."""
    found = []
    for part in text.replace("|", ";").split(";"):
        try:
            found.append(number(part.strip()))
        except ValueError:
            continue
    return [value for value in found if math.isfinite(value)]


def _order_media(observation: Observation) -> None:
    """Find which media file is the first, second … of an observation by the times of its events."""
    listed = [name.strip() for row in observation.rows for name in row.media.split(";") if name.strip()]
    names = list(dict.fromkeys(listed))
    if len(observation.durations) > 1 and any(row.media.count(";") for row in observation.rows):
        observation.media = names[: len(observation.durations)]
        return
    if len(observation.durations) <= 1:
        observation.media = names
        return
    edges = observation.edges()
    places = ["" for _ in observation.durations]
    for row in observation.rows:
        time = row.time - observation.offset
        place = min(sum(time >= edge for edge in edges[1:]), len(places) - 1)
        # A stop at the very end of a file belongs to that file.
        if row.status == "STOP" and place and time == edges[place]:
            continue
        places[place] = places[place] or row.media
    observation.media = places
    if len(names) > 1 and sum(bool(place) for place in places) == 1:  # filmed at the same time by several cameras
        observation.media, observation.durations = names, observation.durations[:1]


def _project(path: Path, text: str) -> dict[str, Observation]:
    try:
        value = parse_json(text)
        stored = value["observations"].items()
        kinds = {str(b["code"]): str(b.get("type", "")) for b in (value.get("behaviors_conf") or {}).values()}
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise InputError(path, "is no BORIS project (it has no observations)", f"expected {EXPECTED}") from error
    return {str(name): _observation(path, str(name), one, kinds) for name, one in stored}


def _observation(path: Path, name: str, one: Any, kinds: dict[str, str]) -> Observation:
    found = Observation(name)
    try:
        info = one.get("media_info") or {}
        players = one.get("file") or {}
        found.media = [str(media) for media in players.get("1", [])] if isinstance(players, dict) else []
        lengths, rates = info.get("length") or {}, info.get("fps") or {}
        found.durations = [float(lengths[media]) for media in found.media if media in lengths]
        found.fps = [float(rates[media]) for media in found.media if media in rates]
        found.offset = float(one.get("time offset") or 0.0)
        low, high = (one.get("observation time interval") or [0, 0])[:2]
        found.coded = float(high) if float(high) > 0 and float(low) == 0 else None
        opened: set[tuple[str, ...]] = set()
        for number_, event in enumerate(one.get("events") or [], 1):
            time, subject, code = float(event[0]), str(event[1] or ""), str(event[2])
            if "point" in kinds.get(code, "").lower():
                status = "POINT"
            else:  # state events have no status of their own: they alternate
                key = (subject, code)
                status = "STOP" if key in opened else "START"
                opened ^= {key}
            index = event[5] if len(event) > 5 and isinstance(event[5], int | float) else math.nan
            found.rows.append(Row(number_, code, status, time, math.nan, subject, "", float(index)))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise InputError(
            path, f"the observation {name!r} cannot be read ({error})", "save the project in BORIS again"
        ) from error
    return found
