"""Tune decisions on the held-out predictions of folds: for the method's own readout, and for final models."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from workflow_scripts.behaviour.decided import decide_task, is_decided, tune_task, write_decision
from workflow_scripts.behaviour.decisions import Decision
from workflow_scripts.core.validation import validate
from workflow_scripts.evaluation.options import DecisionConfig, ProbeConfig
from workflow_scripts.evaluation.probe.held_out import as_probabilities
from workflow_scripts.formats.datasets import open_dataset
from workflow_scripts.formats.predictions import Prediction, create_predictions, open_predictions
from workflow_scripts.stages import log, parser, start

READOUT = "native_decided"
"""What decided predictions of a method's own readout are called in result tables."""


def held_by_task(paths: Sequence[Path]) -> dict[str, list[Prediction]]:
    """Held-out predictions with scores, by task, of all folds together."""
    found: dict[str, list[Prediction]] = {}
    for path in paths:
        with open_predictions(path) as reader:
            for task in filter(partial(is_decided, reader), reader.tasks):
                found.setdefault(task, []).extend(each for each in reader.iterate(task) if each.scores is not None)
    return found


def _tuned(paths: Sequence[Path], data: Path, config: DecisionConfig, *, logistic: bool) -> dict[str, Decision]:
    held = held_by_task(paths)
    decisions: dict[str, Decision] = {}
    with open_dataset(data) as dataset:
        for path in paths:
            with open_predictions(path) as reader:
                for task in reader.tasks:
                    if held.get(task) and task not in decisions:
                        probabilities = partial(as_probabilities, logistic=logistic)
                        decisions[task], _ = tune_task(reader, dataset, task, held[task], probabilities, config)
    return decisions


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    settings = json.loads(options.settings)
    config = validate(DecisionConfig, settings["decisions"], where="decisions")
    if options.predictions is None:  # a final model, which no held-out recordings judge
        logistic = validate(ProbeConfig, settings["probe"], where="probe").model == "logistic"
        probe = _tuned(options.probe, options.tracks, config, logistic=logistic)
        native = _tuned(options.others, options.tracks, config, logistic=True)
        write_decision(options.decision, probe, native)
        return
    held = held_by_task(options.others)
    decisions: dict[str, Decision] = {}
    with ExitStack() as stack:
        dataset = stack.enter_context(open_dataset(options.tracks))
        reader = stack.enter_context(open_predictions(options.predictions))
        writer = stack.enter_context(create_predictions(options.output))
        probabilities = partial(as_probabilities, logistic=True)
        for task in filter(partial(is_decided, reader), reader.tasks):
            decisions[task], notes = decide_task(
                reader, writer, dataset, task, held.get(task, []), probabilities, config, READOUT
            )
            for note in notes:
                log.warning("%s", note)
    write_decision(options.decision, {}, decisions)


def _outputs(options: argparse.Namespace) -> list[Path]:
    return [path for path in (options.decision, options.output) if path is not None]


def _inputs(options: argparse.Namespace) -> list[Path]:
    return [path for path in (options.predictions, *options.others, *options.probe) if path is not None]


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--tracks", type=Path, required=True)
    arguments.add_argument("--settings", required=True, help="JSON: tasks, probe, decisions, run")
    arguments.add_argument("--others", type=Path, nargs="*", default=[], help="the method's own, of the other folds")
    arguments.add_argument("--probe", type=Path, nargs="*", default=[], help="the probe's, of the folds")
    arguments.add_argument("--predictions", type=Path, help="the method's own, of the held-out recordings")
    arguments.add_argument("--decision", type=Path, required=True)
    arguments.add_argument("--output", type=Path)
    start(arguments, work, outputs=_outputs, inputs=_inputs)
