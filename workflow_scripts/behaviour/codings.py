"""Classes frame by frame, of one recording at a time: what a dataset is labelled with, and what a run predicts.

Every export (:mod:`workflow_scripts.behaviour.exports`) takes either, so that both are written alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.core.validation import nearest
from workflow_scripts.formats.bouts import Bout
from workflow_scripts.formats.datasets import open_dataset
from workflow_scripts.formats.hdf5 import file_kind
from workflow_scripts.formats.predictions import PredictionsReader, open_predictions
from workflow_scripts.formats.tracks import Labels, by_class
from workflow_scripts.sources.bout_files import bouts_of
from workflow_scripts.video.metadata import VIDEOS


@dataclass(frozen=True)
class Coded:
    """One task of one recording.

    Attributes
    ----------
    task : str
    names : tuple of str
        Of the classes.
    codes : ndarray of int64, shape (time,)
        Class of each frame; -1 = no label.
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

    def bouts(self, confidence: float = 0.0) -> list[Bout]:
        """Return the bouts whose mean probability is at least `confidence`, and those without one."""
        return bouts_of(self.codes, self.names, self.scores, leave_out=self.quiet, confidence=confidence)


@dataclass(frozen=True)
class Coding:
    """All tasks of one recording, and what the files of other programs need besides.

    Attributes
    ----------
    recording : str
    fps : float
    n_frames : int
    animals : tuple of str
    media : str
        Name of the video; may be empty.
    tasks : list of Coded
    confidence : float
        Bouts of a lower mean probability are left out.
    """

    recording: str
    fps: float
    n_frames: int
    animals: tuple[str, ...]
    media: str
    tasks: list[Coded] = field(default_factory=list)
    confidence: float = 0.0

    def by_task(self) -> dict[str, list[Bout]]:
        """Return the bouts of each task."""
        return {each.task: each.bouts(self.confidence) for each in self.tasks}

    def animal(self, task: str, name: str) -> str:
        """Return whose behaviour a class is: of the only animal, or of the one that the class or task begins with.

        Sources name a class `<subject>_<behaviour>` where several subjects are coded (`by_subject`). The result is
        empty where a class is of several animals together.
        """
        if len(self.animals) == 1:
            return self.animals[0]
        named = [
            one for one in self.animals if name.startswith(f"{one}_") or task.startswith(re.sub(r"\W+", "_", one) + "_")
        ]
        return max(named, key=len, default="")

    def shown(self, task: str, name: str) -> str:
        """Name a class for a format without tasks: with several tasks, the class carries its task's name."""
        return f"{task}: {name}" if len(self.tasks) > 1 else name

    def bouts(self) -> list[Bout]:
        """Return the bouts of all tasks in order of time, named by :meth:`shown`."""
        found = [
            replace(bout, name=self.shown(task, bout.name)) for task, bouts in self.by_task().items() for bout in bouts
        ]
        return sorted(found, key=lambda bout: (bout.start, bout.stop, bout.name))

    def classes(self) -> list[str]:
        """Return the names of all classes that can have bouts, by :meth:`shown`."""
        return [
            self.shown(each.task, name)
            for each in self.tasks
            for code, name in enumerate(each.names)
            if code not in each.quiet
        ]


