"""BORIS: event tables (csv or tsv) of all its versions, aggregated events and the project file `.boris`.

Time in a frame of a medium = event time − time offset − length of the media before it. See
:mod:`workflow_scripts.sources.shared.boris_rows` for the layouts. Binary tables (a column a behaviour) are read by the
source `binary_table`.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from workflow_scripts.cards.card import Task
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.files import atomic_path
from workflow_scripts.core.names import plain_cell
from workflow_scripts.core.validation import nearest
from workflow_scripts.formats.bouts import Bout
from workflow_scripts.formats.tracks import Labels
from workflow_scripts.sources.shared.boris_rows import Observation, Row, bare, is_header, read_observations
from workflow_scripts.sources.shared.bouts import BoutOptions, bout_of, check_bouts, label_tasks
from workflow_scripts.sources.shared.found import Found, file_head

CODED_SHARE = 0.98
"""Where less than this share of the media was coded, the rest is unlabelled."""
FPS_TOLERANCE = 0.005
ONE_FRAME = 1.0


class Options(BoutOptions):
    """Options of the source `boris`."""

    observation: str | None = Field(
        None, description="Observation id or media file to read, where a file holds several."
    )
    open_bouts: Literal["refuse", "close", "drop"] = Field(
        "refuse", description="A START without a STOP: refuse the file, close it at the end of the medium, or drop it."
    )
    coded: Literal["observation", "media"] = Field(
        "observation", description="Whether frames after the observation's stated duration are unlabelled or labelled."
    )
    stated_fps: Literal["refuse", "ignore"] = Field(
        "refuse", description="What to do where BORIS states other frames a second than the recording has."
    )
    encoding: str = Field("utf-8", description="Encoding of the text, e.g. cp1252.")


@dataclass
class Reading:
    """Bouts of one medium, in frames from its beginning."""

    bouts: list[Bout]
    duration: float | None = None
    fps: float | None = None
    coded: float | None = None
    warnings: list[str] = field(default_factory=list)


def _choose(path: Path, found: dict[str, Observation], wanted: str | None) -> tuple[Observation, int | None]:
    """Return one observation, and the place of the wanted medium where it has several."""
    several = {name: one for name, one in found.items() if len(one.durations) > 1 and len(one.media) > 1}
    media = [name for one in found.values() for name in one.media if name]
    if wanted is None:
        if len(found) != 1:
            raise InputError(
                path, f"holds {len(found)} observations ({', '.join(list(found)[:3])} …)", "name one under observation"
            )
        one = next(iter(found.values()))
        if one.id in several:
            shown = ", ".join(bare(name) or "?" for name in one.media)
            raise InputError(
                path,
                f"the observation {one.id!r} runs over {len(one.media)} media ({shown})",
                "name one under observation",
            )
        return one, None
    fits = [
        (one, place)
        for one in found.values()
        for place, name in enumerate(one.media)
        if name and (name == wanted or bare(name) == bare(wanted))
    ]
    if wanted in found and wanted not in several:
        return found[wanted], None
    if len({one.id for one, _ in fits}) == 1:
        one, place = fits[0]
        return one, place if one.id in several else None
    if wanted in found:
        raise InputError(
            path, f"the observation {wanted!r} runs over {len(found[wanted].media)} media", "name one of them instead"
        )
    if fits:
        ids = ", ".join(one.id for one, _ in fits)
        raise InputError(path, f"{wanted!r} was coded in the observations {ids}", "name one of them under observation")
    near = nearest(wanted, [*found, *map(bare, media)]).removesuffix("?")
    raise InputError(
        path, f"has no observation or media file {wanted!r}{near}", "check observation in the label options"
    )


def _offset(path: Path, one: Observation, fps: float, warnings: list[str]) -> float:
    """Return the seconds to take off every time; the exported image indices decide whether the offset is in them."""
    if one.offset == 0:
        return 0.0
    checks = [(row.time, row.index) for row in one.rows if math.isfinite(row.index)]
    if len(one.durations) > 1 or not checks:
        return one.offset
    rate = one.fps[0] if one.fps else fps
    times, index = (np.array(column) for column in zip(*checks, strict=True))
    with_offset = np.median(np.abs((times - one.offset) * rate - index))
    without = np.median(np.abs(times * rate - index))
    if with_offset <= ONE_FRAME:
        warnings.append(f"{path.name}: the time offset of {one.offset:g} s is taken off the event times")
        return one.offset
    if without <= ONE_FRAME:
        warnings.append(
            f"{path.name}: its image indices show that the times hold no offset, though {one.offset:g} s is given"
        )
        return 0.0
    raise InputError(
        path,
        f"line {one.rows[0].line}: the image index fits the times neither with nor without the time offset of "
        f"{one.offset:g} s",
        "check FPS and time offset in BORIS and export again",
    )


def _pair(
    path: Path, rows: Sequence[Row], end: float, options: Options, warnings: list[str]
) -> list[tuple[Row, float]]:
    """Pair START with STOP per subject and behaviour: (start, time of the stop)."""
    opened: dict[tuple[str, str], Row] = {}
    found: list[tuple[Row, float]] = []
    fix = "fix the unpaired events in BORIS and export again"
    for row in sorted(rows, key=lambda r: r.time):  # stable: BORIS's order decides between equal times
        key = (row.subject, row.behavior)
        if row.status == "STATE":
            found.append((row, row.stop))
        elif row.status == "POINT":
            found.append((row, row.time))
        elif row.status == "START":
            if key in opened:
                raise InputError(
                    path,
                    f"line {row.line}: {row.behavior!r} starts again, and its START in line {opened[key].line} has no "
                    "STOP",
                    fix,
                )
            opened[key] = row
        elif key not in opened:
            raise InputError(path, f"line {row.line}: {row.behavior!r} stops without a START", fix)
        else:
            found.append((opened.pop(key), row.time))
    for row in opened.values():
        what = f"line {row.line}: the START of {row.behavior!r} at {row.time:g} s has no STOP"
        if options.open_bouts == "refuse":
            raise InputError(path, what, f"{fix}, or set open_bouts to close or drop in the label options")
        if options.open_bouts == "close":
            if not math.isfinite(end):
                raise InputError(path, f"{what}, and no length of the media is stated", "set open_bouts: drop")
            found.append((row, end))
        warnings.append(
            f"{path.name}: {what}; it is {'closed at the end' if options.open_bouts == 'close' else 'dropped'}"
        )
    return found


def read_bouts(path: Path, fps: float, options: Options) -> Reading:
    """Read the bouts of one observation, or of one of its media.

    Parameters
    ----------
    path : Path
    fps : float
        Frames per second of the tracks.
    options : Options

    Raises
    ------
    InputError
        When the file is no event table, holds several observations and none is named, a START or STOP has no partner,
        or a number is none; names the line.
    """
    one, place = _choose(path, read_observations(path, options.encoding), options.observation)
    reading = Reading([])
    offset = _offset(path, one, fps, reading.warnings)
    edges = one.edges()
    low, high = (
        (edges[place], edges[place + 1]) if place is not None else (0.0, edges[1] if len(edges) == 2 else math.inf)
    )
    end = (edges[-1] if one.durations else math.inf) + offset
    for row, stop in _pair(path, one.rows, end, options, reading.warnings):
        begin, after = row.time - offset, stop - offset
        if begin < -1 / fps:
            raise InputError(
                path,
                f"line {row.line}: {row.behavior!r} starts at {row.time:g} s, before the time offset of {offset:g} s",
                "check the time offset in BORIS",
            )
        if place is not None:
            if after < low or begin >= high or (begin < low and after == low):
                continue
            begin, after = max(begin, low) - low, min(after, high) - low
        reading.bouts.append(bout_of(max(begin, 0.0), max(after, 0.0), fps, row.behavior, row.line, row.subject))
    if one.durations:
        reading.duration = one.durations[place or 0]
    rates = set(one.fps)
    if rates:
        reading.fps = one.fps[place] if place is not None and len(one.fps) > place else one.fps[0]
        reading.fps = reading.fps if len(rates) == 1 or place is not None else None
    if one.coded is not None and reading.duration is not None and place is None:
        reading.coded = one.coded
    return reading


def read_labels(
    path: Path, options: Options, *, n_frames: int, fps: float, tasks: dict[str, Task], warn: list[str]
) -> dict[str, Labels]:
    """Read one observation's labels; see :func:`workflow_scripts.sources.read_labels`."""
    reading = read_bouts(path, fps, options)
    warn += reading.warnings
    if reading.fps is not None and abs(reading.fps - fps) > FPS_TOLERANCE * fps:
        problem = f"BORIS states {reading.fps:g} frames a second, and the recording has {fps:g}"
        if options.stated_fps == "refuse":
            raise InputError(
                path,
                problem,
                "write fps of this recording in the sheet, or set stated_fps: ignore in the label options",
            )
        warn.append(f"{path.name}: {problem}, which is used")
    length = None if reading.duration is None else round(reading.duration * fps)
    coded = None
    if reading.coded is not None and reading.duration and reading.coded < CODED_SHARE * reading.duration:
        last = max([bout.stop for bout in reading.bouts], default=0)
        if last <= round(reading.coded * fps) + 1:
            rest = "frames after that are unlabelled; say what was watched under scored in the sheet"
            if options.coded == "observation":
                coded = round(reading.coded * fps)
            else:
                rest = "all frames count as watched (coded: media)"
            warn.append(f"{path.name}: only {reading.coded:g} s of {reading.duration:g} s of media were coded; {rest}")
    return label_tasks(
        path, reading.bouts, options, n_frames=n_frames, tasks=tasks, warn=warn, length=length, coded=coded
    )


