"""Lay precision, recall and F1 of the runs on videos side by side, by class and by video."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.core.files import failure
from workflow_scripts.evaluation.video_scores import RUN, video_scores, write_video_section
from workflow_scripts.experiment.resolved import read_resolved
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    experiment = read_resolved(options.config)
    runs = [run for run in experiment.predicting_runs() if experiment.cards[run.dataset].kind == "clips"]
    files = {run: options.results / run.path() / "predictions.h5" for run in runs}
    tables = [
        video_scores(path, {key: getattr(run, key) for key in RUN})
        for run, path in files.items()
        if failure(path) is None
    ]
    write_video_section(tables, options.table, options.section)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--config", type=Path, required=True, help="the resolved experiment")
    arguments.add_argument("--results", type=Path, required=True, help="results/<experiment>")
    arguments.add_argument("--table", type=Path, required=True, help="tables/video_scores.csv")
    arguments.add_argument("--section", type=Path, required=True, help="section.json of the report")
    start(arguments, work)
