import shutil
import sys

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from builders.daart import DATA, FRAMES, MODEL, TRAIN, make_flies

from workflow_scripts import cli
from workflow_scripts.core.errors import ConfigError, EthoMakeError, InputError
from workflow_scripts.core.files import read_yaml
from workflow_scripts.methods.daart.project import versions as project
from workflow_scripts.methods.daart.project.search import search, search_space


@pytest.fixture(scope="module")
def flies(tmp_path_factory):
    return make_flies(tmp_path_factory.mktemp("flies"))


@pytest.fixture
def command(flies, tmp_path):
    def make(data=None, model=None, train=None, workers=1, run=project.run):
        places = {"data_dir": str(flies), "results_dir": str(tmp_path / "results")}
        configs = {"data": DATA | places | (data or {}), "model": MODEL | (model or {}), "train": TRAIN | (train or {})}
        paths = []
        for name, values in configs.items():
            paths.append(tmp_path / f"{name}.yaml")
            paths[-1].write_text(yaml.safe_dump(values, sort_keys=False))
        return run(*paths, workers=workers)

    return make


def test_a_search_repeats_its_draws_and_goes_on(command, tmp_path):
    pytest.importorskip("optuna", reason="Optuna is an extra: pip install 'ethomake[search]'")
    axes = {"n_hid_layers": [1, 2], "lambda_pred": 0, "dropout": {"low": 0.0, "high": 0.5}}
    command(model=axes, train={"max_epochs": 1, "monitor": "val_loss"}, run=lambda *paths, workers: None)
    files = [tmp_path / f"{name}.yaml" for name in ("data", "model", "train")]
    first = search(*files, trials=2)
    assert [v.folder.name for v in first] == ["version_0", "version_1"] and not any(v.existed for v in first)
    before = stamps(first)
    further = search(*files, trials=3)
    assert [v.existed for v in further] == [True, True, False] and [v.folder for v in further[:2]] == [
        v.folder for v in first
    ]
    assert {p: s for p, s in stamps(further).items() if p in before} == before
    assert all(0 <= v.options.dropout <= 0.5 for v in further)
    board = pd.read_csv(first[0].folder.parent / "leaderboard.csv")
    assert len(board) == 3 and {"dropout", "n_hid_layers", "val_loss"} <= set(board.columns)
    other = search(*files, trials=1, sampler="random", seed=5)
    assert other[0].options.dropout not in {v.options.dropout for v in further}


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({}, "nothing to search"),
        ({"dropout": {"low": 0.5}}, "dropout is no range"),
        ({"learning_rate": {"low": 0, "high": 1, "log": True}}, "learning_rate is no range"),
    ],
)
def test_what_cannot_be_searched_is_a_sentence(model, said):
    with pytest.raises(ConfigError, match=said):
        search_space(model, "model.yaml")


def test_without_optuna_a_sentence_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ConfigError, match=r"pip install 'ethomake\[search\]'"):
        search(tmp_path, tmp_path, tmp_path, trials=1)


def test_a_version_has_the_originals_files(command, flies, tmp_path):
    (version,) = command(train={"save_last_model": True})
    assert version.folder == tmp_path / "results" / "multi-0" / "dtcn" / "test" / "version_0"
    listed = pd.read_csv(tmp_path / "results" / "multi-0" / "expt_info.csv")
    assert list(listed.columns) == ["expt"] and listed.expt.tolist() == ["fly1", "fly2"]
    names = {path.name for path in version.folder.iterdir()}
    expected = "best_val_model.pt last_model.pt console.log hparams.yaml metrics.csv train_curves.png val_curves.png"
    assert {*expected.split(), "fly1_states.npy", "fly2_states.npy"} <= names
    states = np.load(version.folder / "fly1_states.npy")
    assert states.shape == (FRAMES, 6) and states.dtype == np.float32
    np.testing.assert_allclose(states.sum(axis=1), 1, atol=1e-5)
    hparams = read_yaml(version.folder / "hparams.yaml")
    assert hparams["training_completed"] is True and hparams["learning_rate"] == 1e-4
    assert (hparams["input_size"], hparams["output_size"], hparams["sequence_pad"]) == (16, 6, 12)
    assert hparams["class_names"][0] == "background"
    assert hparams["test_macro_f1"] is None or 0 <= hparams["test_macro_f1"] <= 1
    stored = torch.load(version.folder / "best_val_model.pt", weights_only=True)
    assert stored["model.classifier.dense(classification)_layer_00.bias"].shape == (6,)


