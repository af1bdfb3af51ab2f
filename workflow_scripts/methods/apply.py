"""Apply a final model to recordings that nobody labelled, or to those of another dataset."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from workflow_scripts.core.errors import ConfigError, EthoMakeError, InputError
from workflow_scripts.core.validation import nearest
from workflow_scripts.evaluation.probe.readout import load_readout
from workflow_scripts.formats.datasets import open_dataset
from workflow_scripts.formats.predictions import Prediction, create_predictions
from workflow_scripts.formats.splits import Split
from workflow_scripts.methods.trained import Trained
from workflow_scripts.views.registry import open_view

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
    decision: Path | None = None,
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
    decision : Path or None
        `decision.yaml` of the run, where classes are decided by one.
    on_problem : callable, optional
        Takes name and error of a recording that the model cannot be applied to, which is then left out; where absent,
        the error is raised.

    Raises
    ------
    EthoMakeError
        When a recording has another skeleton, unit or frame rate than the model was made for, or none is left.
    """
    trained = Trained(embedder, readout, decision)
    # Read again only where it is incomplete, for the sentence that says what is missing.
    known = trained.probe or load_readout(readout)
    for task in tasks:
        if task not in known:
            raise ConfigError(f"{readout}: has no task {task!r}{nearest(task, list(known))}.")
    chosen = {task: known[task] for task in tasks or known}
    view = open_view(data, chosen_recordings(data, which, list(chosen)))
    found: dict[str, list[Prediction]] = {}
    readouts: dict[str, str] = {}
    n_recordings = 0
    for recording in view.test():
        try:
            said = trained.predict(recording, view.split.groups[recording.id], list(chosen), prefer=prefer).tasks
        except EthoMakeError as error:
            if on_problem is None:
                raise
            on_problem(recording.id, error)
            continue
        n_recordings += 1
        for task, (name, prediction) in said.items():
            readouts.setdefault(task, name)
            found.setdefault(task, []).append(prediction)
    if not found:
        raise EthoMakeError(
            f"{trained.method} could be applied to no recording of {data.parent.name!r} for {', '.join(chosen)}; see "
            "the messages above."
        )
    write_applied(output, {task: chosen[task] for task in found}, found, readouts)
    log.info("predicted %d recordings", n_recordings)


def write_applied(
    output: Path, about: Mapping[str, Any], found: Mapping[str, Sequence[Prediction]], readouts: Mapping[str, str]
) -> None:
    """Write predictions by task, with kind, level, classes and background from `about`."""
    with create_predictions(output) as writer:
        for task, predictions in found.items():
            writer.task(
                task,
                kind=about[task].kind,
                level=about[task].level,
                vocabulary=about[task].vocabulary,
                readout=readouts[task],
                background=about[task].background,
            )
            for prediction in predictions:
                writer.add(task, prediction)
