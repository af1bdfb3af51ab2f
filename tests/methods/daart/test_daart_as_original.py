"""What the original computes, reads and writes, where it is not what one would expect."""

import shutil

import numpy as np
import pytest
import torch
import yaml
from builders.daart import DATA, MODEL, TRAIN, make_flies
from pydantic import ValidationError
from torch import nn

from workflow_scripts.core.errors import ConfigError, EthoMakeError, InputError
from workflow_scripts.core.files import read_yaml
from workflow_scripts.methods.daart.config import Config, LossOptions, NetworkOptions
from workflow_scripts.methods.daart.module import Segmenter
from workflow_scripts.methods.daart.network import Network
from workflow_scripts.methods.daart.original import read_original, write_original
from workflow_scripts.methods.daart.project import versions as project
from workflow_scripts.methods.daart.project.grid import read_grid
from workflow_scripts.methods.daart.project.jobs import settle
from workflow_scripts.methods.daart.project.search import search
from workflow_scripts.sources import daart_csv
from workflow_scripts.training.loop import fit
from workflow_scripts.training.metrics import read_metrics
from workflow_scripts.training.options import LoopOptions


@pytest.fixture(scope="module")
def flies(tmp_path_factory):
    return make_flies(tmp_path_factory.mktemp("flies"), frames=700)


@pytest.fixture
def files(flies, tmp_path):
    def make(data=None, model=None, train=None):
        places = {"data_dir": str(flies), "results_dir": str(tmp_path / "results")}
        configs = {"data": DATA | places | (data or {}), "model": MODEL | (model or {}), "train": TRAIN | (train or {})}
        paths = []
        for name, values in configs.items():
            paths.append(tmp_path / f"{name}.yaml")
            paths[-1].write_text(yaml.safe_dump(values, sort_keys=False))
        return paths

    return make


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_a_temporal_mlp_of_the_original_has_one_activation(tmp_path, layers):
    """Encoder and predictor: convolution (or first layer), activation, then plain layers."""
    options = NetworkOptions(backbone="temporal-mlp", n_hid_layers=layers, n_hid_units=6, activations="first")
    loss = LossOptions(lambda_pred=1)
    model = Segmenter(4, 3, network=options, loss=loss, learning_rate=1e-3).eval()
    write_original(tmp_path / "best_val_model.pt", model.state_dict(), options)
    state, guessed = read_original(tmp_path / "best_val_model.pt")
    assert guessed.activations == "first"
    again = Segmenter(4, 3, network=guessed, loss=loss, learning_rate=1e-3).eval()
    again.load_state_dict(state, strict=True)
    stored = torch.load(tmp_path / "best_val_model.pt", weights_only=True)

    def layer(name, x):
        return nn.functional.linear(x, stored[f"model.{name}.weight"], stored[f"model.{name}.bias"])

    x = torch.randn(1, 50, 4)
    with torch.no_grad():
        first = [stored[f"model.encoder.model.conv1d_layer_00.{part}"] for part in ("weight", "bias")]
        z = nn.functional.conv1d(x.transpose(1, 2), *first, padding=options.n_lags).transpose(1, 2)
        z = nn.functional.leaky_relu(z, 0.05)
        for k in range(layers):
            z = layer(f"encoder.model.dense_layer_{k + 1:02d}", z)
        y = nn.functional.leaky_relu(layer("predictor.model.dense_layer_00", z), 0.05)
        for k in range(layers):
            y = layer(f"predictor.model.dense_layer_{k + 1:02d}", y)
        found = again.network(x)
    torch.testing.assert_close(found.embedding, z)
    torch.testing.assert_close(found.prediction, y)


def test_weights_of_more_activations_are_not_written_for_the_original(tmp_path):
    options = NetworkOptions(backbone="temporal-mlp", n_hid_layers=2)
    assert options.activations == "every"
    every, first = (Network(4, 3, options.model_copy(update={"activations": name})) for name in ("every", "first"))
    first.load_state_dict(every.state_dict())
    x = torch.randn(1, 60, 4)
    assert not torch.allclose(every(x).embedding, first(x).embedding, atol=1e-3)
    model = Segmenter(4, 3, network=options, loss=LossOptions(), learning_rate=1e-3)
    with pytest.raises(EthoMakeError, match=r"would compute something else .* network\.activations: first"):
        write_original(tmp_path / "x.pt", model.state_dict(), options)
    assert not (tmp_path / "x.pt").exists()


