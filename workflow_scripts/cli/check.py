"""`ethomake check EXPERIMENT`: what an experiment would run."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.cli.tables import print_table
from workflow_scripts.core.errors import ConfigError
from workflow_scripts.experiment.experiment import named_experiment


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("experiment", help="name in config/experiments, or a YAML file")


def run(options: argparse.Namespace) -> None:
    """Validate an experiment and its cards, and print what it would run."""
    experiment = named_experiment(options.places, options.experiment)
    for started in experiment.runs:
        for path in experiment.named_files(started):
            # Weights below results/ are made by other runs, and come first.
            if Path(path).parts[:1] != ("results",) and not Path(path).exists():
                raise ConfigError(
                    f"methods.{started.method}: there is no file {path}, which its options name; check the path."
                )
    rows = [["dataset", "method", "point", "splits", "seeds"]]
    for dataset in experiment.cards:
        for method in dict.fromkeys(run.method for run in experiment.runs if run.dataset == dataset):
            runs = [run for run in experiment.runs if (run.dataset, run.method) == (dataset, method)]
            for point in dict.fromkeys(run.point for run in runs):
                chosen = [run for run in runs if run.point == point]
                splits, seeds = {run.split for run in chosen}, {str(run.seed) for run in chosen}
                rows.append([dataset, method, point, ", ".join(sorted(splits)), ", ".join(sorted(seeds))])
    print_table(rows)
    print(f"The experiment {experiment.name!r} is valid: {len(experiment.runs)} runs.")
