"""Our own csv of bouts: columns `video`, `label`, `start`, `end` in frames or seconds; it may serve many videos."""

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

COLUMNS = ("video", "label", "start", "end")
SELECTS = "video"
EXPECTED = f"a csv with the columns {', '.join(COLUMNS)}"


class Options(BoutOptions):
    """Options of the source `bouts_csv`."""

    video: str | None = Field(None, description="Name in the column video whose rows are read, where it has several.")
    absent: Literal["refuse", "no_bouts"] = Field(
        "refuse", description="A video without a row: an error, or one in which nothing was seen."
    )
    unit: Literal["frame", "second"] = Field("frame", description="What start and end count, if no column unit says.")
    end_included: bool = Field(True, description="The frame under end still belongs to the bout; not for seconds.")


def in_seconds(options: Options) -> bool:
    """Say whether the labels follow a clock and not a count of frames."""
    return options.unit == "second"


def _same(a: str, b: str) -> bool:
    """Say whether two names mean one video: by path, or by bare name with or without suffix."""
    return a == b or PurePath(a).stem == b or PurePath(a).name == b or PurePath(b).stem == a


def read_bouts(path: Path, options: Options, fps: float) -> list[Bout]:
    """Read the bouts of one video.

    Raises
    ------
    InputError
        When a column is missing, a number is none, or the file does not name the video; names the line.
    """
    text = read_text(path, EXPECTED)
    rows = list(table_rows(text, delimiter_of(text.split("\n", 1)[0])))
    if not rows:
        raise InputError(path, "holds no row", f"expected {EXPECTED}")
    header = [name.lower() for name in rows[0][1]]
    for name in COLUMNS:
        if header.count(name) > 1:
            raise InputError(path, f"line 1: the column {name!r} is there twice", "keep one of them")
        if name not in header:
            near = nearest(name, header).removesuffix("?")
            raise InputError(path, f"line 1: the column {name!r} is missing{near}", f"expected {EXPECTED}")
    bouts, videos = [], []
    for line, cells in rows[1:]:
        if len(cells) != len(header):
            raise InputError(path, f"line {line}: has {len(cells)} cells, the header {len(header)}", "correct that row")
        row = dict(zip(header, cells, strict=True))
        videos.append(row["video"])
        if options.video is not None and not _same(row["video"], options.video):
            continue
        start, end = positive_number(path, line, "start", row["start"]), positive_number(path, line, "end", row["end"])
        if end < start:
            raise InputError(path, f"line {line}: the bout ends at {end:g} before it starts at {start:g}", "correct it")
        unit = row.get("unit") or options.unit
        if unit.rstrip("s") not in {"frame", "second"}:
            raise InputError(path, f"line {line}: the unit {unit!r} is neither frame nor second", "correct that row")
        if unit.startswith("second"):
            bouts.append(bout_of(start, end, fps, row["label"], line))
            continue
        if start != int(start) or end != int(end):
            raise InputError(path, f"line {line}: expected whole frame numbers", "or set unit: second")
        bouts.append(Bout(int(start), int(end) + options.end_included, row["label"], line))
    names = sorted(set(videos))
    if options.video is None and len(names) > 1:
        raise InputError(path, f"holds bouts of {len(names)} videos ({', '.join(names[:3])} …)", "name one under video")
    if options.absent == "no_bouts":
        return bouts
    if options.video is not None and not any(_same(name, options.video) for name in names):
        near = nearest(options.video, names).removesuffix("?")
        raise InputError(
            path,
            f"has no row of the video {options.video!r}{near}",
            "check video in the label options, or set absent: no_bouts",
        )
    return bouts


def read_labels(
    path: Path, options: Options, *, n_frames: int, fps: float, tasks: dict[str, Task], warn: list[str]
) -> dict[str, Labels]:
    """Read one video's labels; see :func:`workflow_scripts.sources.read_labels`."""
    return label_tasks(path, read_bouts(path, options, fps), options, n_frames=n_frames, tasks=tasks, warn=warn)


def sniff(path: Path) -> Found | None:
    """Tell the csv by its four columns."""
    head = file_head(path)
    if not head.text or not set(COLUMNS) <= set(head.rows(1)[0]):
        return None
    text = read_text(path, EXPECTED)
    rows = list(table_rows(text, delimiter_of(text.split("\n", 1)[0])))
    header = [name.lower() for name in rows[0][1]]
    place = header.index("video")
    numbers = [
        cells[header.index(name)] for _, cells in rows[1:] for name in ("start", "end") if len(cells) == len(header)
    ]
    found = Found(source="bouts_csv", kind="labels")
    seconds = "unit" not in header and any("." in text or "," in text for text in numbers)
    if seconds:
        found.options["unit"] = "second"
    if "unit" not in header:
        found.guessed.append(
            f"{path.name}: start and end count {'seconds' if seconds else 'frames, the last included'}."
        )
    for video in dict.fromkeys(cells[place] for _, cells in rows[1:] if len(cells) > place):
        options = Options(multiclass="-", video=video, unit="second" if seconds else "frame")
        found.add_bouts(video, read_bouts(path, options, 100.0), 100.0 if seconds else math.nan, media=[video])
    return found
