from __future__ import annotations

import re

import numpy as np
import pytest
import yaml

from workflow_scripts.cards.card import Card
from workflow_scripts.cards.parts import Gaps
from workflow_scripts.convert.propose import Wishes, propose
from workflow_scripts.convert.tracks import convert_shard
from workflow_scripts.core.errors import InputError
from workflow_scripts.methods.bams.config import Config
from workflow_scripts.methods.bams.features import Layout, compute
from workflow_scripts.methods.bams.method import build, embed
from workflow_scripts.sources import read_tracks
from workflow_scripts.sources.shared import npy_write
from workflow_scripts.views.tracks import DataSpec


def example(**changes) -> dict:
    rng = np.random.default_rng(0)
    data = rng.normal(300, 20, (4, 50, 6))
    data[1, 10:20, 2:4] = np.nan
    value = {
        "data": data,
        "annotations": {
            "video_name": ["v1", "v1", "v2", "v3"],
            "strain": np.array([0, 1, 2, 1]),
            "action": rng.integers(-1, 3, (4, 50)),
            "speed": rng.random((4, 50)),
            "note": np.zeros(4),
        },
        "eval_utils": {
            "classification_tags": ["strain", "action"],
            "regression_tags": ["speed"],
            "sequence_level_dict": {"strain": True, "action": False, "speed": False},
        },
    }
    return {key: item for key, item in (value | changes).items() if item is not None}


def card_of(folder, **changes) -> Card:
    return Card.model_validate(
        {
            "name": "mine",
            "title": "Mine",
            "description": "-",
            "licence": "-",
            "citation": ["-"],
            "local": str(folder),
            "fps": 40,
            "source": "bams_dict",
            "options": {"keypoints": ["nose", "back", "tail"]},
            "files": [{"path": "x.npy"}],
            "shards": [{"id": "s", "tracks": "x.npy"}],
        }
        | changes
    )


def test_labels_and_tracks_become_recordings(tmp_path):
    npy_write.save(tmp_path / "x.npy", example())
    card = card_of(
        tmp_path,
        tasks={
            "strain": {"level": "sequence", "vocabulary": ["0", "1", "2"]},
            "action": {"vocabulary": ["0", "1", "2"]},
            "speed": {"kind": "continuous"},
        },
    )
    found = list(convert_shard(card, card.shards[0], tmp_path))
    assert [r.id for r in found] == ["v1/1", "v1/2", "v2", "v3"]
    assert [r.group for r in found] == ["v1", "v1", "v2", "v3"]  # one video's samples stay together
    np.testing.assert_allclose(found[2].position.reshape(50, 6), example()["data"][2], rtol=1e-6)
    assert np.isnan(found[1].position[10:20, 0, 1]).all() and found[0].keypoints == ("nose", "back", "tail")
    labels = found[0].labels
    assert (labels["strain"].level, labels["strain"].values.tolist()) == ("sequence", [0])
    action = example()["annotations"]["action"][0]
    np.testing.assert_array_equal(labels["action"].mask, action >= 0)
    np.testing.assert_array_equal(labels["action"].values[action >= 0], action[action >= 0])
    np.testing.assert_allclose(labels["speed"].values, example()["annotations"]["speed"][0], rtol=1e-6)
    assert any("note is in no tag" in warning for warning in found[0].warnings)
    model = build(Config(short_term=[4], long_term=[4]), DataSpec.of(found[1]))
    assert embed(model, found[1]).shape == (50, 8)


def test_data_alone(tmp_path):
    npy_write.save(tmp_path / "x.npy", example(annotations=None, eval_utils=None))
    found = list(read_tracks("bams_dict", tmp_path / "x.npy", {"space": 3}, recording="clip"))
    assert [r.id for r in found] == ["clip1", "clip2", "clip3", "clip4"]
    assert found[0].position.shape == (50, 1, 2, 3) and not found[0].labels


