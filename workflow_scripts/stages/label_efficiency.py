"""Score every method against the number of labelled training groups: `label_efficiency.csv`."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.core.files import failure
from workflow_scripts.core.tables import write_csv
from workflow_scripts.evaluation.comparison.label_efficiency import Labelled, label_efficiency
from workflow_scripts.experiment.label_runs import label_runs
from workflow_scripts.experiment.resolved import read_resolved
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    experiment = read_resolved(options.config)
    found = []
    for run, family, labelled, draw, paths in label_runs(experiment):
        files = [options.results / path for path in paths]
        if not any(map(failure, files)):
            found.append(Labelled(run.dataset, family, run.method, run.mode, run.setting, labelled, draw, files))
    table = label_efficiency(found, experiment.config.intervals)
    write_csv(options.output, table, float_format="%.10g")


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--config", type=Path, required=True, help="the resolved experiment")
    arguments.add_argument("--results", type=Path, required=True, help="results/<experiment>")
    arguments.add_argument("--output", type=Path, required=True)
    start(arguments, work)
