"""The stages of motifs: scan, prototypes, agreement with labels, and held-out accuracy of the tasks."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from builders.tracks import walkers
from builders.tracks import walkers_view as make_view

from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.validation import validate
from workflow_scripts.formats.embeddings import open_embeddings, write_embeddings
from workflow_scripts.formats.splits import write_split
from workflow_scripts.methods.lisbet.config import Config
from workflow_scripts.methods.lisbet.module import Lisbet
from workflow_scripts.methods.lisbet.pretext import task_accuracy
from workflow_scripts.motifs import hmm as motifs
from workflow_scripts.motifs.options import MotifConfig
from workflow_scripts.motifs.report import describe, scan
from workflow_scripts.motifs.section import write_motif_section
from workflow_scripts.report.sections import load

RECORDINGS = [walkers(f"r{k}", 400) for k in range(3)]


@pytest.fixture
def study(tmp_path):
    """Embeddings that follow the classes, two training recordings and a held-out one."""
    view = make_view(tmp_path, RECORDINGS)
    split = dataclasses.replace(view.split, train=["r0", "r1"], test=["r2"])
    rng = np.random.default_rng(0)
    centres = np.array([[0, 0], [4, 0], [0, 4]])
    each = []
    for recording in RECORDINGS:
        classes = recording.labels["behaviour"].values
        each.append((recording.id, (centres[classes] + rng.normal(0, 0.5, (400, 2))).astype(np.float32)))
    write_embeddings(tmp_path / "embeddings.h5", iter(each), names=["a", "b"], attributes={"method": "lisbet"})
    return tmp_path, split


def test_motifs_that_follow_the_classes_are_matched_with_them(study):
    folder, split = study
    options = MotifConfig(smallest=2, largest=5, restarts=2, frame_threshold=0.02)
    for states in options.states():
        scan(folder / "embeddings.h5", split, folder / "motifs", states, options)
    describe(folder / "embeddings.h5", folder / "tracks.h5", split, folder / "motifs", options)
    table = pd.read_csv(folder / "motifs" / "label_f1.csv")
    one = table[(table["task"] == "behaviour") & table["matched"] & table["set"].str.startswith("hmm")]
    assert set(one["class"]) == {"a", "b", "other"}
    # The likeliest model may split a class in two.
    assert one["f1_test"].min() > 0.6
    assert one["f1_test"].mean() > 0.85
    assert set(table["task"]) == {"behaviour", "near"}
    bouts = pd.read_csv(folder / "motifs" / "bouts.csv")
    assert set(bouts["recording"]) == {"r0", "r1", "r2"}
    shares = pd.read_csv(folder / "motifs" / "transitions.csv").drop(columns="motif")
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-4)
    for name in ("selection", "transitions", "label_f1_behaviour_prototypes"):
        assert (folder / "motifs" / f"{name}.pdf").stat().st_size > 1000


def test_motifs_are_shown_in_the_report(study):
    folder, split = study
    options = MotifConfig(smallest=3, largest=4, restarts=2)
    for k in options.states():
        scan(folder / "embeddings.h5", split, folder / "motifs", k, options)
    describe(folder / "embeddings.h5", folder / "tracks.h5", split, folder / "motifs", options)
    write_motif_section(folder / "motifs", "toy", "pca", folder / "section" / "section.json")
    (view,) = load([folder / "section" / "section.json"])
    assert [kind for kind, _ in view.blocks] == ["text", "table", "plot", "media", "media"]
    assert (view.title, view.dataset) == ("Motifs of pca", "toy")
    best = pd.read_csv(folder / "motifs" / "bouts.csv").query("set != 'prototypes'")
    shown = pd.read_csv(folder / "section" / "motifs.csv").set_index("motif")
    assert shown["bouts"].sum() == best["bouts"].sum()
    assert shown["frames_share"].sum() == pytest.approx(1, abs=0.01)
    seconds = (shown["bouts"] * shown["mean_duration_s"].fillna(0)).sum()
    assert seconds == pytest.approx((best["bouts"] * best["mean_duration_s"].fillna(0)).sum(), rel=1e-3)


def test_too_few_motifs_are_reported_and_lose_nothing_else(study):
    folder, split = study
    options = MotifConfig(smallest=2, largest=2)
    write_split(folder / "split.json", split)
    common = ["--split", folder / "split.json", "--settings", options.model_dump_json(), "--folder", folder / "m"]
    common += ["--embeddings", folder / "embeddings.h5"]
    run = [sys.executable, "-m"]
    subprocess.run([*run, "workflow_scripts.stages.motifs", *common, "--states", "2"], check=True)
    describe(folder / "embeddings.h5", folder / "tracks.h5", split, folder / "m", options)
    selection = pd.read_csv(folder / "m" / "selection.csv")
    assert "at least 4 are needed" in selection["note"][0]
    assert len(pd.read_csv(folder / "m" / "label_f1.csv"))


def test_the_section_is_checked():
    assert MotifConfig(smallest=3, largest=5).states() == [3, 4, 5]
    assert json.loads(MotifConfig().model_dump_json())["largest"] == 32
    with pytest.raises(ConfigError, match="largest must be no smaller"):
        validate(MotifConfig, {"smallest": 5, "largest": 3}, where="motifs")


def test_accuracy_of_the_tasks():
    from workflow_scripts.views.tracks import DataSpec

    config = Config(tasks=["order", "cons", "warp", "shift"], preset="16x2", window_size=24, embedding="token")
    torch.manual_seed(0)
    model = Lisbet(config, DataSpec.of(RECORDINGS[0]))
    found = task_accuracy(model, RECORDINGS, per_recording=100)
    assert list(found["task"]) == ["order", "cons", "warp", "shift"]
    assert (found["windows"] >= 300).all()
    assert ((found["low"] <= found["accuracy"]) & (found["accuracy"] <= found["high"])).all()
    assert found["accuracy"].between(0.35, 0.65).all()  # untrained: near chance
    pd.testing.assert_frame_equal(found, task_accuracy(model, RECORDINGS, per_recording=100))
    # A head that always says yes is right as often as the answer is yes.
    for head in model.task_heads.values():
        torch.nn.init.zeros_(head.logits.linear2.weight)
        torch.nn.init.ones_(head.logits.linear2.bias)
    assert task_accuracy(model, RECORDINGS, per_recording=100)["accuracy"].between(0.4, 0.6).all()
    assert task_accuracy(model, []).empty


@pytest.mark.parametrize(("mode", "drawn"), [("faithful", 2), ("sound", 1)])
def test_a_share_of_the_recordings_is_drawn_as_the_mode_says(study, monkeypatch, mode, drawn):
    """The original draws with replacement, and rounds up: 2 of 3 recordings at a share of 0.4."""
    folder, split = study
    split = dataclasses.replace(split, train=["r0", "r1", "r2"], test=[])
    with open_embeddings(folder / "embeddings.h5") as reader:
        arrays = [(name, reader.read(name)) for name in reader.ids]
    write_embeddings(folder / "embeddings.h5", iter(arrays), names=["a", "b"], attributes={"mode": mode})
    seen = []
    fit = motifs.FastGaussianHMM.fit
    monkeypatch.setattr(
        motifs.FastGaussianHMM, "fit", lambda self, data, lengths: seen.append(lengths) or fit(self, data, lengths)
    )
    scan(folder / "embeddings.h5", split, folder / "motifs", 2, MotifConfig(fit_frac=0.4))
    assert [len(lengths) for lengths in seen] == [drawn]