def labels_of(data: Path, tasks: Sequence[str] | None = None, media: str = "") -> Iterator[Coding]:
    """Yield the labels of a dataset, recording by recording; those without any are left out.

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
        reader, kind = open_filmed(stack, data)
        known = sorted({task for recording in reader.ids for task in reader.tasks(recording)})
        for task in tasks or []:
            if task not in known:
                raise ConfigError(f"{data}: has no task {task!r}{nearest(task, known)}.")
        none = True
        for recording in reader.ids:
            chosen = [
                _labelled(task, labels)
                for task, labels in reader.all_labels(recording).items()
                if task in (tasks or known) and by_class(labels.kind, labels.level)
            ]
            chosen = [each for each in chosen if (each.codes >= 0).any()]
            if chosen:
                none = False
                yield _coding(reader, kind, recording, media, chosen)
        if none:
            raise InputError(data, "has no classes by frame", "name a dataset whose frames are labelled")


def predictions_of(
    predictions: Path,
    data: Path,
    tasks: Sequence[str] | None = None,
    media: str = "",
    *,
    confidence: float = 0.0,
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
    confidence : float
        Bouts of a lower mean probability are left out.
    """
    with ExitStack() as stack:
        predicted = stack.enter_context(open_predictions(predictions))
        reader, kind = open_filmed(stack, data)
        chosen = tasks_by_frame(predictions, predicted, tasks)
        for recording in dict.fromkeys(name for task in chosen for name in predicted.recordings(task)):
            found = [
                _predicted(predicted, task, recording) for task in chosen if recording in predicted.recordings(task)
            ]
            yield replace(_coding(reader, kind, recording, media, found), confidence=confidence)


def tasks_by_frame(path: Path, reader: PredictionsReader, tasks: Sequence[str] | None = None) -> list[str]:
    """Return the tasks of `tasks`, or of all, that are predicted frame by frame by class.

    Raises
    ------
    ConfigError
        When a task is not among the predictions.
    InputError
        When no task is left.
    """
    for task in tasks or []:
        if task not in reader.tasks:
            raise ConfigError(f"{path}: has no task {task!r}{nearest(task, reader.tasks)}.")
    chosen = [task for task in tasks or reader.tasks if by_class(*reader.info(task)[:2])]
    if not chosen:
        raise InputError(path, "has no classes by frame", "name a run whose tasks are labelled by frame")
    return chosen


def open_filmed(stack: ExitStack, data: Path) -> tuple[Any, str]:
    """Open tracks or clips, and say which they are.

    Raises
    ------
    ConfigError
        When the file is of another kind.
    """
    kind = file_kind(data)
    if kind not in ("tracks", "clips"):
        raise ConfigError(f"{data}: {kind} have no bouts; name tracks.h5 or clips/index.h5.")
    return stack.enter_context(open_dataset(data)), kind


def _coding(reader: Any, kind: str, recording: str, media: str, tasks: list[Coded]) -> Coding:
    if kind == "tracks":
        header = reader.header(recording)
        animals, sources = header.individuals, header.source_sha256
    else:
        animals, sources = ("",), reader.read(recording).source_sha256
    filmed = next((name for name in sources if Path(name).suffix.lower() in VIDEOS), "")
    named = media.replace("{recording}", recording) if media else filmed
    return Coding(recording, reader.fps(recording), reader.n_frames(recording), tuple(animals), named, tasks)


def _labelled(task: str, labels: Labels) -> Coded:
    codes = np.where(labels.mask, labels.values.astype(np.int64), -1)
    if labels.kind == "binary":
        return Coded(task, (labels.vocabulary[0] if labels.vocabulary else f"no {task}", task), codes, (0,))
    quiet = tuple(code for code, name in enumerate(labels.vocabulary) if name == labels.background)
    return Coded(task, labels.vocabulary, codes, quiet)


def _predicted(reader: PredictionsReader, task: str, recording: str) -> Coded:
    kind, _, vocabulary, _ = reader.info(task)
    prediction = reader.read(task, recording)
    scores = None if prediction.scores is None else np.asarray(prediction.scores)
    if scores is not None and not (scores.min(initial=0) >= 0 and scores.max(initial=0) <= 1):
        scores = None  # decision values are no confidence
    codes = prediction.codes()
    if kind == "binary":
        both = None if scores is None else np.stack([1 - scores, scores], axis=1)
        return Coded(task, (f"no {task}", task), codes, (0,), both)
    quiet = tuple(code for code, name in enumerate(vocabulary) if name == reader.background(task))
    return Coded(task, vocabulary, codes, quiet, scores)
