"""Decide a method's own predictions of one fold as the held-out predictions of the other folds tune it."""

from __future__ import annotations

import argparse
import json
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from workflow_scripts.behaviour.decided import decide_task, decided_tasks, write_decision
from workflow_scripts.behaviour.decided_folds import held_by_task
from workflow_scripts.behaviour.decisions import Decision
from workflow_scripts.core.validation import validate
from workflow_scripts.evaluation.options import DecisionConfig
from workflow_scripts.evaluation.probe.held_out import as_probabilities
from workflow_scripts.formats.datasets import open_dataset
from workflow_scripts.formats.predictions import create_predictions, open_predictions
from workflow_scripts.stages import log, parser, start

READOUT = "native_decided"
"""What decided predictions of a method's own readout are called in result tables."""


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    config = validate(DecisionConfig, json.loads(options.settings)["decisions"], where="decisions")
    held = held_by_task(options.others)
    decisions: dict[str, Decision] = {}
    with ExitStack() as stack:
        dataset = stack.enter_context(open_dataset(options.tracks))
        reader = stack.enter_context(open_predictions(options.predictions))
        writer = stack.enter_context(create_predictions(options.output))
        probabilities = partial(as_probabilities, logistic=True)
        for task in decided_tasks(reader):
            decisions[task], notes = decide_task(
                reader, writer, dataset, task, held.get(task, []), probabilities, config, READOUT
            )
            for note in notes:
                log.warning("%s", note)
    write_decision(options.decision, {}, decisions)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--tracks", type=Path, required=True)
    arguments.add_argument("--settings", required=True, help="JSON: decisions, run")
    arguments.add_argument("--others", type=Path, nargs="*", default=[], help="predictions of the other folds")
    arguments.add_argument("--predictions", type=Path, required=True, help="of the held-out recordings")
    arguments.add_argument("--decision", type=Path, required=True)
    arguments.add_argument("--output", type=Path, required=True)
    start(
        arguments,
        work,
        outputs=lambda options: [options.decision, options.output],
        inputs=lambda options: [options.predictions, *options.others],
    )
