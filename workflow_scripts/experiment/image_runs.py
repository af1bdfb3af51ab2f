"""Runs on datasets of images: which are scored, which tag a movie, which show what a leaking validation set hides."""

from __future__ import annotations

from workflow_scripts.experiment.experiment import Experiment
from workflow_scripts.experiment.runs import Run


def image_runs(experiment: Experiment) -> dict[str, list[Run]]:
    """Runs whose predicted points are scored, the folds of a family together: path → its runs."""
    runs = [run for run in experiment.predicting_runs() if experiment.cards[run.dataset].kind == "images"]
    return experiment.pooled(runs) | {run.path(): [run] for run in runs if run.family == run.split}


def tagging_runs(experiment: Experiment) -> list[Run]:
    """Runs that tag their dataset's movie: the first of each dataset, method, mode and point."""
    first: dict[tuple[str, ...], Run] = {}
    for runs in image_runs(experiment).values():
        if experiment.cards[runs[0].dataset].movies:
            first.setdefault((runs[0].dataset, runs[0].method, runs[0].mode, runs[0].setting), runs[0])
    return list(first.values())


def leaking_runs(experiment: Experiment) -> list[Run]:
    """Runs whose validation set is drawn after augmentation: the faithful ones of the first seed."""
    return [
        run
        for runs in image_runs(experiment).values()
        for run in runs
        if run.mode == "faithful" and run.seed == experiment.config.seeds[0] and experiment.augmented(run)
    ]