def test_folders_from_before_are_computed_as_they_were_trained(files, flies, tmp_path):
    (version,) = project.run(*files(model={"backbone": "temporal-mlp"}, train={"max_epochs": 1}))
    model, _, hparams = project.load_version(version.folder)
    assert hparams["activations"] == model.network.options.activations == "first"
    for case, missing, expected in (
        ("ours", ("activations",), "every"),
        ("theirs", ("activations", "identity"), "first"),
    ):
        folder = tmp_path / case
        shutil.copytree(version.folder, folder)
        kept = {key: value for key, value in hparams.items() if key not in missing}
        (folder / "hparams.yaml").write_text(yaml.safe_dump(kept))
        assert project.load_version(folder)[0].network.options.activations == expected


def write(path, text):
    path.write_text(text)
    return path


def test_an_unnamed_index_is_no_feature_whatever_it_counts_from(tmp_path, caplog):
    path = write(tmp_path / "a.csv", ",speed,turn\n100,1,2\n101,3,5\n103,3,9\n")
    values, names = daart_csv.read_features(path)
    assert names == ["speed", "turn"] and values.tolist() == [[1, 2], [3, 5], [3, 9]]
    path = write(tmp_path / "b.csv", "Unnamed: 0,speed\n0,1\n1,3\n")
    assert daart_csv.read_features(path)[1] == ["speed"]
    path = write(tmp_path / "c.csv", "frame,speed\n0,1\n1,3\n2,9\n")
    assert not caplog.records
    values, names = daart_csv.read_features(path)
    assert names == ["frame", "speed"] and values[:, 0].tolist() == [0, 1, 2]
    assert "the column 'frame' counts the frames and is a feature" in caplog.text
    with pytest.raises(InputError, match="holds an index and no feature"):
        daart_csv.read_features(write(tmp_path / "d.csv", "Unnamed: 0\n0\n1\n"))


@pytest.mark.parametrize("command", ["run", "search", "jobs"])
def test_a_device_that_is_not_there_is_a_sentence_before_any_folder(files, tmp_path, monkeypatch, command):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    paths = files(train={"device": "cuda"}, model={"n_hid_layers": [1, 2]})
    with pytest.raises(ConfigError, match="device is cuda, and torch finds no such device here; set device: cpu"):
        if command == "run":
            project.run(*paths)
        elif command == "search":
            pytest.importorskip("optuna")
            search(*paths, trials=1)
        else:
            settle(read_grid(dict(zip(("data_config", "model_config", "train_config"), paths, strict=True))))
    assert not list(tmp_path.glob("results/**/version_*"))


def test_a_gpu_that_is_not_there_is_a_sentence_in_any_training(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EthoMakeError, match=r"training\.accelerator is gpu, and torch finds no GPU"):
        fit(None, None, folder=tmp_path / "run", options=LoopOptions(accelerator="gpu"), seed=0)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("where", "values", "said"),
    [
        ("train", {"train_frac": 0}, r"train\.yaml: train_frac: input should be greater than 0"),
        ("train", {"learning_rate": -1}, r"train\.yaml: learning_rate: input should be greater than 0"),
        ("train", {"trial_splits": "9;1"}, r"train\.yaml: trial_splits: must be four whole numbers"),
        ("data", {"ignore_class": "none"}, r"data\.yaml: ignore_class: input should be a valid integer"),
        ("data", {"expt_ids": []}, r"data\.yaml: expt_ids: list should have at least 1 item"),
        ("model", {"n_hid_layers": 0}, r"model\.yaml: .*the backbone dtcn needs n_hid_layers of at least 1"),
        ("model", {"dropout": 1.5}, r"model\.yaml: dropout: input should be less than 1"),
        ("train", {"batch_size": []}, r"train\.yaml: batch_size is an empty list"),
        ("train", {"tt_n_cpu_trials": 1, "batch_size": [1, 2]}, r"train\.yaml: the grid has 2 points"),
    ],
)
def test_a_wrong_value_is_reported_with_its_own_file(files, where, values, said):
    with pytest.raises(ConfigError, match=f"{said}") as refused:
        project.run(*files(**{where: values}))
    others = {"data", "model", "train"} - {where}
    assert not any(f"{other}.yaml" in str(refused.value) for other in others)


