from __future__ import annotations

import numpy as np
import pytest

from workflow_scripts.cards.card import Card
from workflow_scripts.convert.tracks import convert_shard
from workflow_scripts.core.errors import InputError
from workflow_scripts.methods.bams.config import Config
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


def test_labels_and_tracks_become_recordings(tmp_path):
    npy_write.save(tmp_path / "x.npy", example())
    card = Card.model_validate(
        {
            "name": "mine",
            "title": "Mine",
            "description": "-",
            "licence": "-",
            "citation": ["-"],
            "local": str(tmp_path),
            "fps": 40,
            "source": "bams_dict",
            "options": {"keypoints": ["nose", "back", "tail"]},
            "files": [{"path": "x.npy"}],
            "shards": [{"id": "s", "tracks": "x.npy"}],
            "tasks": {
                "strain": {"level": "sequence", "vocabulary": ["0", "1", "2"]},
                "action": {"vocabulary": ["0", "1", "2"]},
                "speed": {"kind": "continuous"},
            },
        }
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


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"data": None}, "no key 'data'"),
        ({"data": np.zeros((4, 50))}, r"shape \(4, 50\), expected numbers of shape \(sample, time"),
        ({"data": np.zeros((4, 50, 5))}, "keypoints × 2"),
        ({"annotations": {"video_name": ["a"]}}, "1 entries for 4 samples"),
        ({"annotations": {"strian": np.zeros(4)}}, r"names 'strain', which annotations lacks; did you mean 'strian'"),
        ({"eval_utils": {"classification_tags": ["strain"]}}, "does not tell the level of 'strain'"),
        (
            {"eval_utils": {"classification_tags": ["strain"], "sequence_level_dict": {"strain": False}}},
            r"shape \(4,\), expected numbers of shape \(4, 50\)",
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
