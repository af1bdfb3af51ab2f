"""Plain csv of events: `behavior` with `start_time` and `end_time` in seconds, or `start_frame` and `end_frame`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from workflow_scripts.cards.card import Task
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.validation import nearest
from workflow_scripts.formats.bouts import Bout
from workflow_scripts.formats.tracks import Labels
from workflow_scripts.sources.shared.bouts import BoutOptions, label_tasks, seconds_to_frames
from workflow_scripts.sources.shared.text import positive_number, read_text, table_rows

EXPECTED = "a csv with the columns behavior, start_time, end_time (seconds) or behavior, start_frame, end_frame"
SECONDS = ("start_time", "end_time")
FRAMES = ("start_frame", "end_frame")


class Options(BoutOptions):
    """Options of the source `csv_events`."""

    annotator: str | None = Field(None, description="Whose rows to read, where a column annotator names several.")
    first_frame: int = Field(0, ge=0, le=1, description="Number of the first frame in the frame columns.")
    end_included: bool = Field(False, description="The frame under end_frame still belongs to the bout.")


def _column_places(path: Path, header: list[str]) -> dict[str, int]:
    lowered = [name.lower().replace("behaviour", "behavior") for name in header]
    for name in lowered:
        if name and lowered.count(name) > 1:
            raise InputError(path, f"line 1: the column {name!r} stands twice", "keep one of them")
    places = {name: place for place, name in enumerate(lowered)}
    wanted = FRAMES if set(FRAMES) & set(places) else SECONDS
    for name in ("behavior", *wanted):
        if name not in places:
            near = nearest(name, lowered).removesuffix("?")
            raise InputError(path, f"line 1: the column {name!r} is missing{near}", f"expected {EXPECTED}")
    return places


def _bout(path: Path, line: int, row: dict[str, str], options: Options, fps: float) -> Bout:
    first, last = FRAMES if FRAMES[0] in row else SECONDS
    start, stop = positive_number(path, line, first, row[first]), positive_number(path, line, last, row[last])
    if stop < start:
        raise InputError(
            path, f"line {line}: the event ends at {stop:g} before it starts at {start:g}", "mend that row"
        )
    if first == SECONDS[0]:
        frames = seconds_to_frames(start, stop, fps)
    else:
        if start != int(start) or stop != int(stop):
            raise InputError(path, f"line {line}: expected whole frame numbers", "or use start_time and end_time")
        frames = (int(start) - options.first_frame, int(stop) - options.first_frame + options.end_included)
    return Bout(*frames, row["behavior"], line, row.get("subject", ""))


def read_labels(
    path: Path, options: Options, *, n_frames: int, fps: float, tasks: dict[str, Task], warn: list[str]
) -> dict[str, Labels]:
    """Read the events of one annotator; see :func:`workflow_scripts.sources.read_labels`.

    Frames are exact where the file has both kinds of columns, so they win over seconds.
    """
    rows = list(table_rows(read_text(path, EXPECTED)))
    if not rows:
        raise InputError(path, "holds no row", f"expected {EXPECTED}")
    places = _column_places(path, rows[0][1])
    bouts = []
    annotators: set[str] = set()
    for line, cells in rows[1:]:
        if len(cells) != len(rows[0][1]):
            raise InputError(
                path, f"line {line}: has {len(cells)} cells, the header {len(rows[0][1])}", "mend or export it again"
            )
        row = {name: cells[place] for name, place in places.items()}
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
    return label_tasks(path, bouts, options, n_frames=n_frames, tasks=tasks, warn=warn)