def test_a_missing_data_dir_is_reported_with_the_data_file(files, tmp_path):
    paths = files()
    values = yaml.safe_load(paths[0].read_text())
    del values["data_dir"]
    paths[0].write_text(yaml.safe_dump(values))
    with pytest.raises(ConfigError, match=r"data\.yaml: data_dir: field required"):
        project.run(*paths)


def test_one_recording_may_be_named_as_plain_text(files):
    (version,) = project.run(*files(data={"expt_ids": "fly1"}, train={"max_epochs": 1}))
    assert version.options.expt_ids == ["fly1"] and (version.folder / "fly1_states.npy").is_file()
    (same,) = project.run(*files(data={"expt_ids": ["fly1"]}, train={"max_epochs": 1}))
    assert same.existed and same.folder == version.folder


ORIGINAL_KEYS = [
    "activation",
    "anneal_end",
    "anneal_start",
    "backbone",
    "batch_size",
    "best_val_epoch",
    "bidirectional",
    "class_weights",
    "classifier_type",
    "data_config",
    "data_dir",
    "device",
    "dropout",
    "early_stop_history",
    "enable_early_stop",
    "expt_dir",
    "expt_ids",
    "gpus_vis",
    "hpc_exp_number",
    "ignore_class",
    "input_size",
    "input_type",
    "l2_reg",
    "lambda_pred",
    "lambda_recon",
    "lambda_strong",
    "lambda_task",
    "lambda_weak",
    "learning_rate",
    "max_epochs",
    "min_epochs",
    "model_class",
    "model_config",
    "model_dir",
    "n_hid_layers",
    "n_hid_units",
    "n_lags",
    "output_size",
    "plot_train_curves",
    "prob_threshold",
    "results_dir",
    "rng_seed_model",
    "rng_seed_train",
    "save_last_model",
    "semi_supervised_algo",
    "sequence_length",
    "sequence_pad",
    "train_config",
    "train_frac",
    "training_completed",
    "trial_splits",
    "tt_experiment_name",
    "tt_n_cpu_trials",
    "tt_n_cpu_workers",
    "tt_version_dir",
    "val_check_interval",
    "variance_threshold",
    "variational",
    "version",
    "weight_classes",
]
"""Keys that daart main writes into hparams.yaml."""


def test_hparams_have_every_key_of_the_originals(files):
    paths = files(train={"max_epochs": 1, "gpus_vis": "0;1"}, model={"lambda_recon": 0.5})
    (version,) = project.run(*paths)
    hparams = read_yaml(version.folder / "hparams.yaml")
    assert not set(ORIGINAL_KEYS) - set(hparams)
    assert [hparams[f"{name}_config"] for name in ("data", "model", "train")] == [str(path) for path in paths]
    assert (hparams["gpus_vis"], hparams["lambda_recon"], hparams["tt_n_cpu_workers"]) == ("0;1", 0.5, 5)
    assert hparams["hpc_exp_number"] is None and hparams["plot_train_curves"] is True
    np.testing.assert_equal(np.load(version.folder / "fly1_states.npy").shape[1], hparams["output_size"])


def test_the_best_epoch_has_the_lowest_loss_of_the_hand_labels(files):
    """Macro F1 of few frames jumps, and took epochs that lost up to 0.1 on the flies' twin (docs/daart.md)."""
    dense = {"sequence_length": 50, "trial_splits": "2;1;0;0"}
    (version,) = project.run(*files(train=dense | {"max_epochs": 4, "learning_rate": 1e-2, "min_epochs": 4}))
    hparams = read_yaml(version.folder / "hparams.yaml")
    table = read_metrics(version.folder / "metrics.csv").set_index("epoch")
    assert hparams["monitor"] == "val_loss_strong"
    assert hparams["best_val_epoch"] == table["val_loss_strong"].idxmin()
    assert Config().training.monitor == "val_loss_strong"
    options = version.options.model_copy(update={"lambda_strong": 0.0})
    assert options.loop(scored=True, validates=True).monitor == "val_macro_f1"
    assert options.loop(scored=False, validates=True).monitor == "val_loss"


def test_a_metric_and_the_wrong_way_round_are_refused():
    with pytest.raises(ValidationError, match=r"val_macro_f1 needs training\.mode max"):
        Config(training={"monitor": "val_macro_f1"})
    with pytest.raises(ValidationError, match=r"val_loss_strong needs training\.mode min"):
        Config(training={"monitor": "val_loss_strong", "mode": "max"})
