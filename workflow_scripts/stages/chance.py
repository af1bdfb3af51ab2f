"""Predict the held-out recordings from the training labels alone, and score that like any method."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from workflow_scripts.core.validation import validate
from workflow_scripts.evaluation.comparison.compare import score_run
from workflow_scripts.evaluation.options import IntervalConfig
from workflow_scripts.evaluation.scores.chance import chance_predictions
from workflow_scripts.evaluation.scores.points import mean_pose_predictions
from workflow_scripts.formats.splits import read_split
from workflow_scripts.formats.tables import write_table
from workflow_scripts.metrics.chance import MEAN_POSE
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    settings = json.loads(options.settings)
    split = read_split(options.split)
    if options.method == MEAN_POSE.name:
        mean_pose_predictions(options.data, split, options.predictions)
    else:
        chance_predictions(options.method, options.data, split, settings["tasks"], options.seed, options.predictions)
    table = score_run(
        [options.predictions], validate(IntervalConfig, settings["intervals"], where="intervals"), settings["run"]
    )
    write_table(options.output, table)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--method", required=True, help="majority, prior or mean_pose")
    arguments.add_argument("--data", type=Path, required=True, help="file of the converted dataset")
    arguments.add_argument("--split", type=Path, required=True)
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--settings", required=True, help="JSON: tasks, intervals, run")
    arguments.add_argument("--predictions", type=Path, required=True)
    arguments.add_argument("--output", type=Path, required=True)
    start(arguments, work)
