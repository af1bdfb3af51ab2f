"""Extract the small tables the report draws from: ethograms as bouts, confusion counts, notes, data quality."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.core.files import failure
from workflow_scripts.core.tables import write_csv
from workflow_scripts.evaluation.extracts.ethograms import confusion_table, ethogram_table, gather, notes_table
from workflow_scripts.experiment.resolved import read_resolved
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    experiment = read_resolved(options.config)
    files = [
        ((run.dataset, label, run.mode, run.setting, run.split, run.seed), options.results / path)
        for run, label, path in experiment.predictions()
    ]
    files = [(row, path) for row, path in files if failure(path) is None]
    rows, predictions = [row for row, _ in files], [path for _, path in files]
    probed = [(row, path) for row, path in files if path.name == "probe_predictions.h5"]
    tables = {
        options.ethograms: ethogram_table(rows, predictions),
        options.confusions: confusion_table(rows, predictions),
        options.quality: gather({name: options.data / name / "quality.csv" for name in experiment.cards}),
        options.labels: gather({name: options.data / name / "labels.csv" for name in experiment.cards}),
        options.notes: notes_table(
            [row for row, _ in probed], [path.with_name("probe_notes.json") for _, path in probed]
        ),
    }
    for path, table in tables.items():
        write_csv(path, table)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--config", type=Path, required=True, help="the resolved experiment")
    arguments.add_argument("--results", type=Path, required=True, help="results/<experiment>")
    arguments.add_argument("--data", type=Path, required=True, help="folder of the converted datasets")
    arguments.add_argument("--quality", type=Path, required=True)
    arguments.add_argument("--labels", type=Path, required=True)
    arguments.add_argument("--ethograms", type=Path, required=True)
    arguments.add_argument("--confusions", type=Path, required=True)
    arguments.add_argument("--notes", type=Path, required=True)
    start(arguments, work)
