"""Plain csv of events: `behavior` with `start_time` and `end_time` in seconds, or `start_frame` and `end_frame`."""

from __future__ import annotations

import math
from pathlib import Path, PurePath
from typing import Literal

from pydantic import Field

from workflow_scripts.cards.card import Task
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.validation import nearest
from workflow_scripts.formats.bouts import Bout
from workflow_scripts.formats.tracks import Labels
from workflow_scripts.sources.shared.bouts import BoutOptions, bout_of, label_tasks
from workflow_scripts.sources.shared.found import Found, file_head
from workflow_scripts.sources.shared.text import delimiter_of, positive_number, read_text, table_rows

EXPECTED = (
    "a csv with the columns behavior, start_time, end_time (seconds) or behavior, start_frame, end_frame (or behavior, "
    "start, end with unit under the label options)"
)
SECONDS = ("start_time", "end_time")
FRAMES = ("start_frame", "end_frame")
PLAIN = ("start", "end")

SAME = {
    "behavior": ("behavior", "behaviour", "label", "class", "action", "event"),
    "start_time": ("start_time", "start (s)", "start_s", "onset", "onset_s"),
    "end_time": ("end_time", "stop_time", "end (s)", "stop (s)", "end_s", "stop_s", "offset", "offset_s"),
    "start_frame": ("start_frame", "frame_start"),
    "end_frame": ("end_frame", "stop_frame", "frame_end"),
    "start": ("start", "begin"),
    "end": ("end", "stop"),
    "annotator": ("annotator",),
    "subject": ("subject", "animal", "agent"),
    "video": ("video", "recording", "file", "media"),
}
"""Our name of a column → what it may be called, in lower case."""
SELECTS = "video"


class Options(BoutOptions):
    """Options of the source `csv_events`."""

    annotator: str | None = Field(None, description="Whose rows to read, where a column annotator names several.")
    video: str | None = Field(None, description="Name in a column video (or recording) whose rows are read.")
    unit: Literal["frame", "second"] | None = Field(
        None, description="What columns called start and end count; start_time and start_frame say it themselves."
    )
    first_frame: int = Field(0, ge=0, le=1, description="Number of the first frame in the frame columns.")
    end_included: bool = Field(False, description="The frame under end_frame still belongs to the bout.")
    encoding: str = Field("utf-8", description="Encoding of the text, e.g. cp1252.")


def in_seconds(options: Options) -> bool:
    """Say whether the labels follow a clock and not a count of frames; files with both kinds are read by frames."""
    return options.unit == "second"


def _column_places(path: Path, header: list[str], options: Options) -> dict[str, int]:
    lowered = [name.lower() for name in header]
    for name in lowered:
        if name and lowered.count(name) > 1:
            raise InputError(path, f"line 1: the column {name!r} is there twice", "keep one of them")
    places = {
        ours: next(lowered.index(name) for name in names if name in lowered)
        for ours, names in SAME.items()
        if any(name in lowered for name in names)
    }
    wanted = next((pair for pair in (FRAMES, SECONDS, PLAIN) if pair[0] in places or pair[1] in places), SECONDS)
    for name in ("behavior", *wanted):
        if name not in places:
            near = nearest(name, lowered).removesuffix("?")
            raise InputError(path, f"line 1: the column {name!r} is missing{near}", f"expected {EXPECTED}")
    if wanted == PLAIN and options.unit is None:
        raise InputError(
            path, "line 1: start and end may count frames or seconds", "set unit: frame or unit: second in the options"
        )
    return places


def _bout(path: Path, line: int, row: dict[str, str], options: Options, fps: float) -> Bout:
    first, last = next(pair for pair in (FRAMES, SECONDS, PLAIN) if pair[0] in row)
    start, stop = positive_number(path, line, first, row[first]), positive_number(path, line, last, row[last])
    if stop < start:
        raise InputError(
            path, f"line {line}: the event ends at {stop:g} before it starts at {start:g}", "correct that row"
        )
    who = row.get("subject", "")
    if first == SECONDS[0] or (first == PLAIN[0] and options.unit == "second"):
        return bout_of(start, stop, fps, row["behavior"], line, who)
    if start != int(start) or stop != int(stop):
        raise InputError(path, f"line {line}: expected whole frame numbers", "or use start_time and end_time")
    frames = (int(start) - options.first_frame, int(stop) - options.first_frame + options.end_included)
    return Bout(*frames, row["behavior"], line, who)


def _rows(path: Path, encoding: str) -> list[tuple[int, list[str]]]:
    text = read_text(path, EXPECTED, encoding)
    return list(table_rows(text, delimiter_of(text.split("\n", 1)[0])))


