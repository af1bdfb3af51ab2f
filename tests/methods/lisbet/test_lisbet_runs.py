"""Through the generic stages: train, export, embed, predict; and a training cut off in the middle."""

import dataclasses

import numpy as np
import pytest
import torch
from builders.tracks import walkers
from builders.tracks import walkers_view as make_view

from workflow_scripts.experiment.experiment import load_experiment
from workflow_scripts.formats.embeddings import open_embeddings
from workflow_scripts.formats.predictions import open_predictions
from workflow_scripts.methods import config_model, parse, runs
from workflow_scripts.methods.lisbet.config import Config
from workflow_scripts.methods.lisbet.data import LisbetData
from workflow_scripts.methods.lisbet.module import Lisbet
from workflow_scripts.training.loop import fit
from workflow_scripts.views.tracks import TrackView

OPTIONS = {
    "tasks": ["shift", "order", "multiclass"],
    "labels": ["behaviour"],
    "preset": "16x2",
    "window_size": 24,
    "batch_size": 8,
    "train_sample": 0.1,
    "pretrain_epochs": 1,
    "training": {"max_epochs": 2, "monitor": None, "accelerator": "cpu"},
}


@pytest.fixture
def split_view(tmp_path):
    view = make_view(tmp_path, [walkers(f"r{k}", 150) for k in range(3)])
    return TrackView(view.path, dataclasses.replace(view.split, train=["r0", "r1"], test=["r2"]))


@pytest.mark.parametrize("mode", ["sound", "faithful"])
def test_the_stages(split_view, tmp_path, mode):
    folder = tmp_path / "run"
    settings = {"mode": mode, "options": parse("lisbet", OPTIONS).model_dump(mode="json")}
    runs.train("lisbet", settings, split_view, folder=folder, seed=5)
    runs.export_embedder(folder)
    runs.embed(folder / "embedder", split_view, tmp_path / "embeddings.h5")
    with open_embeddings(tmp_path / "embeddings.h5") as reader:
        assert sorted(reader.ids) == ["r0", "r1", "r2"]
        # Of the mode, though the experiment had spelt out the options before it was known.
        assert reader.dim == (32 if mode == "sound" else 16)
        assert reader.n_frames("r2") == 150
    runs.predict(folder / "embedder", split_view, ["behaviour", "near"], tmp_path / "p.h5", readout="finetuned")
    with open_predictions(tmp_path / "p.h5") as reader:
        assert reader.tasks == ["behaviour"]
        found = reader.read("behaviour", "r2")
        np.testing.assert_array_equal(found.prediction, found.scores.argmax(axis=1))
        np.testing.assert_array_equal(found.truth, walkers("r2", 150).labels["behaviour"].values)


def test_a_training_cut_off_goes_on_bit_for_bit(view, tmp_path, monkeypatch):
    config = Config(
        **OPTIONS | {"training": {"max_epochs": 3, "monitor": None, "accelerator": "cpu"}}, augmentation="rotation"
    )

    def go(folder):
        torch.manual_seed(0)
        model = Lisbet(config, view.spec())
        return model, fit(model, LisbetData(view, config), folder=folder, options=config.training, seed=1, digest="x")

    whole, _ = go(tmp_path / "whole")
    step = Lisbet.training_step

    def dying(self, batch, batch_idx):
        if self.current_epoch == 2 and batch_idx == 1:
            raise RuntimeError("cut off")
        return step(self, batch, batch_idx)

    monkeypatch.setattr(Lisbet, "training_step", dying)
    with pytest.raises(RuntimeError, match="cut off"):
        go(tmp_path / "cut")
    monkeypatch.setattr(Lisbet, "training_step", step)
    again, result = go(tmp_path / "cut")
    assert result.resumed_after == 1
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    history = [(tmp_path / run / "training_history.log").read_text() for run in ("whole", "cut")]
    assert history[0] == history[1]


def test_the_paper_experiments_are_valid():
    from pathlib import Path

    root = Path(__file__).parents[3]
    full = load_experiment(root, {"experiment": "paper_lisbet_calms21"})
    run = next(run for run in full.runs if run.method == "lisbet" and run.dataset == "calms21_unlabeled")
    config = Config(**run.options | {"mode": run.mode}).resolved()
    assert (config.backbone.embedding_dim, config.backbone.num_layers, config.backbone.max_length) == (64, 8, 400)
    assert (config.training.max_epochs, config.train_sample, run.seed, config.schedule) == (
        100,
        0.05,
        1234,
        "reference",
    )
    tuned = next(run for run in full.runs if run.method == "lisbet" and run.dataset == "calms21_task1")
    first = f"results/paper_lisbet_calms21/{run.path()}/weights_last.safetensors"
    assert tuned.options["load_backbone"] == first
    assert (
        len(
            [
                run
                for run in load_experiment(root, {"experiment": "paper_lisbet_calms21_twin"}).runs
                if run.method == "lisbet"
            ]
        )
        == 2
    )


def test_reading_the_options_imports_no_torch():
    import subprocess
    import sys

    code = "import sys; from workflow_scripts.methods import parse; parse('lisbet', {}); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    assert config_model("lisbet").neural


def test_recordings_without_labels_are_embedded_unless_refused():
    from pathlib import Path

    root = Path(__file__).parents[3]
    use = {"methods": ["raw"], "splits": ["official"]}

    def ends(**more):
        overrides = {"experiment": "x", "datasets": {"calms21_unlabeled": use | more}, "methods": {"raw": {}}}
        return [path.split("/seed0/")[1] for path in load_experiment(root, overrides).pretraining_results()]

    assert ends() == ["embeddings.h5"]
    assert ends(embed=False) == ["embedder/config.yaml"]
