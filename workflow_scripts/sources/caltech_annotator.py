"""Caltech Behavior Annotator text files: channels S1, S2 … of 1-based inclusive intervals."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import Field

from workflow_scripts.cards.card import Task
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.files import atomic_path
from workflow_scripts.core.validation import Strict, nearest
from workflow_scripts.formats.bouts import Bout
from workflow_scripts.formats.tracks import Labels
from workflow_scripts.sources.shared.bouts import fit_length, paint_multiclass, task_of
from workflow_scripts.sources.shared.found import Found, file_head
from workflow_scripts.sources.shared.text import read_text

TITLE = "Caltech Behavior Annotator - Annotation File"
RULE = "-" * 29
EXPECTED = "a Caltech Behavior Annotator text file"


class Options(Strict):
    """Options of the source `caltech_annotator`."""

    channels: dict[str, str] = Field(min_length=1, description="Channel of the file (S1, S2) → multiclass task.")
    background: str | None = Field(None, description="Class of frames in no interval; empty = they are unlabelled.")
    rename: dict[str, str] = Field({}, description="Behaviour in the file → class in the vocabulary.")
    partial: bool = Field(False, description="Allow labels that end well before the tracks do.")
    missing_channels: Literal["refuse", "unlabelled", "background"] = Field(
        "refuse",
        description="A file without one of the channels: refuse it, leave that task unlabelled, or read it as the "
        "task's background throughout.",
    )


def _behaviours(lines: list[str]) -> set[str]:
    """Names in the configuration list, which is between its heading and the first channel."""
    try:
        first = next(i for i, line in enumerate(lines) if line.strip().lower() == "configuration file:") + 1
    except StopIteration:
        return set()
    names = set()
    for line in lines[first:]:
        if re.match(r"S\d+:", line):
            break
        if line.strip():
            names.add(line.split("\t")[0].strip())
    return names


def read_channels(path: Path) -> dict[str, list[Bout]]:
    """Read every channel of a file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict of str to list of Bout
        By channel (``S1``), frames counted from 0, stop not included.

    Raises
    ------
    InputError
        When the file is no annotation file, or a line of it is no interval; names the line.
    """
    lines = read_text(path, EXPECTED).splitlines()
    if not lines[0].strip().lower().startswith("caltech behavior annotator"):
        raise InputError(path, f"line 1: expected {TITLE!r}, found {lines[0][:40]!r}", "check the source in the card")
    configured = _behaviours(lines)
    channels: dict[str, list[Bout]] = {}
    current: list[Bout] | None = None
    for number, line in enumerate(lines, start=1):
        heading = re.match(r"(S\d+):", line)
        if heading:
            if heading[1] in channels:
                raise InputError(path, f"line {number}: the channel {heading[1]} is there twice", "keep one of them")
            current = channels.setdefault(heading[1], [])
        elif current is not None and line.strip() and set(line.strip()) != {"-"}:
            current.append(_interval(path, number, line, configured))
    if not channels:
        raise InputError(path, "has no channel; expected a line 'S1:' and intervals after it", "export it again")
    return channels


def _interval(path: Path, number: int, line: str, configured: set[str]) -> Bout:
    fields = line.split(maxsplit=2)
    if len(fields) != 3 or not all(re.fullmatch(r"-?\d+", field) for field in fields[:2]):
        raise InputError(
            path,
            f"line {number}: expected start, end and type, found {line.strip()[:40]!r}",
            "correct or export it again",
        )
    start, end, name = int(fields[0]), int(fields[1]), fields[2].strip()
    if start < 1 or end < start:
        raise InputError(
            path,
            f"line {number}: the interval {start} to {end} of {name!r} is negative or reversed; frames count from 1",
            "correct that line",
        )
    if configured and name not in configured:
        near = nearest(name, sorted(configured)).removesuffix("?")
        raise InputError(
            path, f"line {number}: {name!r} is not in the file's configuration list{near}", "correct the name"
        )
    return Bout(start - 1, end, name, number)


def read_labels(
    path: Path, options: Options, *, n_frames: int, fps: float, tasks: dict[str, Task], warn: list[str]
) -> dict[str, Labels]:
    """Read the channels the options name; see :func:`workflow_scripts.sources.read_labels`."""
    channels = read_channels(path)
    made: dict[str, Labels] = {}
    for channel, name in options.channels.items():
        task = task_of(name, tasks, "multiclass")
        if channel not in channels and options.missing_channels == "unlabelled":
            warn.append(f"{path.name}: has no channel {channel!r}, so {name} is unlabelled")
            continue
        if channel not in channels and options.missing_channels == "background":
            made[name] = _background_throughout(path, channel, name, tasks, n_frames, warn)
            continue
        if channel not in channels:
            near = nearest(channel, list(channels)).removesuffix("?")
            raise InputError(path, f"has no channel {channel!r}{near}", "check channels in the label options")
        bouts = [
            Bout(bout.start, bout.stop, options.rename.get(bout.name, bout.name), bout.line)
            for bout in channels[channel]
        ]
        # The tool closes its last interval at the end of the video, so that the table's length is known.
        length = max([bout.stop for bout in bouts], default=0)
        fit_length(path, name, length, n_frames, warn, partial=options.partial)
        labels = paint_multiclass(path, bouts, task, n_frames, options.background)
        labels.mask[length:] = False
        made[name] = labels
    return made


def _background_throughout(
    path: Path, channel: str, name: str, tasks: dict[str, Task], n_frames: int, warn: list[str]
) -> Labels:
    task = task_of(name, tasks, "multiclass")
    if task.background is None:
        raise InputError(
            path,
            f"has no channel {channel!r}, and missing_channels: background needs a background of task {name!r}",
            f"state tasks.{name}.background in the card",
        )
    warn.append(f"{path.name}: has no channel {channel!r}, so {name} is read as {task.background} throughout")
    return paint_multiclass(path, [], task, n_frames, task.background)


def _keys(names: list[str]) -> dict[str, str]:
    """Give every behaviour the one-letter key the tool wants: its first free letter, else any free sign."""
    taken: dict[str, str] = {}
    spare = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    for name in names:
        free = (letter for letter in [*name.lower(), *spare] if letter in spare and letter not in taken.values())
        taken[name] = next(free, "?")
    return taken


def write(path: Path, channels: dict[str, list[tuple[int, int, str]]]) -> None:
    """Write intervals as a Caltech Behavior Annotator file.

    Parameters
    ----------
    path : Path
        The text file to make, whole or not at all.
    channels : dict of str to list of (int, int, str)
        By channel name (``S1``, ``S2``): first frame and last frame, both counted from 1 and both included, and
        the behaviour.

    Raises
    ------
    ValueError
        When an interval starts before frame 1 or ends before it starts.
    """
    names = list(dict.fromkeys(name for bouts in channels.values() for _, _, name in bouts))
    lines = [TITLE, "", "Configuration file:", *(f"{name}\t{key}" for name, key in _keys(names).items()), ""]
    for channel, bouts in channels.items():
        lines += [f"{channel}:\tstart\tend\ttype", RULE]
        for start, end, name in bouts:
            if not 1 <= start <= end:
                raise ValueError(f"interval {start} to {end} ({name}): frames count from 1 and the end is not before")
            lines.append(f"   \t{start}\t{end}\t{name}")
        lines.append("")
    with atomic_path(path) as part:
        # The tool runs on Windows and writes its line ends.
        part.write_text("\r\n".join([*lines, "  ", ""]), encoding="utf-8", newline="")


def sniff(path: Path) -> Found | None:
    """Tell an annotation file by its first line; each channel is a task of exclusive classes."""
    if not file_head(path).text.lower().startswith("caltech behavior annotator"):
        return None
    channels = read_channels(path)
    found = Found(source="caltech_annotator", kind="labels", fixed={"channels": {name: name for name in channels}})
    for name, bouts in channels.items():
        found.tasks[name] = {"vocabulary": list(dict.fromkeys(bout.name for bout in bouts))}
    longest = max((bout.stop for bouts in channels.values() for bout in bouts), default=0)
    found.add_bouts(path.stem, next(iter(channels.values())), float("nan"), n_frames=longest)
    return found
