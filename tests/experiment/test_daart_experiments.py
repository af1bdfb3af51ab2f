from pathlib import Path

import pytest

from workflow_scripts.experiment.experiment import load_experiment

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("name", "points", "folds"), [("paper_daart_fly", 9, 2), ("paper_daart_fly_twin", 4, 2)])
def test_the_papers_grids_are_valid(name, points, folds):
    runs = [run for run in load_experiment(ROOT, {"experiment": name}).runs if run.method == "daart"]
    weights = {(run.options["loss"]["lambda_weak"], run.options["loss"]["lambda_pred"]) for run in runs}
    assert len(weights) == points
    assert {run.split for run in runs} == {f"fold{k}" for k in range(folds)}
    assert all(run.options["strong"] == "behaviour" and run.options["weak"] == "heuristic" for run in runs)
