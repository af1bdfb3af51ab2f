"""`ethomake bounds EXPERIMENT`: what bounds its scores, of the predictions that are there."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from workflow_scripts.cli.tables import print_table
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.files import failure
from workflow_scripts.core.tables import write_csv
from workflow_scripts.evaluation.comparison.bounds import METRIC, score_bounds
from workflow_scripts.evaluation.comparison.significance import Contender
from workflow_scripts.experiment.experiment import Experiment, named_experiment
from workflow_scripts.experiment.label_runs import label_runs
from workflow_scripts.report.label_efficiency import PEOPLE


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("experiment", help="name in config/experiments, or a YAML file")
    parser.add_argument(
        "--border", type=float, default=0.5, metavar="S", help="seconds left out on both sides of a change of label"
    )


def _judged(experiment: Experiment, results: Path) -> list[Contender]:
    """Methods with the predictions that are there; what is absent is printed."""
    apart = {run.path() for run in experiment.chance_runs} | {run.path() for run, *_ in label_runs(experiment)}
    found = []
    for run, seeds in experiment.contenders():
        if run.path() in apart or experiment.cards[run.dataset].kind == "images":
            continue
        files = {seed: [results / path for path in paths] for seed, paths in seeds.items()}
        there = {
            seed: [path for path in paths if path.is_file() and not failure(path)] for seed, paths in files.items()
        }
        there = {seed: paths for seed, paths in there.items() if paths}
        absent = sum(map(len, files.values())) - sum(map(len, there.values()))
        if absent:
            name = next(iter(files.values()))[0].name
            print(f"{run.dataset}, {run.method} {run.setting}: {absent} files {name} are not there and left out.")
        # Every seed judges the same recordings: the splits that all of them have.
        splits = [{path.parts[-3] for path in paths} for paths in there.values()]
        common = set.intersection(*splits) if splits else set()
        paths = {seed: [path for path in paths if path.parts[-3] in common] for seed, paths in there.items()}
        if common:
            found.append(Contender(run.dataset, run.family, run.method, run.mode, run.setting, False, paths))
    return found


def run(options: argparse.Namespace) -> None:
    """Write `results/<experiment>/bounds.csv` and print it in short."""
    experiment = named_experiment(options.places, options.experiment)
    results = Path("results") / experiment.name
    judged = _judged(experiment, results)
    if not judged:
        raise InputError(results, "holds no held-out predictions of the experiment", "run it first")
    quality = {each.dataset: pd.read_csv(f"data/{each.dataset}/quality.csv") for each in judged}
    human = {
        (name, number.task): number.value
        for name, card in experiment.cards.items()
        for number in card.published
        if number.method == PEOPLE and number.metric == METRIC
    }
    table = score_bounds(judged, quality, experiment.config.intervals, border_s=options.border, human=human)
    write_csv(results / "bounds.csv", table, float_format="%.10g")
    rows = [["dataset", "task", "method", METRIC, "gain without borders", "rho with missing points", "human", "groups"]]
    for _, row in table.iterrows():
        numbers = [_with_interval(row, name) for name in ("", "gain", "rho")]
        people = "" if pd.isna(row["human"]) else f"{row['human']:.3f}"
        rows.append([row["dataset"], row["task"], row["label"], *numbers, people, str(row["n_groups"])])
    print_table(rows)
    print(f"Written: {results / 'bounds.csv'}")


def _with_interval(row: pd.Series, name: str) -> str:
    value = row[name or "value"]
    low, high = (row[f"{name}_{end}" if name else end] for end in ("low", "high"))
    return f"{value:.3f} ({low:.3f} to {high:.3f})"