def test_a_plain_array_of_any_number_of_features(tmp_path):
    """The seed project's own custom data: keypoints.npy (sample, time, feature), here with seven features."""
    data = np.random.default_rng(1).normal(size=(3, 40, 7)).astype(np.float32)
    data[0, 5:9, 2] = np.nan
    np.save(tmp_path / "keypoints.npy", data)
    found = list(read_tracks("bams_dict", tmp_path / "keypoints.npy", {}, recording="clip"))
    assert [r.id for r in found] == ["clip1", "clip2", "clip3"] and found[0].keypoints[6] == "feature7"
    np.testing.assert_array_equal(found[0].position.reshape(40, 7), data[0])
    config = Config(mode="faithful", short_term=[4], long_term=[4])
    layout = Layout.of(DataSpec.of(found[0]), config.resolved())
    assert (len(layout.inputs), len(layout.targets)) == (14, 7)  # features and their change, as the original's F = 7
    sequence = compute(found[0].position, layout, config.resolved())
    filled = np.nan_to_num(data[0])
    np.testing.assert_allclose(sequence.inputs[:, 0, :7], filled, rtol=1e-6)
    np.testing.assert_allclose(sequence.inputs[1:, 0, 7:], np.diff(filled, axis=0), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(sequence.ignore[:, 0], np.isnan(data[0]).any(-1))
    assert embed(build(config, DataSpec.of(found[0])), found[0]).shape == (40, 8)
    even = list(read_tracks("bams_dict", tmp_path / "keypoints.npy", {"space": 1}, recording="clip"))
    assert even[0].position.shape == (40, 1, 7, 1)
    with pytest.raises(InputError, match="data has 7 features, expected a multiple of the option space, 2"):
        list(read_tracks("bams_dict", tmp_path / "keypoints.npy", {"space": 2}, recording="clip"))


def test_a_proposed_card_keeps_zeros_and_has_a_split(tmp_path):
    np.save(tmp_path / "keypoints.npy", np.zeros((4, 50, 6), np.float32))
    card = propose([tmp_path], Wishes("mine", fps=30.0)).card
    assert card["gaps"]["zero_is_missing"] is False
    assert card["splits"] == {"fold": {"deal": 4}}


def test_zero_is_a_value_in_custom_data(tmp_path):
    data = np.zeros((2, 40, 4))
    data[:, ::2] = 3
    data[0, 4, 0] = np.nan
    np.save(tmp_path / "x.npy", data)
    card = card_of(tmp_path, options={})
    first = next(convert_shard(card, card.shards[0], tmp_path))
    missing = np.isnan(first.position).any(-1)[:, 0]
    assert missing.sum() == 1 and missing[4, 0]
    changed = card.model_copy(update={"gaps": Gaps(zero_is_missing=True)})
    assert np.isnan(next(convert_shard(changed, changed.shards[0], tmp_path)).position).any(-1)[1::2].all()


def test_classes_as_texts(tmp_path):
    words = np.array(["wild", "mutant", "wild", ""])
    utils = {"classification_tags": ["strain"], "sequence_level_dict": {"strain": True}}
    npy_write.save(tmp_path / "x.npy", example(annotations={"strain": words}, eval_utils=utils))
    found = [r.labels["strain"] for r in read_tracks("bams_dict", tmp_path / "x.npy", {}, recording="clip")]
    assert found[0].vocabulary == ("mutant", "wild")
    assert [label.values.tolist() for label in found[:3]] == [[1], [0], [1]]
    assert [label.mask.tolist() for label in found] == [[True], [True], [True], [False]]


def test_the_example_cards_of_the_documentation(tmp_path, root):
    """A bare array, and one with annotations: both blocks of docs/bams.md are cards that convert."""
    blocks = re.findall(r"```yaml\n(name: .*?)```", (root / "docs" / "bams.md").read_text(), re.DOTALL)
    assert len(blocks) == 2
    np.save(tmp_path / "keypoints.npy", example()["data"])
    npy_write.save(tmp_path / "mine.npy", example())
    for block in blocks:
        card = Card.model_validate(yaml.safe_load(block) | {"local": str(tmp_path)})
        found = list(convert_shard(card, card.shards[0], tmp_path))
        assert len(found) == 4 and set(found[0].labels) == set(card.tasks)
        assert all(card.split_names(family) for family in card.splits)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"data": None}, "no key 'data'"),
        ({"data": np.zeros((4, 0, 6))}, r"shape \(4, 0, 6\), expected numbers of shape \(sample, time"),
        ({"data": np.zeros((4, 50))}, r"shape \(4, 50\), expected numbers of shape \(sample, time"),
        ({"annotations": {"video_name": ["a"]}}, "1 entries for 4 samples"),
        ({"annotations": {"strian": np.zeros(4)}}, r"names 'strain', which annotations lacks; did you mean 'strian'"),
        ({"eval_utils": {"classification_tags": ["strain"]}}, "does not tell the level of 'strain'"),
        (
            {"eval_utils": {"classification_tags": ["strain"], "sequence_level_dict": {"strain": False}}},
            r"strain has the shape \(4,\), expected \(4, 50\) of a label with one answer a frame",
        ),
        (
            {"eval_utils": {"classification_tags": ["speed"], "sequence_level_dict": {"speed": False}}},
            "speed holds no class numbers",
        ),
    ],
)
def test_bad_dictionaries_are_refused(tmp_path, changes, problem):
    npy_write.save(tmp_path / "x.npy", example(**changes))
    with pytest.raises(InputError, match=problem):
        list(read_tracks("bams_dict", tmp_path / "x.npy", {}, recording="clip"))
