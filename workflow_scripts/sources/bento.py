"""Bento's `.annot` files: channels of behaviours, each with rows Start, Stop, Duration.

Whole numbers are frames, counted as the file's `Annotation start frame` says (from 1 where it says nothing) with the
last one included; numbers with a decimal point are seconds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import Field

from workflow_scripts.cards.card import Task
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.validation import nearest
from workflow_scripts.formats.bouts import Bout
from workflow_scripts.formats.tracks import Labels
from workflow_scripts.sources.shared.bouts import BoutOptions, bout_of, label_tasks
from workflow_scripts.sources.shared.found import Found, file_head
from workflow_scripts.sources.shared.text import read_text

TITLE = "bento annotation file"
EXPECTED = "a Bento annotation file (.annot)"
SELECTS = "channel"


class Options(BoutOptions):
    """Options of the source `bento`."""

    channel: str | None = Field(None, description="Channel to read, where the file has several.")


def in_seconds(options: Options) -> bool:
    """Say whether the labels follow a clock; a file in frames is not changed by that."""
    return False


@dataclass
class Annotation:
    """What a file holds: bouts by channel, and whether its numbers are seconds."""

    channels: dict[str, list[Bout]] = field(default_factory=dict)
    seconds: bool = False
    fps: float | None = None
    movies: list[str] = field(default_factory=list)


def _value(lines: list[str], key: str) -> str:
    found = next((line for line in lines if line.lower().startswith(key)), "")
    return found.split(":", 1)[1].strip() if ":" in found else ""


def read_channels(path: Path, fps: float) -> Annotation:
    """Read every channel.

    Parameters
    ----------
    path : Path
    fps : float
        Frames per second of the tracks, for files in seconds.

    Raises
    ------
    InputError
        When the file is no such file, or a row is no bout; names the line.
    """
    lines = read_text(path, EXPECTED).splitlines()
    if not lines or not lines[0].strip().lower().startswith(TITLE):
        raise InputError(path, f"line 1: expected 'Bento annotation file', found {lines[0][:40]!r}", "check the source")
    found = Annotation()
    rate = re.search(r"[\d.]+", _value(lines, "annotation framerate"))
    found.fps = float(rate[0]) if rate else None
    start = re.search(r"\d+", _value(lines, "annotation start frame"))
    first = int(start[0]) if start else 1
    found.movies = [part for part in re.split(r"[,\s]+", _value(lines, "movie file")) if part]
    channel, behaviour = "", ""
    listed = False
    for number, line in enumerate(lines, 1):
        text = line.strip()
        lowered = text.lower()
        if lowered.startswith(("list of channels", "list of annotations")):
            listed = True
        elif text.endswith("---") and text.strip("-"):
            channel, listed = text.rstrip("-").strip(), False
            found.channels.setdefault(channel, [])
        elif text.startswith(">") and channel:
            behaviour = text[1:].strip()
        elif not text or listed or not channel or lowered.startswith("start"):
            continue
        else:
            found.channels[channel].append(_bout(path, number, text, behaviour, found, first, fps))
    if not found.channels:
        raise InputError(path, "has no channel; expected a line such as 'Ch1----------'", "export it from Bento again")
    return found


def _bout(path: Path, line: int, text: str, name: str, found: Annotation, first: int, fps: float) -> Bout:
    cells = text.split()
    if len(cells) < 2 or not all(re.fullmatch(r"\d+(\.\d*)?(e[+-]?\d+)?", cell, re.I) for cell in cells[:2]):
        raise InputError(path, f"line {line}: expected start, stop and duration, found {text[:40]!r}", "correct it")
    if not name:
        raise InputError(path, f"line {line}: the bout comes before the line >behaviour", "export it from Bento again")
    begin, end = float(cells[0]), float(cells[1])
    if end < begin:
        raise InputError(path, f"line {line}: the bout ends at {cells[1]} before it starts at {cells[0]}", "correct it")
    if any(not cell.isdigit() for cell in cells[:2]):
        found.seconds = True
        return bout_of(begin, end, fps, name, line)
    return Bout(int(begin) - first, int(end) - first + 1, name, line)


def _chosen(path: Path, found: Annotation, wanted: str | None) -> list[Bout]:
    if wanted is None:
        filled = [name for name, bouts in found.channels.items() if bouts] or list(found.channels)[:1]
        if len(filled) > 1:
            raise InputError(path, f"holds the channels {', '.join(filled)}", "name one under channel")
        return found.channels[filled[0]]
    if wanted not in found.channels:
        near = nearest(wanted, list(found.channels)).removesuffix("?")
        raise InputError(path, f"has no channel {wanted!r}{near}", "check channel in the label options")
    return found.channels[wanted]


def read_labels(
    path: Path, options: Options, *, n_frames: int, fps: float, tasks: dict[str, Task], warn: list[str]
) -> dict[str, Labels]:
    """Read one channel; see :func:`workflow_scripts.sources.read_labels`."""
    found = read_channels(path, fps)
    return label_tasks(path, _chosen(path, found, options.channel), options, n_frames=n_frames, tasks=tasks, warn=warn)


def sniff(path: Path) -> Found | None:
    """Tell a Bento file by its first line."""
    if not file_head(path).text.lower().startswith(TITLE):
        return None
    annotation = read_channels(path, 100.0)
    filled = {name: bouts for name, bouts in annotation.channels.items() if bouts}
    found = Found(source="bento", kind="labels")
    rate = 100.0 if annotation.seconds else float("nan")
    found.guessed.append(f"{path.name} counts {'seconds' if annotation.seconds else 'frames, the last one included'}.")
    for name, bouts in (filled or {"": []}).items():
        found.add_bouts(
            name if len(filled) > 1 else path.stem, bouts, rate, media=annotation.movies, fps=annotation.fps
        )
    return found