def sniff(path: Path) -> Found | None:
    """Tell a BORIS export or project, and what was coded in it."""
    head = file_head(path)
    if path.suffix.lower() != ".boris" and not any(is_header(line) for line in head.text.splitlines()[:60]):
        return None
    if path.suffix.lower() == ".boris" and not head.text.lstrip().startswith("{"):
        return None
    options: dict[str, object] = {}
    try:
        observations = read_observations(path)
    except InputError as error:
        if "is not UTF-8 text" not in str(error):
            raise
        options["encoding"] = "cp1252"
        observations = read_observations(path, "cp1252")
    found = Found(source="boris", kind="labels", options=options)
    if "encoding" in options:
        found.guessed.append(f"{path.name} is not UTF-8; it is read as cp1252.")
    for one in observations.values():
        media = [name for name in one.media if name]
        named = media if len(one.durations) > 1 and len(media) > 1 else [one.id]
        for name in named:
            lenient = Options(
                multiclass="-", observation=name, open_bouts="drop", encoding=str(options.get("encoding", "utf-8"))
            )
            rate = one.fps[0] if one.fps else 30.0
            wanted = (
                lenient if len(observations) > 1 or len(named) > 1 else lenient.model_copy(update={"observation": None})
            )
            reading = read_bouts(path, rate, wanted)
            found.add_bouts(
                name,
                reading.bouts,
                rate,
                media=[name] if len(named) > 1 else media,
                fps=reading.fps,
                duration=reading.duration,
                coded=reading.coded,
            )
            for line in reading.warnings:
                (found.unknown if "no STOP" in line else found.guessed).append(line)
    return found


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
