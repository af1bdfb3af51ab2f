"""The keys `apply` and `behaviour` of an experiment."""

from __future__ import annotations

from pathlib import Path

import pytest

from workflow_scripts.core.errors import ConfigError
from workflow_scripts.experiment.applications import applications, behaviour_sources, behaviour_tasks, final_results
from workflow_scripts.experiment.experiment import Experiment, load_experiment
from workflow_scripts.experiment.figure_kinds import drawings
from workflow_scripts.experiment.resolved import read_resolved, write_resolved


def made(root: Path, **keys) -> Experiment:
    config = {
        "experiment": "toy",
        "datasets": {"rats_pairs": {"splits": ["fold"], "tasks": ["S1"]}},
        "methods": {"features": {}, "raw": {}},
    }
    return load_experiment(root, config | keys)


def test_finals_are_no_scored_runs(root: Path) -> None:
    plain = made(root)
    found = made(root, datasets={"rats_pairs": {"splits": ["fold", "all"], "tasks": ["S1"]}})
    assert [run.path() for run in found.runs] == [run.path() for run in plain.runs]
    assert found.tables() == plain.tables()
    assert [run.path() for run in found.chance_runs] == [run.path() for run in plain.chance_runs]
    assert {run.split for run in found.finals} == {"all"}
    assert final_results(found) == [
        f"runs/rats_pairs/{method}/sound/default/all/seed0/probe/config.yaml" for method in ("features", "raw")
    ]
    assert plain.finals == []
    assert behaviour_sources(plain) == []
    assert behaviour_tasks(plain) == {}


def test_apply_trains_the_final_model_by_itself(root: Path) -> None:
    found = made(root, apply=[{"dataset": "rats_pairs_twin", "trained_on": "rats_pairs", "methods": ["features"]}])
    assert [path for _, _, path in applications(found)] == [
        "runs/rats_pairs/features/sound/default/all/seed0/applied/rats_pairs_twin.h5"
    ]
    assert "rats_pairs_twin" in found.cards
    assert found.tasks("rats_pairs_twin") == []
    assert not any(run.dataset == "rats_pairs_twin" for run in [*found.runs, *found.finals])
    assert behaviour_tasks(found) == {"rats_pairs": ["S1"], "rats_pairs_twin": ["S1"]}
    assert {(each.dataset, each.source, each.role) for each in behaviour_sources(found)} == {
        ("rats_pairs", "features", "held_out"),
        ("rats_pairs_twin", "features", "applied"),
    }
    names = {drawing.kind for drawing in drawings(found)}
    assert {"animals_by_condition", "rasters", "time_course", "transitions"} <= names


def test_the_resolved_file_keeps_them(root: Path, tmp_path: Path) -> None:
    found = made(root, apply=[{"dataset": "rats_pairs"}], behaviour={"bin_s": 30})
    write_resolved(tmp_path, found)
    again = read_resolved(tmp_path / "experiments" / "toy.json")
    assert [path for _, _, path in applications(again)] == [path for _, _, path in applications(found)]
    assert again.config.behaviour == found.config.behaviour


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"dataset": "rats_pairs_twin"}, "'rats_pairs_twin' trains no model"),
        ({"dataset": "rats_pairs", "methods": ["feature"]}, "'feature' does not run on 'rats_pairs'; did you mean"),
        ({"dataset": "rats_pairs", "tasks": ["S9"]}, "has no task 'S9'"),
        ({"dataset": "rats_pairs", "recordings": "every"}, "would predict what it is trained on"),
        ({"dataset": "mouse_action_twin", "trained_on": "rats_pairs"}, "cannot be applied"),
        ({"dataset": "rats_pairs", "recordings": "some"}, "apply.0.recordings"),
    ],
)
def test_wrong_entries_are_refused(root: Path, entry: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        made(root, apply=[entry])
    with pytest.raises(ConfigError, match="by two entries"):
        made(root, apply=[{"dataset": "rats_pairs"}] * 2)
