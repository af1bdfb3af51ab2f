"""Lay the MABe evaluations of all runs side by side, as a section of the report."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.evaluation.mabe.tables import Evaluation, write_mabe_section
from workflow_scripts.experiment.resolved import read_resolved
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    experiment = read_resolved(options.config)
    runs = [run for run in experiment.runs if run.dataset == options.dataset]
    write_mabe_section(
        options.output,
        options.dataset,
        [Evaluation(run.method, run.mode, run.setting, run.seed, options.results / run.path()) for run in runs],
        experiment.cards[options.dataset].published,
        experiment.config.intervals,
    )


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--config", type=Path, required=True, help="the resolved experiment")
    arguments.add_argument("--results", type=Path, required=True, help="results/<experiment>")
    arguments.add_argument("--dataset", required=True)
    arguments.add_argument("--output", type=Path, required=True, help="section.json")
    start(arguments, work)
