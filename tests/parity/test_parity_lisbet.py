"""LISBET beside the published versions 0.2.3, 0.3.0, 0.3.1, 0.4.0 and main: their embedders on the same tracks."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders.parity import extract, parity

from workflow_scripts.formats.embeddings import open_embeddings
from workflow_scripts.formats.splits import Split
from workflow_scripts.formats.tracks import Recording, write_tracks
from workflow_scripts.methods.lisbet import method
from workflow_scripts.methods.lisbet.config import Config
from workflow_scripts.methods.lisbet.draws import TRAIN, Drawer
from workflow_scripts.methods.lisbet.store import load_frames
from workflow_scripts.methods.originals import import_run
from workflow_scripts.methods.runs import embed
from workflow_scripts.sources import read_tracks
from workflow_scripts.views.tracks import DataSpec, TrackView

VERSIONS = {
    "0.2.3": "0.2.3",
    "0.3.0": "0.3.0",
    "0.3.1": "0.3.1 or 0.3.2",
    "0.4.0": "0.4 or later",
    "main": "0.4 or later",
}
CLOSE = 1e-5
"""Aim of parity; the largest difference seen is 1.1e-6 (docs/lisbet.md)."""


def archive(folder: Path) -> list[Recording]:
    found = read_tracks("lisbet_archive", folder / "all_records.h5", {}, recording="x")
    return [dataclasses.replace(one, fps=30.0) for one in found]


@pytest.fixture(scope="module")
def tracks(tmp_path_factory) -> TrackView:
    recordings = archive(parity("lisbet"))
    path = tmp_path_factory.mktemp("parity") / "tracks.h5"
    write_tracks(path, recordings)
    ids = [one.id for one in recordings]
    return TrackView(path, Split("parity", "all", "all", [], [], ids, {name: name for name in ids}))


@pytest.mark.parametrize("version", VERSIONS)
def test_an_imported_embedder_embeds_as_the_published_code(tmp_path, tracks, version):
    """The way of the workflow: import the folder as a run, embed every recording with it."""
    folder = parity("lisbet") / version
    notes = import_run(folder / "model", tmp_path / "run")
    assert f"LISBET {VERSIONS[version]}" in (tmp_path / "run" / "model_card.md").read_text()
    assert bool(notes) and any("28 columns" in note for note in notes) == (version in {"0.2.3", "0.3.0"})
    embed(tmp_path / "run" / "embedder", tracks, tmp_path / "embeddings.h5")
    tables = sorted((folder / "embeddings").rglob("features_lisbet_embedding.csv"))
    assert len(tables) == (4 if version in {"0.2.3", "0.3.0"} else 1)
    with open_embeddings(tmp_path / "embeddings.h5") as reader:
        for path in tables:
            published = pd.read_csv(path, index_col=0).to_numpy()
            ours = reader.read(path.parent.relative_to(folder / "embeddings").as_posix())
            assert ours.shape == published.shape
            assert np.abs(ours - published).max() < CLOSE, path


def test_the_window_decides(tracks, tmp_path):
    """Half the window, as a flat 0.3.1 folder was once read, is another embedding by far."""
    folder = parity("lisbet") / "0.3.1"
    import_run(folder / "model", tmp_path / "half", options={"window_size": 100})
    embed(tmp_path / "half" / "embedder", tracks, tmp_path / "half.h5")
    (path,) = (folder / "embeddings").rglob("*.csv")
    with open_embeddings(tmp_path / "half.h5") as reader:
        ours = reader.read(path.parent.relative_to(folder / "embeddings").as_posix())
    assert np.abs(ours - pd.read_csv(path, index_col=0).to_numpy()).max() > 0.1


def sines(frames: int) -> Recording:
    """Two mice by a formula, so that the extract below needs no file of data."""
    t = np.arange(frames)[:, None, None]
    point = np.arange(14).reshape(1, 2, 7)
    x = 512 + 300 * np.sin(0.02 * t + 0.3 * point) + 5 * point
    y = 285 + 150 * np.cos(0.03 * t + 0.2 * point) + 3 * point
    return Recording(
        id="sines",
        position=np.stack([x, y], axis=-1).astype(np.float32),
        confidence=np.ones((frames, 2, 7), np.float32),
        fps=30.0,
        individuals=("resident", "intruder"),
        keypoints=("nose", "left_ear", "right_ear", "neck", "left_hip", "right_hip", "tail"),
        group="sines",
        image_size=(1024.0, 570.0),
    )


def test_facts_of_the_published_code_hold():
    """Counts and rates that the published code gives, kept in the repository."""
    facts = extract("lisbet_facts")
    for preset, wanted in facts["parameters"].items():
        model = method.build(Config(mode="faithful", preset=preset), DataSpec.of(sines(2)))
        assert sum(value.numel() for value in model.parameters()) == wanted
    recordings = [dataclasses.replace(sines(20_000), id=f"r{k}", group=f"r{k}") for k in range(2)]
    for task, wanted in facts["positive_rates"].items():
        config = Config(mode="faithful", tasks=[task]).resolved()
        frames = load_frames(recordings, [20_000] * 2, DataSpec.of(recordings[0]), config)
        drawer = Drawer(frames, config)
        index = np.random.default_rng(0).integers(1_000, 19_000, 20_000)
        plan = drawer.plan(config.task_ids[0], 1, TRAIN, 0, 0, len(index), index)
        assert abs(plan.label.mean() - wanted) < 4 * 0.5 / np.sqrt(len(index)), task
