"""Tune inside the training groups how the probe's probabilities become classes, and decide on held-out recordings."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from workflow_scripts.behaviour.decided import decide_task, decided_tasks, write_decision
from workflow_scripts.core.validation import validate
from workflow_scripts.evaluation.options import DecisionConfig, ProbeConfig
from workflow_scripts.evaluation.probe.held_out import as_probabilities, held_out_predictions
from workflow_scripts.formats.datasets import open_dataset
from workflow_scripts.formats.predictions import create_predictions, open_predictions
from workflow_scripts.formats.splits import read_split
from workflow_scripts.stages import log, parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    settings = json.loads(options.settings)
    probe = validate(ProbeConfig, settings["probe"], where="probe")
    config = validate(DecisionConfig, settings["decisions"], where="decisions")
    split = read_split(options.split)
    logistic = probe.model == "logistic"

    def probabilities(scores: Any) -> np.ndarray:
        return as_probabilities(scores, logistic=logistic)

    decisions = {}
    with (
        open_dataset(options.tracks) as dataset,
        open_predictions(options.predictions) as reader,
        create_predictions(options.output) as writer,
    ):
        for task in decided_tasks(reader):
            held, notes = held_out_predictions(
                options.embeddings, options.tracks, split, task, probe, options.seed, config.folds
            )
            decisions[task], more = decide_task(reader, writer, dataset, task, held, probabilities, config)
            for note in [*notes, *more]:
                log.warning("%s", note)
    write_decision(options.decision, decisions)


def _outputs(options: argparse.Namespace) -> list[Path]:
    return [options.decision, options.output]


def _inputs(options: argparse.Namespace) -> list[Path]:
    return [options.embeddings, options.predictions]


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--embeddings", type=Path, required=True)
    arguments.add_argument("--tracks", type=Path, required=True)
    arguments.add_argument("--split", type=Path, required=True)
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--settings", required=True, help="JSON: tasks, probe, decisions, run")
    arguments.add_argument("--predictions", type=Path, required=True, help="the probe's, of the held-out recordings")
    arguments.add_argument("--decision", type=Path, required=True)
    arguments.add_argument("--output", type=Path, required=True)
    start(arguments, work, outputs=_outputs, inputs=_inputs)