def read_labels(
    path: Path, options: Options, *, n_frames: int, fps: float, tasks: dict[str, Task], warn: list[str]
) -> dict[str, Labels]:
    """Read the events of one annotator; see :func:`workflow_scripts.sources.read_labels`.

    Frames are exact where the file has both kinds of columns, so they win over seconds.
    """
    rows = _rows(path, options.encoding)
    if not rows:
        raise InputError(path, "holds no row", f"expected {EXPECTED}")
    places = _column_places(path, rows[0][1], options)
    bouts = []
    annotators: set[str] = set()
    videos: set[str] = set()
    for line, cells in rows[1:]:
        if len(cells) != len(rows[0][1]):
            raise InputError(
                path, f"line {line}: has {len(cells)} cells, the header {len(rows[0][1])}", "correct or export it again"
            )
        row = {name: cells[place] for name, place in places.items()}
        if options.video is not None and not _same(row.get("video", ""), options.video):
            continue
        videos.add(row.get("video", ""))
        annotators.add(row.get("annotator", ""))
        if options.annotator is None or row.get("annotator", "") == options.annotator:
            bouts.append(_bout(path, line, row, options, fps))
    if options.annotator is None and len(annotators) > 1:
        raise InputError(
            path, f"holds events of {len(annotators)} annotators ({', '.join(sorted(annotators))})", "name one"
        )
    if options.annotator is not None and annotators and options.annotator not in annotators:
        near = nearest(options.annotator, sorted(annotators)).removesuffix("?")
        raise InputError(path, f"has no events of the annotator {options.annotator!r}{near}", "check annotator")
    if len(videos) > 1:
        shown = ", ".join(sorted(videos)[:3])
        raise InputError(path, f"holds events of {len(videos)} videos ({shown} …)", "name one under video")
    if options.video is not None and not videos:
        raise InputError(path, f"has no row of the video {options.video!r}", "check video in the label options")
    return label_tasks(path, bouts, options, n_frames=n_frames, tasks=tasks, warn=warn)


def _same(a: str, b: str) -> bool:
    """Say whether two names mean one video: by path, or by bare name with or without suffix."""
    return a == b or PurePath(a).stem == b or PurePath(a).name == b or PurePath(b).stem == a


def sniff(path: Path) -> Found | None:
    """Tell a csv of events by its header, and what it names."""
    head = file_head(path)
    first = set(head.rows(1)[0]) if head.text else set()
    if not any(name in first for name in SAME["behavior"]):
        return None
    pair = next((pair for pair in (FRAMES, SECONDS, PLAIN) if all(first & set(SAME[name]) for name in pair)), None)
    if pair is None:
        return None
    found = Found(source="csv_events", kind="labels", options={})
    encoding = "utf-8"
    try:
        rows = _rows(path, encoding)
    except InputError:
        encoding = "cp1252"
        rows = _rows(path, encoding)
        found.options["encoding"] = encoding
        found.guessed.append(f"{path.name} is not UTF-8; it is read as cp1252.")
    options = Options(multiclass="-", encoding=encoding)
    if pair == PLAIN:
        # Frames are whole numbers; seconds hardly ever are in every row.
        places = [next(k for k, name in enumerate(head.rows(1)[0]) if name in SAME[end]) for end in PLAIN]
        whole = all(cells[k].isdigit() for _, cells in rows[1:] for k in places if k < len(cells))
        found.options["unit"] = "frame" if whole else "second"
        found.guessed.append(
            f"{path.name}: start and end are {'all whole numbers, so frames' if whole else 'not whole, so seconds'} "
            f"(unit: {found.options['unit']})."
        )
        options = options.model_copy(update={"unit": found.options["unit"]})
    places_of = _column_places(path, rows[0][1], options)
    by_video: dict[str, list[Bout]] = {}
    annotators = set()
    for line, cells in rows[1:]:
        if len(cells) != len(rows[0][1]):
            raise InputError(path, f"line {line}: has {len(cells)} cells, the header {len(rows[0][1])}", "correct it")
        row = {name: cells[place] for name, place in places_of.items()}
        annotators.add(row.get("annotator", ""))
        by_video.setdefault(row.get("video", ""), []).append(_bout(path, line, row, options, 100.0))
    if len(annotators) > 1:
        found.unknown.append(f"{path.name} has rows of {len(annotators)} annotators; name one under annotator.")
    for video, bouts in by_video.items():
        found.add_bouts(
            video or path.stem, bouts, 100.0 if in_time(pair, options) else math.nan, media=[video] if video else []
        )
    if not by_video:
        found.add_bouts(path.stem, [], 1.0)
    return found


def in_time(pair: tuple[str, str], options: Options) -> bool:
    """Whether a pair of columns is in seconds."""
    return pair == SECONDS or (pair == PLAIN and options.unit == "second")
