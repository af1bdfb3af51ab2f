"""Tune the decisions of a final model, which no held-out recordings judge, on the held-out predictions of its folds."""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path

from workflow_scripts.behaviour.decided import write_decision
from workflow_scripts.behaviour.decided_folds import tune_folds
from workflow_scripts.core.validation import validate
from workflow_scripts.evaluation.options import DecisionConfig, ProbeConfig
from workflow_scripts.evaluation.probe.held_out import as_probabilities
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    settings = json.loads(options.settings)
    config = validate(DecisionConfig, settings["decisions"], where="decisions")
    logistic = validate(ProbeConfig, settings["probe"], where="probe").model == "logistic"
    of_probe, of_method = (partial(as_probabilities, logistic=each) for each in (logistic, True))
    probe = tune_folds(options.probe, options.tracks, of_probe, config)
    native = tune_folds(options.native, options.tracks, of_method, config)
    write_decision(options.output, probe, native)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--tracks", type=Path, required=True)
    arguments.add_argument("--settings", required=True, help="JSON: probe, decisions, run")
    arguments.add_argument(
        "--native", type=Path, nargs="*", default=[], help="the method's own predictions, of the folds"
    )
    arguments.add_argument("--probe", type=Path, nargs="*", default=[], help="the probe's predictions, of the folds")
    arguments.add_argument("--output", type=Path, required=True)
    start(
        arguments,
        work,
        outputs=lambda options: [options.output],
        inputs=lambda options: [*options.native, *options.probe],
    )