def stamps(versions):
    return {p: p.stat().st_mtime_ns for v in versions for p in v.folder.glob("*_states.npy")}


def typed(data, model, train, workers):
    """The command as users type it."""
    words = ["daart", "--data_config", data, "--model_config", model, "--train_config", train, "--workers", workers]
    return cli.main(list(map(str, words)))


def test_a_grid_runs_once_and_then_only_what_changed(command, capsys):
    axes = {"n_hid_layers": [1, 2], "lambda_pred": [0, 1]}
    first = command(model=axes, train={"max_epochs": 1})
    assert [v.folder.name for v in first] == ["version_0", "version_1", "version_2", "version_3"]
    assert [(v.options.n_hid_layers, v.options.lambda_pred) for v in first] == [(1, 0), (1, 1), (2, 0), (2, 1)]
    before = stamps(first)
    again = command(model=axes, train={"max_epochs": 1})
    assert all(v.existed for v in again) and stamps(again) == before
    assert [v.folder for v in again] == [v.folder for v in first]
    assert command(model=axes, train={"max_epochs": 1}, run=typed) == 0
    assert capsys.readouterr().out.split() == [str(v.folder) for v in first] and stamps(first) == before
    changed = command(model=axes | {"lambda_pred": [0, 2]}, train={"max_epochs": 1})
    assert [v.existed for v in changed] == [True, False, True, False]
    assert [v.folder.name for v in changed] == ["version_0", "version_4", "version_2", "version_5"]
    assert {p: s for p, s in stamps(changed).items() if p in before} == {
        p: s for p, s in before.items() if p.parent.name in ("version_0", "version_2")
    }
    board = pd.read_csv(first[0].folder.parent / "leaderboard.csv")
    assert set(board.version) == {v.folder.name for v in changed}
    assert {"n_hid_layers", "lambda_pred", "best_val_epoch", "val_loss"} <= set(board.columns)


@pytest.mark.slow
def test_processes_give_the_same_versions(command, tmp_path):
    axes = {"rng_seed_model": [0, 1]}
    one = [np.load(v.folder / "fly1_states.npy") for v in command(model=axes, train={"max_epochs": 1})]
    shutil.rmtree(tmp_path / "results")
    two = [np.load(v.folder / "fly1_states.npy") for v in command(model=axes, train={"max_epochs": 1}, workers=2)]
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    assert not np.array_equal(one[0], one[1])


def test_an_unfinished_version_goes_on_in_its_own_folder(command):
    (version,) = command()
    hparams = read_yaml(version.folder / "hparams.yaml") | {"training_completed": False}
    (version.folder / "hparams.yaml").write_text(yaml.safe_dump(hparams))
    (version.folder / "fly1_states.npy").unlink()
    (again,) = command()
    assert again.folder == version.folder and not again.existed
    assert (version.folder / "fly1_states.npy").is_file()
    assert read_yaml(version.folder / "hparams.yaml")["training_completed"] is True


def test_options_left_out_of_the_originals_identity_count(command):
    (first,) = command(train={"max_epochs": 1})
    (second,) = command(train={"max_epochs": 1}, data={"weight_classes": True})
    (third,) = command(train={"max_epochs": 1}, data={"expt_ids_to_keep": ["fly1"]})
    assert len({first.folder, second.folder, third.folder}) == 3


