"""Extract the small tables the report draws from: ethograms as bouts, confusion counts, notes, data quality."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.evaluation.examples import confusion_table, ethogram_table, gather, notes_table
from workflow_scripts.experiment import load_experiment
from workflow_scripts.files import atomic_path, read_json
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    experiment = load_experiment(options.root, read_json(options.config))
    runs = [run for run in experiment.runs if experiment.tasks(run.dataset)]
    rows = [(run.dataset, run.method, run.mode, run.point, run.split, run.seed) for run in runs]
    folders = [options.results / run.path() for run in runs]
    tables = {
        options.ethograms: ethogram_table(rows, [folder / "probe_predictions.h5" for folder in folders]),
        options.confusions: confusion_table(rows, [folder / "probe_predictions.h5" for folder in folders]),
        options.quality: gather({name: options.data / name / "quality.csv" for name in experiment.cards}),
        options.labels: gather({name: options.data / name / "labels.csv" for name in experiment.cards}),
        options.notes: notes_table(rows, [folder / "probe_notes.json" for folder in folders]),
    }
    for path, table in tables.items():
        with atomic_path(path) as part:
            table.to_csv(part, index=False)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--root", type=Path, required=True, help="folder that holds config/")
    arguments.add_argument("--config", type=Path, required=True, help="the resolved configuration")
    arguments.add_argument("--results", type=Path, required=True, help="results/<experiment>")
    arguments.add_argument("--data", type=Path, required=True, help="folder of the converted datasets")
    arguments.add_argument("--quality", type=Path, required=True)
    arguments.add_argument("--labels", type=Path, required=True)
    arguments.add_argument("--ethograms", type=Path, required=True)
    arguments.add_argument("--confusions", type=Path, required=True)
    arguments.add_argument("--notes", type=Path, required=True)
    start(arguments, work)
