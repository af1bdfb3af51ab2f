"""Decided predictions beside the truth, as a readout of its own, and `decision.yaml`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import yaml
from pydantic import ConfigDict, Field, model_validator

from workflow_scripts.behaviour.decisions import UNKNOWN, Decision, Kind, tune_decision
from workflow_scripts.behaviour.thresholds import Held
from workflow_scripts.cards.names import Label, TaskName
from workflow_scripts.core import limits
from workflow_scripts.core.files import read_yaml, write_text
from workflow_scripts.core.typing import BoolArray, Int64Array
from workflow_scripts.core.validation import Strict, validate
from workflow_scripts.formats.predictions import Prediction, PredictionsReader, PredictionsWriter
from workflow_scripts.formats.tracks import by_class
from workflow_scripts.views.seen import seen_frames

READOUT = "probe_decided"
"""What decided predictions of the probe are called in result tables."""

YES_NO = ("0", "1")
"""Classes of a binary task that names none."""


class Options(Protocol):
    """What of the options of decisions is looked at."""

    @property
    def kind(self) -> Kind:
        """Thresholds or the best path."""

    @property
    def unknown_below(self) -> float:
        """Least probability of a class that is decided on."""

    @property
    def unseen_unknown(self) -> bool:
        """Whether frames without any point stay unknown."""


def decided_tasks(reader: PredictionsReader) -> list[str]:
    """Return the tasks with classes by frame, which decisions are about."""
    return [task for task in reader.tasks if by_class(*reader.info(task)[:2])]


def tune_task(
    reader: PredictionsReader,
    dataset: Any,
    task: str,
    held: Sequence[Prediction],
    probabilities: Callable[[Any], Any],
    options: Options,
) -> tuple[Decision, list[str]]:
    """Tune the decision of a task on predictions of recordings that the predicting models did not see.

    Parameters
    ----------
    reader : PredictionsReader
        Names the task's classes.
    dataset : TracksReader or ClipsReader
    task, held, probabilities, options
        As for :func:`decide_task`.
    """
    kind, _, vocabulary, _ = reader.info(task)
    named = vocabulary or YES_NO
    # A binary task asks whether something is there; without a background of its own, its first class is none.
    background = reader.background(task) or (named[0] if kind == "binary" else None)
    notes = []
    if not held:
        notes.append(f"{task}: no held-out training group, so nothing tunes the decision; it is the plain one")
    decision = tune_decision(
        [Held(probabilities(each.scores), each.truth.astype(np.int64), each.mask) for each in held],
        named,
        background,
        float(dataset.fps(reader.recordings(task)[0])),
        kind=options.kind,
        unknown_below=options.unknown_below,
    )
    return decision, notes


def decide_task(
    reader: PredictionsReader,
    writer: PredictionsWriter,
    dataset: Any,
    task: str,
    held: Sequence[Prediction],
    probabilities: Callable[[Any], Any],
    options: Options,
    readout: str = READOUT,
) -> tuple[Decision, list[str]]:
    """Tune the decision of a task and write what it decides of the held-out recordings.

    Unknown frames are scored as the background, or without one as the most probable class: a metric of frames has no
    place for frames of no class.

    Parameters
    ----------
    reader, writer : PredictionsReader, PredictionsWriter
        The readout's predictions of held-out recordings, and where the decided ones go.
    dataset : TracksReader or ClipsReader
    task : str
        A task with classes by frame.
    held : sequence of Prediction
        Of training recordings, out of fold.
    probabilities : callable
        Turns the readout's scores into probabilities (time, classes).
    options : Options
    readout : str
        Name of the decided predictions in result tables.

    Returns
    -------
    decision : Decision
    notes : list of str
        What the reader of the numbers should know.
    """
    kind, level, vocabulary, _ = reader.info(task)
    ids = reader.recordings(task)
    decision, notes = tune_task(reader, dataset, task, held, probabilities, options)
    writer.task(
        task,
        kind=kind,
        level=level,
        vocabulary=vocabulary,
        background=reader.background(task),
        readout=readout,
    )
    unknown = frames = 0
    for recording in ids:
        found = reader.read(task, recording)
        given = probabilities(found.scores)
        unseen = _unseen(dataset, recording, len(given)) if options.unseen_unknown else None
        codes = decision.apply(given, unseen)
        unknown, frames = unknown + int((codes == UNKNOWN).sum()), frames + len(codes)
        calibrated = decision.calibration.apply(given)
        scores = calibrated[:, 1] if kind == "binary" else calibrated
        prediction = _scored(codes, calibrated, decision).astype(found.prediction.dtype)
        seen = found.seen
        if (codes == UNKNOWN).any():
            seen = (codes != UNKNOWN) & (seen_frames(dataset.read(recording)) if seen is None else seen)
        writer.add(task, replace(found, prediction=prediction, scores=scores.astype(np.float32), seen=seen))
    if unknown:
        notes.append(f"{task}: {unknown} of {frames} held-out frames stay unknown; scores count them as background")
    return decision, notes


def _scored(codes: Int64Array, calibrated: Any, decision: Decision) -> Int64Array:
    instead = calibrated.argmax(axis=1) if decision.background_code is None else decision.background_code
    scored: Int64Array = np.where(codes == UNKNOWN, instead, codes)
    return scored


def _unseen(dataset: Any, recording: str, frames: int) -> BoolArray:
    """Frames without any point of any animal; none where the data are no points."""
    position = getattr(dataset.read(recording), "position", None)
    if position is None:
        return np.zeros(frames, bool)
    missing: BoolArray = np.isnan(position).reshape(frames, -1).all(axis=1)
    return missing


def write_decision(
    path: str | Path, decisions: Mapping[str, Decision], native: Mapping[str, Decision] | None = None
) -> None:
    """Write `decision.yaml`: by task, the probe's decisions and, where given, those of the method's own readout."""
    plain = {"tasks": {task: decision.to_dict() for task, decision in decisions.items()}}
    if native is not None:
        plain["native"] = {task: decision.to_dict() for task, decision in native.items()}
    write_text(path, yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))


class SavedClass(Strict):
    """What `decision.yaml` says of one class: seconds, probabilities and log prices."""

    shift: float = Field(ge=-1000, le=1000)
    enter: float = Field(0.0, ge=-1e6, le=1e6)
    bias: float = Field(0.0, ge=-1e6, le=1e6)
    threshold: float = Field(0.5, ge=0, le=1)
    shortest_s: float = Field(0.0, ge=0, le=86_400)
    gap_s: float = Field(0.0, ge=0, le=86_400)


class SavedDecision(Strict):
    """One task of `decision.yaml`."""

    model_config = ConfigDict(allow_inf_nan=True)  # a task that nothing tuned has no score

    kind: Kind
    fps: float = Field(gt=0, le=limits.FPS)
    background: Label | None
    temperature: float = Field(gt=0, le=1e6)
    unknown_below: float = Field(0.0, ge=0, le=1)
    held_score: float = float("nan")
    span: tuple[float, float, float, float] | None = None
    classes: dict[Label, SavedClass] = Field(min_length=2, max_length=limits.CLASSES)

    @model_validator(mode="after")
    def _background_is_a_class(self) -> SavedDecision:
        if self.background is not None and self.background not in self.classes:
            raise ValueError(f"the background {self.background!r} is none of the classes")
        return self


class SavedDecisions(Strict):
    """`decision.yaml`."""

    tasks: dict[TaskName, SavedDecision] = {}
    native: dict[TaskName, SavedDecision] = {}


def read_decision(path: str | Path, *, native: bool = False) -> dict[str, Decision]:
    """Read `decision.yaml`: the probe's decisions by task, or those of the method's own readout."""
    saved = validate(SavedDecisions, read_yaml(path), where=str(path))
    chosen = saved.native if native else saved.tasks
    return {task: Decision.from_dict(value.model_dump(exclude_unset=True)) for task, value in chosen.items()}
