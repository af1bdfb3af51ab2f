"""Labels of a dataset, and what a run predicts, in the files of other programs.

What :mod:`workflow_scripts.behaviour.exports` writes of predictions is not repeated here: these are labels in every
format, and of predictions one table of all recordings, SimBA's tables, and BORIS's with the name of the medium.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workflow_scripts.behaviour.exports import tasks_by_frame
from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.core.names import slugify
from workflow_scripts.core.tables import write_csv
from workflow_scripts.core.validation import nearest
from workflow_scripts.formats.bouts import Bout, runs
from workflow_scripts.formats.datasets import open_dataset
from workflow_scripts.formats.hdf5 import file_kind
from workflow_scripts.formats.predictions import open_predictions
from workflow_scripts.formats.tracks import Labels
from workflow_scripts.sources.boris import write_boris
from workflow_scripts.sources.elan import write_elan
from workflow_scripts.sources.nwb import write_nwb
from workflow_scripts.sources.supervisely import write_annotation, write_meta

LABEL_FORMS = ("csv", "boris", "elan", "nwb", "simba", "supervisely")
PREDICTION_FORMS = ("table", "boris", "simba")
"""Formats of predictions that this module writes; the others are those of :mod:`workflow_scripts.behaviour.exports`."""

COLUMNS = (
    "recording",
    "animal",
    "class",
    "start",
    "end",
    "duration",
    "confidence",
    "task",
    "start_frame",
    "end_frame",
)
"""Times in seconds; `end_frame` is the frame after the last. `animal` is empty where a class is of several together."""

VIDEOS = {".mp4", ".m4v", ".avi", ".mkv", ".mov", ".webm", ".mpg", ".mpeg", ".wmv"}


@dataclass(frozen=True)
class Coded:
    """One task of one recording.

    Attributes
    ----------
    task : str
    names : tuple of str
        Of the classes.
    codes : ndarray of int64, shape (time,)
        Class of each frame; -1 = nobody said.
    quiet : tuple of int
        Classes of which there are no bouts.
    scores : ndarray, shape (time, classes), or None
        Probabilities.
    """

    task: str
    names: tuple[str, ...]
    codes: npt.NDArray[np.int64]
    quiet: tuple[int, ...] = ()
    scores: npt.NDArray[np.floating] | None = None

    def bouts(self) -> list[tuple[Bout, float | None]]:
        """Return the bouts, each with its mean probability where there is one."""
        found = []
        for start, stop, code in runs(self.codes).triples():
            if code < 0 or code in self.quiet:
                continue
            sure = None if self.scores is None else float(np.nanmean(self.scores[start:stop, code]))
            found.append((Bout(start, stop, self.names[code]), sure))
        return found


@dataclass(frozen=True)
class Coding:
    """All tasks of one recording, with what the files of other programs say about it."""

    recording: str
    fps: float
    n_frames: int
    animal: str
    media: str
    tasks: list[Coded] = field(default_factory=list)

    def bouts(self) -> list[tuple[Bout, float | None]]:
        """Return the bouts of all tasks; with several tasks, classes carry their task's name."""
        many = len(self.tasks) > 1
        return sorted(
            (
                (Bout(bout.start, bout.stop, f"{each.task}: {bout.name}" if many else bout.name), sure)
                for each in self.tasks
                for bout, sure in each.bouts()
            ),
            key=lambda pair: (pair[0].start, pair[0].stop, pair[0].name),
        )


def _facts(reader: Any, kind: str, recording: str, media: str) -> Coding:
    """Everything about a recording but its classes."""
    if kind == "tracks":
        header = reader.header(recording)
        animals, sources = header.individuals, header.source_sha256
    else:
        animals, sources = ("",), reader.read(recording).source_sha256
    filmed = next((name for name in sources if Path(name).suffix.lower() in VIDEOS), "")
    named = media.replace("{recording}", recording) if media else filmed
    animal = animals[0] if len(animals) == 1 else ""
    return Coding(recording, reader.fps(recording), reader.n_frames(recording), animal, named)


