"""Rank the points of a sweep by validation."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.core.files import atomic_path, failure
from workflow_scripts.evaluation.comparison.leaderboard import KEY, leaderboard
from workflow_scripts.experiment.resolved import read_resolved
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    experiment = read_resolved(options.config)
    runs = [run for run in experiment.swept_runs() if not failure(options.results / run.path() / "metrics.csv")]
    keys = [{key: getattr(run, key) for key in KEY} for run in runs]
    with atomic_path(options.output) as part:
        table = leaderboard(keys, [options.results / run.path() for run in runs])
        table.to_csv(part, index=False, float_format="%.6g")


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--config", type=Path, required=True, help="the resolved experiment")
    arguments.add_argument("--results", type=Path, required=True, help="results/<experiment>")
    arguments.add_argument("--output", type=Path, required=True)
    start(arguments, work)
