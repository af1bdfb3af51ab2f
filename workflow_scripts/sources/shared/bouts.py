"""From bouts (intervals somebody labelled) to one label a frame; shared by every label source."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from workflow_scripts.cards.card import Task
from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.core.validation import Strict, nearest
from workflow_scripts.formats.bouts import Bout
from workflow_scripts.formats.tracks import Labels

MAX_MISMATCH_FRAMES = 100
MAX_MISMATCH_SHARE = 0.02
"""A label table that differs from the tracks by more than either belongs to another recording, or another fps."""


class BoutOptions(Strict):
    """What every source of named bouts can be configured."""

    multiclass: str | None = Field(None, description="Task that takes all behaviours, one class a frame.")
    binary: dict[str, str] = Field({}, description="Behaviour → binary task of its own; overlaps are allowed.")
    background: str | None = Field(
        None,
        description="Class of frames without a bout in the multiclass task; not given = the task's background on the "
        "card, null = such frames are unlabelled.",
    )
    rename: dict[str, str] = Field({}, description="Behaviour in the file → class in the vocabulary.")
    ignore: list[str] = Field([], description="Behaviours of the file that are left out.")
    subjects: list[str] = Field([], description="Keep the bouts of these subjects; empty = all.")
    overlaps: Literal["refuse", "shorter"] = Field(
        "refuse",
        description="Bouts of two behaviours at once in the multiclass task: an error, or the shorter bout has the "
        "frames of both, and each bout still makes a clip of its own (a twitch within grooming).",
    )
    by_subject: bool | None = Field(
        None,
        description="true: a behaviour is called <subject>_<behaviour>; false: the bouts of all subjects are pooled; "
        "empty: a file with several subjects is refused.",
    )

    @model_validator(mode="after")
    def _some_task(self) -> BoutOptions:
        if self.multiclass is None and not self.binary:
            raise ValueError("name a task under multiclass, or behaviours with their tasks under binary")
        return self


def seconds_to_frames(start: float, stop: float, fps: float) -> tuple[int, int]:
    """Return the frames [floor(start·fps), ceil(stop·fps)) that an interval in seconds touches, at least one.

    Times are mostly written in whole milliseconds, so a time within half a millisecond (at most a tenth of a frame)
    of a frame's border counts as that border; else 29.97 frames a second would gain a frame at either end.

    Parameters
    ----------
    start, stop : float
        Seconds.
    fps : float

    Returns
    -------
    (int, int)
        First frame, and the frame after the last.
    """
    tolerance = min(0.0005 * fps, 0.1) + 1e-6
    first = math.floor(start * fps + tolerance)
    return first, max(math.ceil(stop * fps - tolerance), first + 1)


def bout_of(start: float, stop: float, fps: float, name: str, line: int = 0, subject: str = "") -> Bout:
    """Return the bout between two times in seconds."""
    first, after = seconds_to_frames(start, stop, fps)
    return Bout(first, after, name, line, subject, exact=(start * fps, max(stop * fps, start * fps)))


def overlap(before: Bout, after: Bout) -> float:
    """Return by how many frames `before` reaches into `after`, which starts later; a border inside a frame is none."""
    return min(before.ends[1], after.ends[1]) - after.ends[0]


def without_borders(bouts: Sequence[Bout]) -> list[Bout]:
    """Give a frame that two bouts touch to the one that holds most of it.

    People stop one behaviour where they start the next, to a millisecond or two; an overlap of less than a frame is
    such a border. Bouts that overlap by more stay as they are.
    """
    found: list[Bout] = []
    for bout in sorted(bouts, key=lambda b: (b.ends[0], b.ends[1])):
        if found and bout.start < found[-1].stop and overlap(found[-1], bout) < 1:
            last = found[-1]
            border = min(max(round((last.ends[1] + bout.ends[0]) / 2), last.start + 1), bout.stop - 1)
            if last.start < border < bout.stop:
                found[-1] = dataclasses.replace(last, stop=border)
                bout = dataclasses.replace(bout, start=border)
        found.append(bout)
    return found


def task_of(name: str, tasks: dict[str, Task], kind: str) -> Task:
    """Return the card's task of that name and kind.

    Raises
    ------
    ConfigError
        When there is none, or it has no vocabulary to index.
    """
    if name not in tasks:
        raise ConfigError(
            f"The label options name the task {name!r}, which the card does not have{_near(name, tasks)}."
        )
    task = tasks[name]
    if task.kind != kind:
        raise ConfigError(f"The label options use the task {name!r} as {kind}, and the card says it is {task.kind}.")
    if task.level != "frame":
        raise ConfigError(f"The task {name!r} is of level {task.level}, and bouts label frames.")
    if kind == "multiclass" and not task.vocabulary:
        raise ConfigError(f"The task {name!r} has no vocabulary in the card, so its classes have no fixed order.")
    return task


def _near(word: str, known: Iterable[str]) -> str:
    return nearest(word, list(known)).removesuffix("?")


def check_bouts(path: Path, bouts: Sequence[Bout]) -> None:
    """Refuse bouts before frame 0, and bouts that end before they start.

    Raises
    ------
    InputError
        Names the line.
    """
    for bout in bouts:
        if bout.start < 0:
            raise InputError(
                path, f"line {bout.line}: the bout of {bout.name!r} starts before the first frame", "correct it"
            )
        if bout.stop <= bout.start:
            raise InputError(path, f"line {bout.line}: the bout of {bout.name!r} ends before it starts", "correct it")


def fit_length(path: Path, task: str, length: int, n_frames: int, warn: list[str], *, partial: bool = False) -> None:
    """Compare the length of a label table with its tracks; see :func:`workflow_scripts.sources.read_labels`.

    Parameters
    ----------
    path : Path
        The label file.
    task : str
        For the message.
    length, n_frames : int
        Frames of the label table and of the tracks.
    warn : list of str
        Takes a sentence where they differ.
    partial : bool
        Allow a table that ends early.

    Raises
    ------
    InputError
        When they differ by more than 100 frames or 2 %.
    """
    more = length - n_frames
    if more == 0:
        return
    far = abs(more) > MAX_MISMATCH_FRAMES or abs(more) > MAX_MISMATCH_SHARE * n_frames
    if far and not (partial and more < 0):
        raise InputError(
            path,
            f"the labels of {task} cover {length} frames and the tracks have {n_frames}, "
            f"a difference over {MAX_MISMATCH_FRAMES} frames or {MAX_MISMATCH_SHARE:.0%}",
            "check that both belong to one recording, and its fps; where the tracks end early or begin late, "
            "write frames and start in the sheet",
        )
    rest = f"{more} labels past the end are cut" if more > 0 else f"the last {-more} frames are unlabelled"
    warn.append(f"{path.name}: the labels of {task} cover {length} frames, the tracks {n_frames}; {rest}")


def paint_multiclass(
    path: Path,
    bouts: Sequence[Bout],
    task: Task,
    n_frames: int,
    background: str | None = None,
    overlaps: Literal["refuse", "shorter"] = "refuse",
) -> Labels:
    """Make one class a frame of bouts, which may overlap only where `overlaps` says who has the frame.

    Parameters
    ----------
    path : Path
        For messages.
    bouts : sequence of Bout
        May run past the end, which is cut.
    task : Task
        Gives the vocabulary.
    n_frames : int
    background : str or None
        Class of frames in no bout; None leaves them unlabelled.
    overlaps : {"refuse", "shorter"}
        Whether bouts that overlap are an error, or the shorter one has the frames of both.

    Raises
    ------
    InputError
        When a behaviour is not in the vocabulary, or two bouts overlap; names the line.
    """
    check_bouts(path, bouts)
    index = {name: i for i, name in enumerate(task.vocabulary)}
    if background is not None and background not in index:
        raise ConfigError(f"The background {background!r} is not in the vocabulary{_near(background, index)}.")
    values = np.full(n_frames, 0 if background is None else index[background], dtype=np.int16)
    mask = np.full(n_frames, background is not None)
    previous: Bout | None = None
    bouts = without_borders(bouts)
    for bout in bouts:
        if bout.name not in index:
            raise InputError(
                path,
                f"line {bout.line}: the behaviour {bout.name!r} is not in the card's vocabulary"
                f"{_near(bout.name, index)}",
                "add it to the vocabulary, or to rename or ignore in the label options",
            )
        if overlaps == "refuse" and previous is not None and bout.start < previous.stop:
            raise InputError(
                path,
                f"lines {previous.line} and {bout.line}: the bouts of {previous.name!r} and {bout.name!r} overlap by "
                f"{overlap(previous, bout):.3g} frames",
                "correct them, set overlaps: shorter in the label options, or give each behaviour a binary task",
            )
        previous = bout
    for bout in sorted(bouts, key=lambda b: b.start - b.stop):  # the longest first: the shorter ones are painted over
        values[bout.start : bout.stop] = index[bout.name]
        mask[bout.start : bout.stop] = True
    spans = sorted((bout.start, min(bout.stop, n_frames), index[bout.name]) for bout in bouts if bout.start < n_frames)
    return Labels(
        values=values,
        mask=mask,
        level="frame",
        kind="multiclass",
        vocabulary=tuple(task.vocabulary),
        background=background if task.background is None else task.background,
        spans=tuple(spans),
    )


def paint_binary(path: Path, bouts: Sequence[Bout], name: str, task: Task, n_frames: int) -> Labels:
    """Make 0 or 1 a frame: 1 inside any bout of `name`; every frame counts as labelled."""
    own = [bout for bout in bouts if bout.name == name]
    check_bouts(path, own)
    values = np.zeros(n_frames, dtype=np.uint8)
    for bout in own:
        values[bout.start : bout.stop] = 1
    vocabulary = tuple(task.vocabulary) or (f"no {name}", name)
    whole = np.ones(n_frames, dtype=bool)
    spans = sorted((bout.start, min(bout.stop, n_frames), 1) for bout in own if bout.start < n_frames)
    return Labels(
        values, whole, level="frame", kind="binary", vocabulary=vocabulary, background=vocabulary[0], spans=tuple(spans)
    )


def _background(options: BoutOptions, task: Task) -> str | None:
    if "background" in options.model_fields_set:
        return options.background
    if task.background is None:
        raise ConfigError(
            f"The task {options.multiclass!r} has no background on the card, so frames without a bout have no class; "
            "add background: <class> to the task, or background: null to the label options to leave them unlabelled."
        )
    return task.background


def label_tasks(
    path: Path,
    bouts: Sequence[Bout],
    options: BoutOptions,
    *,
    n_frames: int,
    tasks: dict[str, Task],
    warn: list[str],
    length: int | None = None,
    coded: int | None = None,
) -> dict[str, Labels]:
    """Make the labels of all tasks the options name.

    Parameters
    ----------
    path : Path
    bouts : sequence of Bout
        Of all behaviours and subjects of the file.
    options : BoutOptions
    n_frames : int
    tasks : dict of str to Task
    warn : list of str
    length : int or None
        Frames of the medium, where the file says; later ones are unlabelled.
    coded : int or None
        Frames somebody watched, where the file says; later ones are unlabelled.

    Returns
    -------
    dict of str to Labels
    """
    if options.subjects:
        known = {bout.subject for bout in bouts}
        for subject in options.subjects:
            if subject not in known:
                raise InputError(
                    path, f"has no bout of the subject {subject!r}{_near(subject, known)}", "check subjects"
                )
        bouts = [bout for bout in bouts if bout.subject in options.subjects]
    who = sorted({bout.subject for bout in bouts})
    if len(who) > 1 and options.by_subject is None:
        raise InputError(
            path,
            f"holds bouts of {len(who)} subjects ({', '.join(repr(name) for name in who[:4])})",
            "set by_subject: true in the label options (classes r1_sniff, r2_sniff …), name some under subjects, or "
            "set by_subject: false to pool them",
        )
    if options.by_subject:
        bouts = [dataclasses.replace(b, name=f"{b.subject}_{b.name}" if b.subject else b.name) for b in bouts]
    named = [
        dataclasses.replace(bout, name=options.rename.get(bout.name, bout.name))
        for bout in bouts
        if bout.name not in options.ignore
    ]
    watched = max([bout.stop for bout in named], default=0) if length is None else length
    # Without a stated length only an excess shows: silence after the last bout is no mismatch.
    if length is not None or watched > n_frames:
        fit_length(path, options.multiclass or "the binary tasks", watched, n_frames, warn)
    late = [bout for bout in named if bout.stop > n_frames + 1]
    if late and length is not None:
        lines = ", ".join(str(bout.line) for bout in late[:5])
        warn.append(
            f"{path.name}: {len(late)} bouts run past the last of {n_frames} frames and are cut (lines {lines})"
        )
    made: dict[str, Labels] = {}
    if options.multiclass is not None:
        task = task_of(options.multiclass, tasks, "multiclass")
        made[options.multiclass] = paint_multiclass(
            path, named, task, n_frames, _background(options, task), options.overlaps
        )
    for behaviour, name in options.binary.items():
        made[name] = paint_binary(path, named, behaviour, task_of(name, tasks, "binary"), n_frames)
        if not made[name].values.any():
            warn.append(f"{path.name}: has no bout of {behaviour!r} inside the tracks")
    ends = [end for end in (length, coded) if end is not None]
    if ends:
        for labels in made.values():
            labels.mask[min(ends) :] = False
    return made