def _labels(task: str, labels: Labels) -> Coded:
    codes = np.where(labels.mask, labels.values.astype(np.int64), -1)
    if labels.kind == "binary":
        names = labels.vocabulary or (f"no {task}", task)
        return Coded(task, (names[0], task), codes, (0,))
    quiet = tuple(code for code, name in enumerate(labels.vocabulary) if name == labels.background)
    return Coded(task, labels.vocabulary, codes, quiet)


def _open(stack: ExitStack, data: Path) -> tuple[Any, str]:
    kind = file_kind(data)
    if kind not in ("tracks", "clips"):
        raise ConfigError(f"{data}: holds {kind}, which have no bouts; name tracks.h5 or clips/index.h5.")
    return stack.enter_context(open_dataset(data)), kind


def labels_of(data: Path, tasks: Sequence[str] | None = None, media: str = "") -> Iterator[Coding]:
    """Yield the labels of a dataset, recording by recording; those without any are passed over.

    Parameters
    ----------
    data : Path
        `tracks.h5` or `clips/index.h5`.
    tasks : sequence of str, optional
        All that are labelled frame by frame by class where empty.
    media : str
        Name of the video, ``{recording}`` standing for the recording's id; empty = the source video, if there is one.

    Raises
    ------
    ConfigError
        When no recording has a task.
    InputError
        When nothing is labelled frame by frame by class.
    """
    with ExitStack() as stack:
        reader, kind = _open(stack, data)
        known = sorted({task for recording in reader.ids for task in reader.tasks(recording)})
        for task in tasks or []:
            if task not in known:
                raise ConfigError(f"{data}: has no task {task!r}{nearest(task, known)}.")
        none = True
        for recording in reader.ids:
            said = reader.all_labels(recording)
            chosen = [
                _labels(task, labels)
                for task, labels in said.items()
                if task in (tasks or known) and labels.level == "frame" and labels.kind in ("multiclass", "binary")
            ]
            chosen = [each for each in chosen if (each.codes >= 0).any()]
            if chosen:
                none = False
                facts = _facts(reader, kind, recording, media)
                yield Coding(**(vars(facts) | {"tasks": chosen}))
        if none:
            raise InputError(data, "holds no classes by frame", "name a dataset whose frames are labelled")


def predictions_of(
    predictions: Path, data: Path, tasks: Sequence[str] | None = None, media: str = ""
) -> Iterator[Coding]:
    """Yield what a run predicts, recording by recording; arguments and errors as for :func:`labels_of`.

    Parameters
    ----------
    predictions : Path
        `predictions.h5` or `probe_predictions.h5` of a run.
    data : Path
        The dataset's file.
    tasks : sequence of str, optional
    media : str
    """
    with ExitStack() as stack:
        said = stack.enter_context(open_predictions(predictions))
        reader, kind = _open(stack, data)
        chosen = tasks_by_frame(predictions, said, tasks)
        for recording in dict.fromkeys(name for task in chosen for name in said.recordings(task)):
            found = []
            for task in chosen:
                if recording not in said.recordings(task):
                    continue
                task_kind, _, vocabulary, _ = said.info(task)
                prediction = said.read(task, recording)
                scores = prediction.scores
                if scores is not None and not (scores.min(initial=0) >= 0 and scores.max(initial=0) <= 1):
                    scores = None  # decision values are no confidence
                codes = prediction.prediction.astype(np.int64)
                if prediction.seen is not None:  # frames without an animal, or left open, are in no bout
                    codes = np.where(prediction.seen, codes, -1)
                if task_kind == "binary":
                    both = None if scores is None else np.stack([1 - scores, scores], axis=1)
                    found.append(Coded(task, (f"no {task}", task), codes, (0,), both))
                else:
                    quiet = tuple(k for k, name in enumerate(vocabulary) if name == said.background(task))
                    found.append(Coded(task, vocabulary, codes, quiet, scores))
            facts = _facts(reader, kind, recording, media)
            yield Coding(**(vars(facts) | {"tasks": found}))


