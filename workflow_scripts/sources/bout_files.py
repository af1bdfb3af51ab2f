"""Bouts with their confidence in the formats of other programs: the way of every export of predictions."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from workflow_scripts.core.files import atomic_path
from workflow_scripts.core.names import plain_cell
from workflow_scripts.formats.bouts import Bout, runs
from workflow_scripts.sources.boris import write_boris
from workflow_scripts.sources.elan import write_elan

EVENT_COLUMNS = ("task", "behavior", "start_frame", "end_frame", "start_time", "end_time", "confidence")
VIDEO_COLUMNS = ("video", "label", "start", "end", "confidence")


def bouts_of(
    codes: npt.NDArray[np.integer],
    vocabulary: Sequence[str],
    scores: npt.NDArray[np.floating] | None = None,
    *,
    leave_out: Sequence[int] = (),
    confidence: float = 0.0,
) -> list[Bout]:
    """Return the stretches of equal classes as bouts.

    Parameters
    ----------
    codes : ndarray of int, shape (time,)
        Class of every frame; negative = no class is given to that frame.
    vocabulary : sequence of str
        Names of the classes.
    scores : ndarray, shape (time, classes), or None
        Probabilities. A bout's confidence is the mean of its class's.
    leave_out : sequence of int
        Classes of which no bout is made (the background).
    confidence : float
        Bouts of a lower confidence are left out; those without one are kept.
    """
    found = []
    for start, stop, code in runs(codes).triples():
        if code < 0 or code in leave_out:
            continue
        sure = None if scores is None else float(np.nanmean(scores[start:stop, code]))
        if sure is None or sure >= confidence:
            found.append(Bout(start, stop, vocabulary[code], confidence=sure))
    return found


def write_rows(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a csv, whole or not at all."""
    with atomic_path(path) as part, part.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(header)
        # A cell that a spreadsheet would run is text.
        writer.writerows([plain_cell(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)


def _sure(bout: Bout) -> str:
    return "" if bout.confidence is None else f"{bout.confidence:.4f}"


def write_video_bouts(path: Path, video: str, bouts: Iterable[Bout]) -> None:
    """Write `video,label,start,end,confidence`: frames from 0, ends included."""
    rows = ([video, bout.name, bout.start, bout.stop - 1, _sure(bout)] for bout in bouts)
    write_rows(path, VIDEO_COLUMNS, rows)


def write_events(path: Path, tasks: Mapping[str, Sequence[Bout]], fps: float) -> None:
    """Write the bouts of several tasks, in frames and in seconds; the end is the frame after the last."""
    rows = (
        [task, bout.name, bout.start, bout.stop, f"{bout.start / fps:.6f}", f"{bout.stop / fps:.6f}", _sure(bout)]
        for task, bouts in tasks.items()
        for bout in bouts
    )
    write_rows(path, EVENT_COLUMNS, rows)


def write_tables(
    path: Path,
    form: str,
    tasks: Mapping[str, Sequence[Bout]],
    fps: float,
    *,
    n_frames: int,
    observation: str,
    media: str = "",
) -> None:
    """Write the bouts of one recording as ``csv``, ``boris`` or ``elan``.

    Parameters
    ----------
    path : Path
    form : {"csv", "boris", "elan"}
    tasks : mapping of str to sequence of Bout
        By task. BORIS has no tasks: with several, the behaviour carries its task's name.
    fps : float
    n_frames : int
    observation : str
        Id of the recording.
    media : str
        File of the video, where there is one.
    """
    if form == "csv":
        write_events(path, tasks, fps)
    elif form == "elan":
        write_elan(path, tasks, fps, media=media)
    else:
        named = [
            Bout(
                bout.start,
                bout.stop,
                bout.name if len(tasks) == 1 else f"{task}: {bout.name}",
                confidence=bout.confidence,
            )
            for task, bouts in tasks.items()
            for bout in bouts
        ]
        write_boris(path, named, fps, n_frames=n_frames, observation=observation, media=media)
