"""Decisions tuned on the held-out predictions of folds: recordings that the model which predicted them did not see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from workflow_scripts.behaviour.decided import Options, decided_tasks, tune_task
from workflow_scripts.behaviour.decisions import Decision
from workflow_scripts.formats.datasets import open_dataset
from workflow_scripts.formats.predictions import Prediction, open_predictions


def held_by_task(paths: Sequence[Path]) -> dict[str, list[Prediction]]:
    """Return held-out predictions with scores, by task, of all folds together."""
    found: dict[str, list[Prediction]] = {}
    for path in paths:
        with open_predictions(path) as reader:
            for task in decided_tasks(reader):
                found.setdefault(task, []).extend(each for each in reader.iterate(task) if each.scores is not None)
    return found


def tune_folds(
    paths: Sequence[Path], data: Path, probabilities: Callable[[Any], Any], options: Options
) -> dict[str, Decision]:
    """Tune a decision for each task on the held-out predictions of all folds.

    Parameters
    ----------
    paths : sequence of Path
        Predictions of the folds.
    data : Path
        File of the converted dataset.
    probabilities : callable
        Takes stored scores, and returns probabilities (time, classes).
    options : Options
    """
    held = held_by_task(paths)
    decisions: dict[str, Decision] = {}
    with open_dataset(data) as dataset:
        for path in paths:
            with open_predictions(path) as reader:
                for task in reader.tasks:
                    if held.get(task) and task not in decisions:
                        decisions[task], _ = tune_task(reader, dataset, task, held[task], probabilities, options)
    return decisions
