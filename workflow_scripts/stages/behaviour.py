"""Make the behaviour tables of an experiment from hand labels and predictions alike."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.behaviour.agreement import agreement
from workflow_scripts.behaviour.conditions import conditions
from workflow_scripts.behaviour.gather import human_series, predicted_series, read_conditions, recordings_of
from workflow_scripts.behaviour.measures import bouts, budget, time_bins
from workflow_scripts.behaviour.options import BehaviourConfig
from workflow_scripts.behaviour.page import write_page
from workflow_scripts.behaviour.place import place_table, places
from workflow_scripts.behaviour.series import Series
from workflow_scripts.behaviour.transitions import transitions
from workflow_scripts.cards.kinds import FILES
from workflow_scripts.core.files import failure
from workflow_scripts.core.tables import write_csv
from workflow_scripts.experiment.applications import behaviour_sources, behaviour_tasks
from workflow_scripts.experiment.resolved import read_resolved
from workflow_scripts.formats.tables import read_small
from workflow_scripts.stages import log, parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    experiment = read_resolved(options.config)
    chosen = experiment.config.behaviour or BehaviourConfig()
    given = read_conditions(options.conditions) if options.conditions else None
    rows: list[dict[str, Any]] = []
    tasks, sources = behaviour_tasks(experiment), behaviour_sources(experiment)
    many: list[Series] = []
    covariates = []
    for dataset in dict.fromkeys([*tasks, *(source.dataset for source in sources)]):
        data = options.data / dataset / FILES[experiment.cards[dataset].kind]
        about = recordings_of(dataset, data, given)
        covariates += [{"dataset": dataset, "recording": name} | each.covariates for name, each in about.items()]
        many += human_series(dataset, data, tasks.get(dataset, []), about)
        if experiment.cards[dataset].kind == "tracks":
            measured, more_rows = places(dataset, data, about, experiment.cards[dataset])
            many, rows = many + measured, rows + more_rows
        seen: dict[str, Any] = {}
        for source in sources:
            path = options.results / source.path
            if source.dataset != dataset or failure(path) is not None:
                continue
            more: dict[str, Any] = {"source": source.source, "role": source.role, "seed": source.seed}
            many += predicted_series(dataset, data, path, about, seen=seen, **more)
    log.info("%d series", len(many))
    level = experiment.config.intervals
    interval: dict[str, Any] = {"level": level.level, "resamples": level.resamples, "seed": level.seed}
    budgets = budget(many)
    agreed, errors = agreement(many, **interval)
    known = pd.DataFrame(covariates)
    for name in chosen.blocks:
        if name not in known:
            log.warning("behaviour.blocks: no recording has the covariate %r", name)
            known[name] = ""
    # Does the model's error differ between conditions? If so, a difference between them may be the model's.
    errors = errors.assign(source=errors["source"] + " − human")
    tables = [conditions(part, chosen, known, **interval) for part in (budgets, errors)]
    outputs = {
        "bouts": bouts(many),
        "budget": budgets,
        "time_bins": time_bins(many, chosen.bin_s),
        "transitions": transitions(many, chosen.shuffles, level.seed),
        "agreement": agreed,
        "conditions": pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True),
    }
    for name, table in outputs.items():
        write_csv(options.folder / f"{name}.csv", table, float_format="%.8g")
    write_csv(options.folder / "place.csv", place_table(rows), float_format="%.8g")
    write_page(options.section, {name: read_small(options.folder / f"{name}.csv") for name in outputs})


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--config", type=Path, required=True, help="the resolved experiment")
    arguments.add_argument("--results", type=Path, required=True, help="results/<experiment>")
    arguments.add_argument("--data", type=Path, required=True, help="folder of the converted datasets")
    arguments.add_argument("--conditions", type=Path, help="table of conditions")
    arguments.add_argument("--folder", type=Path, required=True, help="folder for the tables")
    arguments.add_argument("--section", type=Path, required=True, help="section.json of the report")
    start(arguments, work)
