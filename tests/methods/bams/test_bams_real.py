from __future__ import annotations

import numpy as np
import pytest
from builders.tracks import mice_view as view

from workflow_scripts.cards.card import load_card
from workflow_scripts.convert.tracks import convert_shard
from workflow_scripts.methods import parse, runs
from workflow_scripts.methods.bams.config import Config
from workflow_scripts.methods.bams.data import BamsData
from workflow_scripts.methods.bams.method import build, embed
from workflow_scripts.views.tracks import DataSpec


def test_real_mouse_clip_is_converted_and_embedded(root, mirror):
    folder = mirror / "mabe22-clip"
    if not folder.is_dir():
        pytest.skip("no mabe22-clip in the mirror")
    card = load_card(root / "config/datasets/mabe22_clip.yaml")
    (recording,) = convert_shard(card, card.shards[0], folder)
    lost = np.isnan(recording.position).any(-1).mean((0, 2))
    np.testing.assert_allclose(lost, [0.199, 0.023, 0.09], atol=1e-3)
    model = build(Config(), DataSpec.of(recording))
    assert model.layout.kind == "mouse"  # its names have spaces and "center"
    found = embed(model, recording)
    assert found.shape == (1800, 128) and np.isfinite(found).all()


def test_real_rats_train_and_embed_by_their_coordinates(root, mirror, tmp_path):
    folder = mirror / "rats-pairs-a"
    if not folder.is_dir():
        pytest.skip("no rats-pairs-a in the mirror")
    card = load_card(root / "config/datasets/rats_pairs.yaml")
    recordings = [next(convert_shard(card, shard, folder)) for shard in map(card.shard, ("1", "8"))]
    split = view(tmp_path, recordings, train=1)
    options = {"crop": 256, "batch_size": 8, "short_term": [8, 8], "long_term": [8, 8], "hoa_hidden": [16]}
    options |= {"training": {"max_epochs": 1, "batches_per_epoch": 4, "monitor": None}}
    parsed = parse("bams", options).model_dump(mode="json")
    runs.train("bams", {"mode": "sound", "options": parsed}, split, folder=tmp_path / "run", seed=0)
    runs.export_embedder(tmp_path / "run")
    model, _ = runs.load_embedder(tmp_path / "run" / "embedder")
    found = embed(model, recordings[1])
    assert found.shape == (recordings[1].n_frames, 2 * 16) and np.isfinite(found).all()
    assert len(BamsData(split, Config(crop=256)).layout.inputs) == 20
    assert recordings[1].labels["S1"].mask.any()  # what the probe asks of these embeddings