def test_changed_data_are_another_version(command, flies, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(flies, copy)
    (first,) = command(data={"data_dir": str(copy)}, train={"max_epochs": 1})
    (moved,) = command(train={"max_epochs": 1})
    assert moved.existed and moved.folder == first.folder
    path = copy / "labels-hand" / "fly1.csv"
    text = path.read_text()
    path.write_text(text.replace("\n5,1,0,0,0,0,0\n", "\n5,0,1,0,0,0,0\n"))
    assert path.read_text() != text
    (second,) = command(data={"data_dir": str(copy)}, train={"max_epochs": 1})
    assert second.folder != first.folder


def test_prediction_of_new_and_short_recordings(command, flies, tmp_path):
    (version,) = command(train={"max_epochs": 1}, data={"expt_ids": ["fly1"]})
    assert version.folder.parts[-4] == "fly1"
    (path,) = project.predict(version.folder, [flies / "markers" / "fly1.csv"], tmp_path / "new")
    np.testing.assert_allclose(np.load(path), np.load(version.folder / "fly1_states.npy"), atol=1e-6)
    short = tmp_path / "short.csv"
    short.write_text("".join((flies / "markers" / "fly3.csv").read_text().splitlines(keepends=True)[:10]))
    (path,) = project.predict(version.folder, [short], tmp_path / "new")
    assert np.load(path).shape == (7, 6)
    np.save(tmp_path / "narrow.npy", np.random.default_rng(0).random((50, 4)))
    with pytest.raises(InputError, match="has 4 columns, the model was trained on 16"):
        project.predict(version.folder, [tmp_path / "narrow.npy"], tmp_path / "new")


def test_an_original_folder_without_our_additions_is_read(command, flies, tmp_path):
    (version,) = command(train={"max_epochs": 1})
    hparams = read_yaml(version.folder / "hparams.yaml")
    kept = {k: v for k, v in hparams.items() if k not in ("identity", "class_names", "input_names", "test_macro_f1")}
    old = tmp_path / "old"
    old.mkdir()
    (old / "hparams.yaml").write_text(yaml.safe_dump(kept | {"device": "cuda", "hpc_exp_number": 0}))
    shutil.copy(version.folder / "best_val_model.pt", old)
    (path,) = project.predict(old, [flies / "markers" / "fly2.csv"], tmp_path / "new")
    np.testing.assert_allclose(np.load(path), np.load(version.folder / "fly2_states.npy"), atol=1e-6)


@pytest.mark.parametrize(
    ("where", "values", "error", "said"),
    [
        ("model", {"bakbone": "dtcn"}, ConfigError, "'bakbone'; did you mean 'backbone'"),
        ("model", {"backbone": "tcn"}, ConfigError, "temporal-mlp"),
        ("model", {"n_lags": []}, ConfigError, "n_lags is an empty list"),
        ("model", {"n_lags": [1, 2, 3]}, ConfigError, "3 points and tt_n_cpu_trials allows 2"),
        ("data", {"expt_ids": ["fly1", "fly9"]}, InputError, "holds no fly9"),
        ("data", {"input_type": "features"}, InputError, "features: holds no fly1"),
        ("data", {"data_dir": "/nowhere"}, InputError, "is no folder"),
        ("data", {"ignore_class": 6}, ConfigError, "ignore_class is 6, and there are 6 classes"),
        ("data", {"expt_ids_to_keep": "fly1;fly3"}, ConfigError, "'fly3' is not among expt_ids"),
        ("data", {"learning_rate": 0.1}, ConfigError, "learning_rate is '1e-4' here and 0.1 in a file before"),
        ("train", {"trial_splits": "9;1"}, ConfigError, "four whole numbers"),
    ],
)
def test_files_that_are_refused_before_training(command, tmp_path, where, values, error, said):
    values = values | ({"tt_n_cpu_trials": 2} if "allows 2" in said and where == "train" else {})
    with pytest.raises(error, match=said):
        command(**{where: values, **({"train": {"tt_n_cpu_trials": 2}} if "allows 2" in said else {})})
    assert not list((tmp_path / "results").glob("*/*/*/version_*"))


def test_label_tables_must_agree(command, flies, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(flies, copy)
    path = copy / "labels-hand" / "fly2.csv"
    text = path.read_text()
    path.write_text(text.replace("still,walk", "walk,still", 1))
    with pytest.raises(InputError, match=r"fly2\.csv: has the classes background, walk, still"):
        command(data={"data_dir": str(copy)})
    path.write_text("".join(text.splitlines(keepends=True)[:100]))
    with pytest.raises(InputError, match=f"labels 99 frames, the input has {FRAMES}"):
        command(data={"data_dir": str(copy)})
    path.unlink()
    (version,) = command(data={"data_dir": str(copy)}, train={"max_epochs": 1})
    assert np.load(version.folder / "fly2_states.npy").shape == (FRAMES, 6)  # fully unlabelled by hand, any length


def test_a_failed_point_is_reported_after_the_others_ran(command, tmp_path):
    with pytest.raises(EthoMakeError, match=r"1 of 2 points failed; the first, version_1: Training diverged"):
        command(train={"learning_rate": [1e-4, 1e30], "monitor": "val_loss"})
    assert (tmp_path / "results/multi-0/dtcn/test/version_0/fly1_states.npy").is_file()
    assert read_yaml(tmp_path / "results/multi-0/dtcn/test/version_1/hparams.yaml")["training_completed"] is False
