"""The key `joint` of an experiment: which runs it makes, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from workflow_scripts.core.errors import ConfigError
from workflow_scripts.experiment.experiment import Experiment, load_experiment
from workflow_scripts.experiment.resolved import read_resolved, write_resolved

TWINS = {"rats_pairs_twin": {"splits": ["fold"]}, "calms21_twin": {"splits": ["official"], "methods": ["raw", "pca"]}}


def made(root: Path, joint: dict[str, Any], **keys: Any) -> Experiment:
    config = {
        "experiment": "toy",
        "datasets": TWINS,
        "methods": {"raw": {}, "pca": {}, "lisbet": {}},
        "seeds": [3, 4],
    }
    return load_experiment(root, config | {"joint": joint} | keys)


def of(experiment: Experiment, row: str) -> list[Any]:
    return [run for run in experiment.runs if run.method == row]


def test_members_are_the_runs_of_the_same_split_and_seed(root: Path) -> None:
    experiment = made(root, {"both": ["raw", "lisbet"]})
    runs = of(experiment, "both")
    assert {(run.split, run.seed) for run in runs} == {(f"fold{k}", seed) for k in range(3) for seed in (3, 4)}
    for run in runs:
        raw, lisbet = run.members.values()
        assert raw in experiment.runs and lisbet in experiment.runs
        assert (raw.split, raw.seed) == (run.split, 3)  # it has no seeds
        assert (lisbet.split, lisbet.seed) == (run.split, run.seed)
        assert experiment.named_files(run) == [
            f"results/toy/{each.path()}/embedder/{name}"
            for each in (raw, lisbet)
            for name in ("model.safetensors", "config.yaml")
        ]
    assert [member["name"] for member in runs[0].options["members"]] == ["raw", "lisbet"]


def test_a_row_without_a_seeded_member_runs_once(root: Path) -> None:
    assert {run.seed for run in of(made(root, {"both": ["raw", "pca"]}), "both")} == {3}


def test_a_dataset_that_lists_methods_lists_its_rows_too(root: Path) -> None:
    joint = {"both": ["raw", "pca"]}
    assert {run.dataset for run in of(made(root, joint), "both")} == {"rats_pairs_twin"}
    listed = TWINS | {"calms21_twin": {"splits": ["official"], "methods": ["raw", "both", "pca"]}}
    assert {run.dataset for run in of(made(root, joint, datasets=listed), "both")} == set(TWINS)


def test_members_of_a_sweep_make_a_point_each_unless_one_is_named(root: Path) -> None:
    sweep = {"pca": {"dim": [4, 6]}, "lisbet": {"window_size": [16, 32]}}
    experiment = made(root, {"both": ["pca", "lisbet"], "one": ["raw", "pca/dim~6"]}, sweep=sweep)
    points = {f"dim~{dim},window_size~{size}" for dim in (4, 6) for size in (16, 32)}
    assert {run.setting for run in of(experiment, "both")} == points
    (named,) = {(run.setting, run.members["pca/dim~6"].setting) for run in of(experiment, "one")}
    assert named == ("default", "dim~6")
    listed = {(row["method"], row["setting"]): json.loads(row["options"]) for row in experiment.settings()}
    assert listed["one", "default"]["members"] == {"raw": "raw/sound/default", "pca/dim~6": "pca/sound/dim~6"}


def test_long_points_get_a_short_name(root: Path) -> None:
    sweep = {"pca": {"coordinates": ["egocentric"], "dim": [6]}, "raw": {"coordinates": ["egocentric"], "seen": [True]}}
    (setting,) = {run.setting for run in of(made(root, {"both": ["raw", "pca"]}, sweep=sweep), "both")}
    assert len(setting) == 12


def test_members_that_predict_are_averaged(root: Path) -> None:
    more = {"raw": {}, "boosting": {}, "daart": {}}
    joint = {"all": ["raw", "boosting", "daart/strong~S1", "daart/strong~S2"], "one": ["raw", "boosting"]}
    datasets = {"rats_pairs_twin": {"splits": ["fold"]}}
    experiment = made(root, joint, methods=more, datasets=datasets, sweep={"daart": {"strong": ["S1", "S2"]}})
    assert {run.readout for run in of(experiment, "all")} == {"native"}
    assert {run.readout for run in of(experiment, "one")} == {None}
    assert {run.method for run in experiment.predicting_runs()} == {"boosting", "daart", "all"}


def test_a_member_may_be_its_models_of_all_seeds(root: Path) -> None:
    joint = {"mean": ["boosting@seeds"], "mixed": ["boosting@seeds", "daart"], "all": ["boosting@seeds", "raw"]}
    datasets = {"rats_pairs_twin": {"splits": ["fold"], "tasks": ["S1"]}}
    methods = {"raw": {}, "boosting": {}, "daart": {"strong": "S1"}}
    experiment = made(root, joint, methods=methods, datasets=datasets)
    for row, seeds, members, readout in (
        ("mean", {3}, ["boosting@3", "boosting@4"], "native"),
        ("mixed", {3, 4}, ["boosting@3", "boosting@4", "daart"], "native"),
        ("all", {3}, ["boosting@3", "boosting@4", "raw"], "native"),
    ):
        runs = of(experiment, row)
        assert {run.seed for run in runs} == seeds and {run.readout for run in runs} == {readout}
        assert all(list(run.members) == members for run in runs)
        assert all({member.split for member in run.members.values()} == {run.split} for run in runs)
    last = of(experiment, "mixed")[-1]
    assert [member.seed for member in last.members.values()] == [3, 4, last.seed]
    once = made(
        root, joint, methods=methods, datasets={"rats_pairs_twin": datasets["rats_pairs_twin"] | {"one_seed": ["fold"]}}
    )
    assert {tuple(run.members) for run in of(once, "mixed")} == {("boosting@3", "daart")}


def test_modes_are_those_of_the_members_that_have_them(root: Path) -> None:
    experiment = made(root, {"both": ["raw", "lisbet"], "plain": ["raw", "pca"]}, modes=["sound", "faithful"])
    found = {(run.mode, *(each.mode for each in run.members.values())) for run in of(experiment, "both")}
    assert found == {("sound", "sound", "sound"), ("faithful", "sound", "faithful")}
    assert {run.mode for run in of(experiment, "plain")} == {"sound"}


def test_rows_are_compared_like_methods_and_survive_the_resolved_file(root: Path, tmp_path: Path) -> None:
    experiment = made(root, {"both": ["raw", "pca"]}, behaviour={"methods": ["both"]})
    write_resolved(tmp_path, experiment)
    for found in (experiment, read_resolved(tmp_path / "experiments/toy.json")):
        assert "both" in {run.method for run, _ in found.contenders()}
        assert any(path.startswith("runs/rats_pairs_twin/both/") for path in found.tables())
        assert found.programs("both") == ["joint", "raw", "pca"] and found.programs("raw") == ["raw"]
        assert {run.program for run in found.runs if run.method == "both"} == {"joint"}


@pytest.mark.parametrize(
    ("joint", "keys", "said"),
    [
        ({"both": ["raw"]}, {}, "joint.both: expected two members or more, or one with @seeds, e.g. raw@seeds."),
        ({"both": ["raw@seeds", "pca"]}, {}, "joint.both: 'raw' is the same with every seed; leave @seeds out."),
        ({"both": []}, {}, "joint.both: list should have at least 1 item"),
        ({"both": ["raw", "raw"]}, {}, "joint.both repeats 'raw'"),
        ({"both": ["raw", "pcb"]}, {}, "joint.both: 'pcb' is not listed under methods; did you mean 'pca'?"),
        ({"features": ["raw", "pca"]}, {}, "joint.features: 'features' is the name of a method"),
        ({"prior": ["raw", "pca"]}, {}, "joint.prior: 'prior' is the name of a method"),
        ({"A+B": ["raw", "pca"]}, {}, "joint.A+B"),
        (
            {"both": ["raw", "pca/dim~7"]},
            {"sweep": {"pca": {"dim": [4, 6]}}},
            "'pca' has no setting 'dim~7'; did you mean",
        ),
        (
            {"both": ["raw", "mvd"]},
            {"methods": {"raw": {}, "mvd": {}}, "datasets": {"rats_pairs_twin": {"splits": ["fold"]}}},
            "joint.both: 'mvd' reads clips; expected methods that read tracks",
        ),
        (
            {"both": ["raw", "pca"]},
            {"datasets": {"rats_pairs_twin": {"methods": ["raw", "both"]}}},
            "datasets.rats_pairs_twin.methods: 'both' needs its member 'pca'; list it, too",
        ),
        ({}, {"methods": {"joint": {}}, "datasets": {"rats_pairs_twin": {}}}, "methods.joint: name the rows under"),
        (
            {"both": ["raw", "pca"]},
            {"datasets": {"rats_pairs_twin": {"overrides": {"both": {}}}}},
            "the method 'both' is not listed under methods",
        ),
    ],
)
def test_mistakes_are_refused_in_one_sentence(
    root: Path, joint: dict[str, Any], keys: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        made(root, joint, **keys)
    message = str(caught.value)
    assert said.lower() in message.lower()
    assert "\n" not in message
