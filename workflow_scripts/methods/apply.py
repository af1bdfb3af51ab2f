"""Apply a final model to recordings that nobody labelled, or to those of another dataset."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from workflow_scripts import methods
from workflow_scripts.core.errors import ConfigError, EthoMakeError, InputError
from workflow_scripts.core.validation import nearest
from workflow_scripts.evaluation.probe.readout import Readout, load_readout
from workflow_scripts.formats.datasets import open_dataset
from workflow_scripts.formats.predictions import Prediction, create_predictions
from workflow_scripts.formats.splits import Split
from workflow_scripts.formats.tracks import Labels
from workflow_scripts.methods.runs import load_embedder, prediction_of, spec_of
from workflow_scripts.views.registry import open_view
from workflow_scripts.views.seen import seen_frames

log = logging.getLogger("ethomake.apply")

Problem = Callable[[str, EthoMakeError], None]


def chosen_recordings(data: Path, which: str, tasks: Sequence[str]) -> Split:
    """Return the recordings that a model is applied to, as the test side of a split.

    Parameters
    ----------
    data : Path
        File of the converted dataset.
    which : {"unlabelled", "every"}
        ``unlabelled``: those without a label of any of the tasks.
    tasks : sequence of str

    Raises
    ------
    InputError
        When there is none.
    """
    with open_dataset(data) as reader:
        groups = {recording: reader.group(recording) for recording in sorted(reader.ids)}
        if which == "unlabelled":
            labels = {name: [reader.labels(name, task) for task in tasks] for name in groups}
            groups = {
                name: group
                for name, group in groups.items()
                if not any(found is not None and found.mask.any() for found in labels[name])
            }
    if not groups:
        raise InputError(
            data,
            f"expected recordings without labels of {', '.join(tasks)}, found none",
            "add some to the card, or set apply.recordings: every to predict another dataset's labelled ones",
        )
    return Split(data.parent.name, "applied", "applied", [], [], list(groups), groups)


def apply_model(
    embedder: Path,
    readout: Path,
    data: Path,
    output: Path,
    *,
    tasks: Sequence[str] = (),
    which: str = "unlabelled",
    prefer: str = "auto",
    on_problem: Problem | None = None,
) -> None:
    """Predict recordings with a model and, where it predicts a task by itself, its own readout; else with the probe.

    Parameters
    ----------
    embedder : Path
        Folder of the exported model.
    readout : Path
        Folder of the probe fitted on its embeddings.
    data : Path
        File of the converted dataset.
    output : Path
        File of :mod:`workflow_scripts.formats.predictions`, with probabilities; truth and mask hold the labels of a
        recording that has any.
    tasks : sequence of str
        Empty = all the probe was fitted on.
    which : {"unlabelled", "every"}
    prefer : {"auto", "native", "probe"}
    on_problem : callable, optional
        Takes name and error of a recording that the model cannot be applied to, which is then left out; where absent,
        the error is raised.

    Raises
    ------
    EthoMakeError
        When a recording has another skeleton, unit or frame rate than the model was made for, or none is left.
    """
    torch.set_num_threads(1)
    model, config = load_embedder(embedder)
    functions = methods.load(config["method"])
    spec = spec_of(config)
    known = load_readout(readout)
    for task in tasks:
        if task not in known:
            raise ConfigError(f"{readout}: has no task {task!r}{nearest(task, list(known))}.")
    chosen = {task: known[task] for task in tasks or known}
    native = prefer != "probe" and methods.parse(config["method"], config["options"]).readout() is not None
    view = open_view(data, chosen_recordings(data, which, list(chosen)))
    found: dict[str, list[Prediction]] = {}
    readouts: dict[str, str] = {}
    n_recordings = 0
    with torch.inference_mode():
        for recording in view.test():
            try:
                spec.check(recording)
                said = (functions.predict(model, recording) or {}) if native else {}
                rest = [task for task in chosen if task not in said and prefer != "native"]
                embedding = functions.embed(model, recording) if rest else None
                predictions = {
                    task: _predict(recording, view.split.groups[recording.id], task, about, said.get(task), embedding)
                    for task, about in chosen.items()
                    if task in said or task in rest
                }
            except EthoMakeError as error:
                if on_problem is None:
                    raise
                on_problem(recording.id, error)
                continue
            n_recordings += 1
            for task, prediction in predictions.items():
                readouts.setdefault(task, "native" if task in said else "probe")
                found.setdefault(task, []).append(prediction)
    if not found:
        raise EthoMakeError(
            f"{config['method']} could be applied to no recording of {data.parent.name!r} for {', '.join(chosen)}; see "
            "the messages above."
        )
    with create_predictions(output) as writer:
        for task, predictions_of in found.items():
            about = chosen[task]
            writer.task(
                task,
                kind=about.kind,
                level=about.level,
                vocabulary=about.vocabulary,
                readout=readouts[task],
                background=about.background,
            )
            for prediction in predictions_of:
                writer.add(task, prediction)
    log.info("predicted %d recordings", n_recordings)


def _predict(
    recording: Any, group: str, task: str, about: Readout, said: Any, embedding: npt.NDArray[np.float32] | None
) -> Prediction:
    n = recording.n_frames if about.level == "frame" else 1
    labels = recording.labels.get(task)
    if labels is not None and (labels.vocabulary, labels.kind, labels.level) != (
        about.vocabulary,
        about.kind,
        about.level,
    ):
        raise EthoMakeError(
            f"Recording {recording.id!r} is labelled with {labels.vocabulary} for {task!r}, but the model knows "
            f"{about.vocabulary}; use a model trained on the same classes."
        )
    if labels is None:
        values = np.zeros(n, {"continuous": np.float32, "binary": np.uint8}.get(about.kind, np.int16))
        labels = Labels(values, np.zeros(n, bool), about.level, about.kind, about.vocabulary, about.background)
    seen = seen_frames(recording) if about.level == "frame" else None
    if said is not None:
        made = prediction_of(recording.id, group, labels, said)
        return Prediction(recording.id, group, made.truth, made.mask, made.prediction, made.scores, seen)
    assert embedding is not None
    try:
        prediction, scores = about.predict(embedding)
    except ValueError as error:
        raise EthoMakeError(f"Recording {recording.id!r}: {error}; use the probe of the same run.") from error
    return Prediction(recording.id, group, labels.values, labels.mask, prediction, scores, seen)
