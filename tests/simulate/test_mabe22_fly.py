from __future__ import annotations

import numpy as np
import pytest

from workflow_scripts.cards.card import load_card
from workflow_scripts.convert.tracks import convert_shard
from workflow_scripts.evaluation.mabe.evaluator import evaluate_mabe
from workflow_scripts.evaluation.mabe.submission import write_submission
from workflow_scripts.formats.embeddings import write_embeddings
from workflow_scripts.methods.bams.config import Config
from workflow_scripts.methods.bams.features import Layout, compute
from workflow_scripts.methods.bams.method import build, embed
from workflow_scripts.simulate import make_file
from workflow_scripts.simulate.mabe22_fly import RADIUS, TASKS
from workflow_scripts.sources import read_tracks
from workflow_scripts.views.tracks import DataSpec

SMALL = {"seed": 2, "train": 2, "submission": 8, "public": 3, "private": 4, "frames": 200}


@pytest.fixture(scope="module")
def twin(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mabe22_fly_twin")
    card = load_card(root / "config/datasets/mabe22_fly_twin.yaml")
    for file in card.files:
        make_file(card.simulate.generator, file.path, folder / file.path, SMALL, card)
    return card, folder, [r for shard in card.shards for r in convert_shard(card, shard, folder)]


def test_fly_twin_converts_through_its_card(twin):
    card, _, recordings = twin
    assert len(recordings) == 17
    assert set(TASKS) == set(card.tasks)
    for recording in recordings:
        assert recording.position.shape == (200, 11, 24, 2) and recording.fps == 150 and recording.unit == "mm"
        present = ~np.isnan(recording.position).all((0, 2, 3))
        assert 9 <= present.sum() <= 11
        centre = recording.position[:, present, 19]
        assert np.linalg.norm(centre, axis=-1).max() <= RADIUS
        np.testing.assert_allclose(np.linalg.norm(recording.position[:, present, 20], axis=-1), 1, atol=1e-5)
    test = next(r for r in recordings if not r.id.startswith("UserTrain"))
    absent = np.isnan(test.position).all((0, 2, 3))
    assert all(
        (f"perframe_chase_singletask_fly_{fly}" in test.labels) == (not absent[fly]) for fly in range(10)
    )  # an absent fly has no label
    train = next(r for r in recordings if r.id.startswith("UserTrain"))
    assert set(train.labels) == {"control"}


def test_full_card_has_the_hundred_tasks(root):
    card = load_card(root / "config/datasets/mabe22_fly.yaml")
    assert len(card.tasks) == 100
    # 43 rows of groups, one of which is there twice, and the one fly whose sex the evaluator asks per clip.
    assert sum(task.level == "sequence" for task in card.tasks.values()) == 43
    assert {len(card.individuals), len(card.keypoints)} == {11, 24}


def test_training_labels_and_pairs_can_be_left_out(twin):
    _, folder, _ = twin
    path = folder / "fly_group_train.npy"
    (item, *_) = read_tracks("mabe22", path, {"animal": "fly", "annotations": False}, recording="x")
    assert item.labels == {} and item.position.shape[2] == 24
    (item, *_) = read_tracks("mabe22", path, {"animal": "fly", "pairs": False}, recording="x")
    assert item.position.shape[2] == len(item.keypoints) == 20


def test_bams_sees_flies_as_coordinates_and_their_change(twin):
    *_, recordings = twin
    config = Config().resolved()
    layout = Layout.of(DataSpec.of(recordings[0]), config)
    assert (layout.kind, len(layout.inputs), len(layout.targets)) == ("keypoints", 96, 48)
    found = compute(recordings[0].position, layout, config)
    assert np.isfinite(found.inputs).all()
    np.testing.assert_array_equal(found.present, ~np.isnan(recordings[0].position).all((0, 2, 3)))


def test_fly_embeddings_go_to_the_evaluator(twin, tmp_path):
    _, folder, recordings = twin
    model = build(Config(), DataSpec.of(recordings[0])).eval()
    write_embeddings(tmp_path / "e.h5", ((r.id, embed(model, r)) for r in recordings))
    write_submission(tmp_path / "e.h5", folder / "metadata/flies_frame_number_map.npy", tmp_path / "s.npy")
    labels, split = folder / "fly_groups_test_labels.npy", folder / "metadata/flies_split.json"
    table = evaluate_mabe(tmp_path / "s.npy", labels, split, animal="fly")
    assert table["Task ID"].tolist() == [
        *("control", "BlindControl_offvson", "courtship", "control", "blind"),
        *("female", "perframe_chase", "perframe_wingext"),
    ]
    assert table["Private Score"].between(0, 1).all()