def write_table(path: Path, codings: Iterator[Coding], *, confidence: float = 0.0) -> Path:
    """Write the bouts of all recordings as one csv with the columns `COLUMNS`; none of a lower mean probability."""
    rows = [
        [
            coding.recording,
            coding.animal,
            bout.name,
            f"{bout.start / coding.fps:.6f}",
            f"{bout.stop / coding.fps:.6f}",
            f"{(bout.stop - bout.start) / coding.fps:.6f}",
            "" if sure is None else f"{sure:.4f}",
            each.task,
            bout.start,
            bout.stop,
        ]
        for coding in codings
        for each in coding.tasks
        for bout, sure in each.bouts()
        if sure is None or sure >= confidence
    ]
    write_csv(path, pd.DataFrame(rows, columns=list(COLUMNS)))
    return path


def write_files(
    folder: Path, codings: Iterator[Coding], form: str, *, data: Path, method: str = "labels"
) -> Iterator[Path]:
    """Write one file a recording (a project of all with `supervisely`).

    Parameters
    ----------
    folder : Path
    codings : iterator of Coding
    form : {"boris", "elan", "nwb", "simba", "supervisely"}
    data : Path
        The dataset's file, for pose (NWB), and sizes and boxes (Supervisely).
    method : str
        What NWB names as the producer.

    Yields
    ------
    Path
        Each file as it is written.

    Raises
    ------
    ConfigError
        When tracks are asked for as a project of videos.
    InputError
        When frames that nobody labelled have no place in the format (SimBA).
    """
    with ExitStack() as stack:
        reader, kind = _open(stack, data)
        if form == "supervisely" and kind != "clips":
            raise ConfigError(f"{data}: a Supervisely project is of videos; name clips/index.h5, or another --format.")
        tags: dict[str, None] = {}
        for coding in codings:
            stem = slugify(coding.recording)
            bouts = [bout for bout, _ in coding.bouts()]
            if form == "boris":
                path = folder / f"{stem}.csv"
                write_boris(
                    path,
                    bouts,
                    coding.fps,
                    n_frames=coding.n_frames,
                    observation=coding.recording,
                    media=coding.media,
                )
            elif form == "elan":
                path = folder / f"{stem}.eaf"
                tiers = {each.task: [bout for bout, _ in each.bouts()] for each in coding.tasks}
                write_elan(path, tiers, coding.fps, media=coding.media)
            elif form == "nwb":
                path = folder / f"{stem}.nwb"
                write_nwb(
                    path,
                    {each.task: [bout for bout, _ in each.bouts()] for each in coding.tasks},
                    coding.fps,
                    recording=coding.recording,
                    method=method,
                    vocabularies={each.task: each.names for each in coding.tasks},
                    tracks=reader.read(coding.recording) if kind == "tracks" else None,
                )
            elif form == "simba":
                path = folder / f"{stem}.csv"
                _write_simba(path, coding)
            else:
                path = _supervisely(folder, coding, reader.read(coding.recording))
                tags |= dict.fromkeys(bout.name for bout in bouts)
            yield path
        if form == "supervisely":
            write_meta(folder, list(tags))
            yield folder / "meta.json"


def _supervisely(folder: Path, coding: Coding, recording: Any) -> Path:
    name = slugify(coding.recording) + (Path(coding.media).suffix or ".mp4")
    path = folder / "dataset" / "ann" / f"{name}.json"
    bouts = [bout for bout, _ in coding.bouts()]
    write_annotation(path, bouts, size=recording.image_size, n_frames=coding.n_frames, boxes=recording.boxes)
    return path


def _write_simba(path: Path, coding: Coding) -> None:
    """Write a row a frame: an index, and 0 or 1 a behaviour, after `Probability_<behaviour>` where there are any."""
    columns: dict[str, Any] = {}
    many = len(coding.tasks) > 1
    for each in coding.tasks:
        unknown = int((each.codes < 0).sum())
        if unknown:
            raise InputError(
                path,
                f"{unknown} of {coding.n_frames} frames of {coding.recording!r} have no label in the task "
                f"{each.task!r}, and SimBA's tables have no place for that",
                "export as csv or boris, or name another task",
            )
        for code, name in enumerate(each.names):
            if code in each.quiet:
                continue
            shown = f"{each.task}_{name}" if many and name != each.task else name
            if each.scores is not None:
                columns[f"Probability_{shown}"] = np.round(each.scores[:, code].astype(float), 4)
            columns[shown] = (each.codes == code).astype(int)
    write_csv(path, pd.DataFrame(columns), index=True)
