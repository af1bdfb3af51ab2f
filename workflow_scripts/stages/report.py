"""Write the experiment's report: one self-contained HTML page, from the small tables alone."""

from __future__ import annotations

import argparse
import hashlib
import os
from pathlib import Path

import pandas as pd

from workflow_scripts.experiment.resolved import read_resolved
from workflow_scripts.formats.tables import read_small, read_table
from workflow_scripts.provenance.environment import git_state, timings, versions
from workflow_scripts.report import assemble
from workflow_scripts.report.data import LeakAudit, ReportData
from workflow_scripts.report.graph import parse_rulegraph, stages
from workflow_scripts.report.html import write_report
from workflow_scripts.report.sections import load
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    experiment = read_resolved(options.config)
    tables = options.results / "tables"
    efficiency = options.results / "label_efficiency.csv"
    sections, quarantined = assemble.sections(experiment.cards, tables)
    data = ReportData(
        experiment=experiment.name,
        config=experiment.config.model_dump(mode="json"),
        comparison=read_table(options.results / "comparison.csv"),
        datasets=tuple(sections),
        examples=tuple(assemble.example_predictions(experiment.cards, tables)),
        confusions=tuple(assemble.confusions(tables)),
        notices=tuple(assemble.notices(tables)),
        quarantined=tuple(quarantined),
        # A leak stops the workflow before this rule, so a report is only ever made of clean splits.
        leaks=LeakAudit(
            sum(
                len(experiment.cards[name].split_names(family))
                for name, use in experiment.config.datasets.items()
                for family in use.splits
            )
        ),
        rules=tuple(parse_rulegraph((options.results / "provenance" / "rulegraph.dot").read_text())),
        timings=timings(assemble.benchmarks(options.logs, experiment.name, experiment.cards)),
        versions=versions(),
        provenance={
            **git_state(options.root),
            "configuration sha256": hashlib.sha256(options.config.read_bytes()).hexdigest(),
            "experiment": experiment.name,
        },
        sections=tuple(load(options.section)),
        tests=read_small(options.results / "tests.csv"),
        ranks=read_small(options.results / "ranks.csv"),
        maps=read_small(tables / "embedding_maps.csv"),
        curves=read_small(tables / "curves.csv"),
        pictures=read_small(tables / "pictures.csv"),
        efficiency=read_small(efficiency) if efficiency.is_file() else pd.DataFrame(),
        stages=stages(options.root),
        published=experiment.published | {name: list(card.published) for name, card in experiment.cards.items()},
    )
    write_report(data, options.output)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--root", type=Path, default=os.environ.get("ETHOMAKE_ROOT", "."), help="EthoMake's folder")
    arguments.add_argument("--config", type=Path, required=True, help="the resolved experiment")
    arguments.add_argument("--results", type=Path, required=True, help="results/<experiment>")
    arguments.add_argument("--logs", type=Path, required=True, help="folder of the benchmark files")
    arguments.add_argument("--section", type=Path, nargs="*", default=[], help="section.json files to add")
    arguments.add_argument("--output", type=Path, required=True)
    start(arguments, work)
