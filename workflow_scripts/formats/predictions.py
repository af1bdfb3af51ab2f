"""Held-out predictions: `/tasks/<task>/<recording>/{truth,mask,prediction,scores}`, one file per run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import h5py
import numpy as np
import numpy.typing as npt

from workflow_scripts.core.boundary import reading
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.typing import Int64Array
from workflow_scripts.formats.hdf5 import COMPRESSION, create, open_checked
from workflow_scripts.formats.tracks import Kind, Level, escape_id, unescape_id

KIND = "predictions"

TaskKind: TypeAlias = Kind | Literal["points"]


@dataclass(frozen=True)
class Prediction:
    """What a readout said about one task in one held-out recording, beside the truth.

    Attributes
    ----------
    recording, group : str
    truth : ndarray, shape (time,) or (1,)
        As in :class:`workflow_scripts.formats.tracks.Labels`; for ``points`` (time, point, 2), in pixels, and the
        vocabulary holds the points' names.
    mask : ndarray of bool
        Where the truth is known; metrics use these frames alone.
    prediction : ndarray
        Class index, 0/1, or the value.
    scores : ndarray, float32, shape (time, n_classes), (time,) or None
        Probabilities or decision values; for ``binary`` that of the positive class.
    seen : ndarray of bool, shape (time,), or None
        Frames that show an animal; a prediction of another frame says nothing. None where the file does not tell.
    """

    recording: str
    group: str
    truth: npt.NDArray[np.generic]
    mask: npt.NDArray[np.bool_]
    prediction: npt.NDArray[np.generic]
    scores: npt.NDArray[np.float32] | None = None
    seen: npt.NDArray[np.bool_] | None = None

    def codes(self) -> Int64Array:
        """Class of each frame; -1 where no animal is seen, or a decision left the frame open."""
        codes: Int64Array = self.prediction.astype(np.int64)
        return codes if self.seen is None else np.where(self.seen, codes, -1)


class PredictionsWriter:
    """Write predictions as they come; get one from :func:`create_predictions`."""

    def __init__(self, handle: h5py.File) -> None:
        self._tasks = handle.create_group("tasks")

    def task(
        self,
        task: str,
        *,
        kind: TaskKind,
        level: Level,
        vocabulary: tuple[str, ...],
        readout: str,
        background: str | None = None,
    ) -> None:
        """Declare a task before its predictions; `background` as in :class:`workflow_scripts.formats.tracks.Labels`."""
        node = self._tasks.create_group(escape_id(task))
        node.attrs["kind"] = kind
        node.attrs["level"] = level
        node.attrs["vocabulary"] = json.dumps(vocabulary)
        node.attrs["readout"] = readout
        if background is not None:
            node.attrs["background"] = background

    def add(self, task: str, prediction: Prediction) -> None:
        """Append one recording's prediction to a declared task."""
        node = self._tasks[escape_id(task)].create_group(escape_id(prediction.recording))
        node.attrs["group"] = prediction.group
        node.create_dataset("truth", data=prediction.truth, **COMPRESSION)
        node.create_dataset("mask", data=prediction.mask, **COMPRESSION)
        node.create_dataset("prediction", data=prediction.prediction, **COMPRESSION)
        if prediction.scores is not None:
            node.create_dataset("scores", data=prediction.scores.astype(np.float32, copy=False), **COMPRESSION)
        if prediction.seen is not None:
            node.create_dataset("seen", data=prediction.seen, **COMPRESSION)


class PredictionsReader:
    """Read predictions by task and recording; get one from :func:`open_predictions`."""

    def __init__(self, handle: h5py.File) -> None:
        self.path = str(handle.filename)
        with self._damage():
            self._tasks: h5py.Group = handle["tasks"]
            self.tasks: list[str] = [unescape_id(key) for key in self._tasks]

    def _damage(self) -> AbstractContextManager[None]:
        return reading(self.path, "a predictions file that EthoMake made", "delete it and run the workflow again")

    def info(self, task: str) -> tuple[TaskKind, Level, tuple[str, ...], str]:
        """Return kind, level, vocabulary and readout of a task."""
        with self._damage():
            attrs = self._tasks[escape_id(task)].attrs
            return attrs["kind"], attrs["level"], tuple(json.loads(attrs["vocabulary"])), str(attrs["readout"])

    def classes(self, task: str) -> tuple[str, ...]:
        """Return the names of a task's classes; a task of yes and no may have none of its own."""
        return self.info(task)[2] or (f"no {task}", task)

    def background(self, task: str) -> str | None:
        """Return the class that means nothing of interest, None where there is none or the file is older than that."""
        with self._damage():
            found = self._tasks[escape_id(task)].attrs.get("background")
        return None if found is None else str(found)

    def recordings(self, task: str) -> list[str]:
        """Recording ids of a task."""
        with self._damage():
            return [unescape_id(key) for key in self._tasks[escape_id(task)]]

    def read(self, task: str, recording: str) -> Prediction:
        """Read one recording's prediction."""
        with self._damage():
            node = self._tasks[escape_id(task)][escape_id(recording)]
            found = Prediction(
                recording=recording,
                group=str(node.attrs["group"]),
                truth=node["truth"][:],
                mask=node["mask"][:],
                prediction=node["prediction"][:],
                scores=node["scores"][:] if "scores" in node else None,
                seen=node["seen"][:] if "seen" in node else None,
            )
            lengths = {len(found.truth), len(found.mask), len(found.prediction)}
            lengths |= {len(values) for values in (found.scores, found.seen) if values is not None}
            if len(lengths) > 1:
                raise InputError(
                    self.path,
                    f"{task}, {recording}: truth, mask and predictions have the lengths {sorted(lengths)}",
                    "delete the file and run the workflow again",
                )
            vocabulary = json.loads(self._tasks[escape_id(task)].attrs["vocabulary"])
            multiclass = self._tasks[escape_id(task)].attrs["kind"] == "multiclass"
            if (
                multiclass
                and found.prediction.size
                and (found.prediction.min() < 0 or found.prediction.max() >= len(vocabulary))
            ):
                raise InputError(
                    self.path,
                    f"{task}, {recording}: a predicted class is outside 0 to {len(vocabulary) - 1}",
                    "delete the file and run the workflow again",
                )
        return found

    def iterate(self, task: str) -> Iterator[Prediction]:
        """Yield a task's predictions, one recording in memory at a time."""
        for recording in self.recordings(task):
            yield self.read(task, recording)


@contextmanager
def create_predictions(path: str | Path) -> Iterator[PredictionsWriter]:
    """Open a new predictions file; it appears only when complete."""
    with create(path, KIND) as handle:
        yield PredictionsWriter(handle)


@contextmanager
def open_predictions(path: str | Path) -> Iterator[PredictionsReader]:
    """Open a predictions file for reading (errors as :func:`workflow_scripts.formats.hdf5.open_checked`)."""
    with open_checked(path, KIND) as handle:
        yield PredictionsReader(handle)
