"""Test the methods against each other on the held-out groups, rank them, and put several seeds into one row."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from workflow_scripts.core.files import failure
from workflow_scripts.core.tables import write_csv
from workflow_scripts.evaluation.comparison.significance import Contender, significance
from workflow_scripts.evaluation.scores.seeds import score_seeds
from workflow_scripts.experiment.experiment import Experiment
from workflow_scripts.experiment.resolved import read_resolved
from workflow_scripts.formats.tables import COLUMNS, write_table
from workflow_scripts.stages import parser, start


def contenders(experiment: Experiment, results: Path) -> list[Contender]:
    """Every method as it is in the comparison; seeds that failed are left out."""
    chance = {run.path() for run in experiment.chance_runs}
    found = []
    for run, paths in experiment.contenders():
        files = {seed: [results / path for path in folds] for seed, folds in paths.items()}
        whole = {seed: folds for seed, folds in files.items() if not any(map(failure, folds))}
        if whole:
            by_chance = run.path() in chance
            found.append(Contender(run.dataset, run.family, run.method, run.mode, run.setting, by_chance, whole))
    return found


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    experiment = read_resolved(options.config)
    interval = experiment.config.intervals
    everyone = contenders(experiment, options.results)
    tests, ranks = significance(everyone, interval)
    for path, table in ((options.tests, tests), (options.ranks, ranks)):
        write_csv(path, table, float_format="%.10g")
    rows = [
        score_seeds(
            who.paths, interval, {key: getattr(who, key) for key in ("dataset", "method", "mode", "setting", "split")}
        )
        for who in everyone
        if len(who.paths) > 1
    ]
    write_table(options.seeds, pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=COLUMNS))


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--config", type=Path, required=True, help="the resolved experiment")
    arguments.add_argument("--results", type=Path, required=True, help="results/<experiment>")
    arguments.add_argument("--tests", type=Path, required=True)
    arguments.add_argument("--ranks", type=Path, required=True)
    arguments.add_argument("--seeds", type=Path, required=True, help="result table of the rows over seeds")
    start(arguments, work)
