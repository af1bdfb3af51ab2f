"""Decisions tuned on the held-out predictions of other folds, for a method's own readout and for final runs."""

from __future__ import annotations

import argparse

import numpy as np
import pytest
from builders.tracks import walkers

from workflow_scripts.behaviour.decided import read_decision
from workflow_scripts.formats.predictions import Prediction, create_predictions, open_predictions
from workflow_scripts.formats.tracks import write_tracks
from workflow_scripts.stages.decide_folds import READOUT, work

FRAMES = 400
SETTINGS = '{"decisions": {}, "probe": {}}'


def predicted(path, names, *, flicker: float = 0.05):
    """A readout that is right but for single frames, which a decision should smooth away."""
    with create_predictions(path) as writer:
        writer.task(
            "S", kind="multiclass", level="frame", vocabulary=("none", "walk"), readout="native", background="none"
        )
        for name in names:
            rng = np.random.default_rng([*name.encode()])
            truth = ((np.arange(FRAMES) // 50) % 2).astype(np.int16)
            shown = np.where(rng.random(FRAMES) < flicker, 1 - truth, truth)
            scores = np.stack([1 - shown, shown], axis=1) * 0.6 + 0.2
            mask = np.ones(FRAMES, bool)
            writer.add("S", Prediction(name, name, truth, mask, shown.astype(np.int16), scores.astype(np.float32)))
    return path


@pytest.fixture
def folds(tmp_path):
    write_tracks(tmp_path / "tracks.h5", [walkers(name, FRAMES, labelled=False) for name in "abcd"])
    return tmp_path, predicted(tmp_path / "0.h5", "ab"), predicted(tmp_path / "1.h5", "cd")


def options(folder, **more):
    plain = {"tracks": folder / "tracks.h5", "settings": SETTINGS, "others": [], "probe": [], "predictions": None}
    return argparse.Namespace(**(plain | {"decision": folder / "decision.yaml", "output": None} | more))


def test_a_fold_is_decided_by_what_the_others_tune_and_its_bouts_are_whole(folds):
    folder, first, second = folds
    work(options(folder, predictions=first, others=[second], output=folder / "decided.h5"))
    with open_predictions(folder / "decided.h5") as reader:
        assert reader.info("S")[3] == READOUT
        found = reader.read("S", "a")
    changes = int((np.diff(found.prediction) != 0).sum())
    assert changes <= 11  # eight stretches; the flicker had dozens of changes
    assert (found.prediction == found.truth).mean() > 0.9
    assert list(read_decision(folder / "decision.yaml", native=True)) == ["S"]
    assert read_decision(folder / "decision.yaml") == {}


def test_a_final_run_is_decided_by_all_folds_probe_and_native_apart(folds):
    folder, first, second = folds
    work(options(folder, others=[first, second], probe=[second]))
    assert list(read_decision(folder / "decision.yaml")) == ["S"]
    native = read_decision(folder / "decision.yaml", native=True)["S"]
    assert native.background == "none"
    assert native.held_score > 0.9


def test_a_split_without_other_folds_keeps_the_plain_decision(folds):
    folder, first, _ = folds
    work(options(folder, predictions=first, output=folder / "decided.h5"))
    assert np.isnan(read_decision(folder / "decision.yaml", native=True)["S"].held_score)
