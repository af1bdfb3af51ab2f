"""Extract the small tables behind the report's embedding maps and training curves."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from workflow_scripts.core.files import failure
from workflow_scripts.core.tables import write_csv
from workflow_scripts.evaluation.extracts.maps import MAP_COLUMNS, embedding_map, training_curves
from workflow_scripts.experiment.resolved import read_resolved
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    experiment = read_resolved(options.config)
    maps = []
    for run in experiment.mapped_runs():
        folder = options.results / run.path()
        files = folder / "embeddings.h5", folder / "probe_predictions.h5"
        if not any(map(failure, files)):
            key = (run.dataset, run.method, run.mode, run.setting, run.split, run.seed)
            maps.append(embedding_map(key, *files, umap=experiment.config.umap))
    trained = experiment.trained_runs()
    runs = [(run.dataset, run.method, run.mode, run.setting, run.split, run.seed) for run in trained]
    curves = training_curves(runs, [options.results / run.path() / "metrics.csv" for run in trained])
    table = pd.concat(maps, ignore_index=True) if maps else pd.DataFrame(columns=MAP_COLUMNS)
    for path, frame in ((options.maps, table), (options.curves, curves)):
        write_csv(path, frame, float_format="%.5g")


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--config", type=Path, required=True, help="the resolved experiment")
    arguments.add_argument("--results", type=Path, required=True, help="results/<experiment>")
    arguments.add_argument("--maps", type=Path, required=True)
    arguments.add_argument("--curves", type=Path, required=True)
    start(arguments, work)
