"""daart beside its main branch (June 2025): three of its models on markers that they were not trained on."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from builders.parity import parity

from workflow_scripts.formats.predictions import open_predictions
from workflow_scripts.formats.splits import Split
from workflow_scripts.formats.tracks import Labels, write_tracks
from workflow_scripts.methods import Facts
from workflow_scripts.methods.daart.project import versions as project
from workflow_scripts.methods.originals import import_run
from workflow_scripts.methods.runs import predict
from workflow_scripts.sources import read_tracks
from workflow_scripts.views.tracks import TrackView

BACKBONES = ("dtcn", "lstm", "temporal-mlp")
CLOSE = 1e-5
"""Aim of parity; the largest difference seen is 6.9e-7 (docs/daart.md)."""


@pytest.mark.parametrize("backbone", BACKBONES)
def test_states_of_an_original_version(tmp_path, backbone):
    folder = parity("daart")
    (path,) = project.predict(folder / backbone, [folder / "test_fly_markers.csv"], tmp_path)
    ours, published = np.load(path), np.load(folder / backbone / "states.npy")
    assert len(ours) > len(published)  # the original leaves the last 230 frames out
    difference = np.abs(ours[: len(published)] - published).max()
    assert difference < CLOSE
    assert (ours[: len(published)].argmax(axis=1) == published.argmax(axis=1)).all()


@pytest.mark.parametrize("backbone", BACKBONES)
def test_an_imported_version_predicts_as_the_published_code(tmp_path, backbone):
    """The way of the workflow: import the folder as a run, predict tracks; the unscored class is left out."""
    folder = parity("daart")
    classes = ("a", "b", "c", "d", "e")
    (one,) = read_tracks("daart_csv", folder / "test_fly_markers.csv", {}, recording="fly")
    labels = Labels(np.zeros(one.n_frames, np.int16), np.ones(one.n_frames, bool), "frame", "multiclass", classes)
    one = dataclasses.replace(one, fps=70.0, labels={"behaviour": labels})
    write_tracks(tmp_path / "tracks.h5", [one])
    view = TrackView(tmp_path / "tracks.h5", Split("fly", "all", "all", [], [], ["fly"], {"fly": "fly"}))
    import_run(folder / backbone, tmp_path / "run", data=view.path)
    predict(tmp_path / "run" / "embedder", view, ["behaviour"], tmp_path / "p.h5", readout="native")
    with open_predictions(tmp_path / "p.h5") as reader:
        ours = reader.read("behaviour", "fly").scores
    published = np.load(folder / backbone / "states.npy")[:, 1:].astype(np.float64)
    published /= published.sum(axis=1, keepdims=True)
    assert np.abs(ours[: len(published)] - published).max() < CLOSE


def test_more_activations_are_another_network():
    """Two hidden layers: the published states are those of one activation, far from those of one after each layer."""
    folder = parity("daart")
    model, options, _ = project.load_version(folder / "temporal-mlp")
    x, _ = project.read_inputs(folder / "test_fly_markers.csv", options)
    every = project.make_model(
        options,
        x.shape[1],
        model.classes,
        network=options.network.model_copy(update={"activations": "every"}),
    )
    every.load_state_dict(model.state_dict(), strict=True)
    published = np.load(folder / "temporal-mlp" / "states.npy")
    far = np.abs(every.probabilities(x).numpy()[: len(published)] - published).max()
    assert far > 0.01


def test_classes_may_be_named_without_the_unscored_one(tmp_path):
    folder = parity("daart")
    facts = Facts(fps=70.0, classes=("still", "walk", "front", "back", "abdomen"))
    notes = import_run(folder / "dtcn", tmp_path / "run", facts)
    assert "the class 'background' means unscored and is left out" in notes
    assert "its 8 keypoints have no names and are numbered" in notes
