"""Sum up the directions of an experiment for its report: errors, roses, worst frames, the leak, the movie."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from workflow_scripts.experiment.experiment import Experiment
from workflow_scripts.experiment.image_runs import image_runs, leaking_runs, tagging_runs
from workflow_scripts.experiment.resolved import read_resolved
from workflow_scripts.experiment.runs import Run
from workflow_scripts.formats.splits import read_split
from workflow_scripts.methods.rat_direction.report import RUN, Judged, write_report
from workflow_scripts.methods.rat_direction.study import leak_rows, network_of
from workflow_scripts.methods.runs import load_embedder
from workflow_scripts.stages import parser, start
from workflow_scripts.views.images import ImageView


def _leak(experiment: Experiment, run: Run, results: Path) -> pd.DataFrame:
    data = Path("data") / run.dataset
    split = read_split(data / "splits" / f"{run.split}.json")
    model = network_of(load_embedder(results / run.path() / "embedder")[0])
    by = getattr(experiment.cards[run.dataset].splits[run.family], "by", "group")
    view = ImageView(data / "images.h5", split, experiment.augmented(run))
    rows = leak_rows(model, view, "animal" if by == "animal" else "frame")
    return pd.concat([pd.DataFrame([{key: getattr(run, key) for key in RUN}] * len(rows)), rows], axis=1)


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    experiment = read_resolved(options.config)
    results = options.results
    tagged = {
        (run.dataset, run.method, run.mode, run.setting): results / run.path() for run in tagging_runs(experiment)
    }
    judged = []
    for path, runs in image_runs(experiment).items():
        run = runs[0]
        about = {key: getattr(run, key) for key in RUN} | {"split": run.family}
        judged.append(Judged(about, results / path, tagged.get((run.dataset, run.method, run.mode, run.setting))))
    leaks = [_leak(experiment, run, results) for run in leaking_runs(experiment)]
    table = pd.concat(leaks, ignore_index=True) if leaks else pd.DataFrame(columns=[*RUN, "holdout", "n", "mse"])
    write_report(judged, table, options.errors.parent, options.section.parent)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--config", type=Path, required=True, help="the resolved experiment")
    arguments.add_argument("--results", type=Path, required=True, help="results/<experiment>")
    arguments.add_argument("--errors", type=Path, required=True, help="tables/direction_errors.csv")
    arguments.add_argument("--section", type=Path, required=True, help="section.json of the report")
    start(arguments, work)
