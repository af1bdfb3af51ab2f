"""Gather every probe table of an experiment into `comparison.csv`, with the published numbers beside."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from workflow_scripts.core.tables import write_csv
from workflow_scripts.evaluation.comparison.compare import compare
from workflow_scripts.experiment.resolved import read_resolved
from workflow_scripts.formats.tables import write_table
from workflow_scripts.metrics.registry import main_metric
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    experiment = read_resolved(options.config)
    published = {name: card.published for name, card in experiment.cards.items()}
    tasks = {
        name: {task: main_metric(card.tasks[task].kind).name for task in experiment.tasks(name)}
        for name, card in experiment.cards.items()
    }
    tables = [options.results / path for path in experiment.tables()]
    write_table(options.output, compare([*tables, options.seeds], published, tasks))
    write_csv(options.settings, pd.DataFrame(experiment.settings()))


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--config", type=Path, required=True, help="the resolved experiment")
    arguments.add_argument("--results", type=Path, required=True, help="results/<experiment>")
    arguments.add_argument("--seeds", type=Path, required=True, help="result table of the rows over seeds")
    arguments.add_argument("--settings", type=Path, required=True)
    arguments.add_argument("--output", type=Path, required=True)
    start(arguments, work)
