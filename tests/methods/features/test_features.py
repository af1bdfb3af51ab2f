from dataclasses import replace

import numpy as np
import pytest
from builders.tracks import bending_bodies as walk
from builders.tracks import bodies as make
from builders.tracks import bodies_view as view
from builders.tracks import moved, swapped
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from workflow_scripts import methods
from workflow_scripts.core.errors import ConfigError, EthoMakeError
from workflow_scripts.kinematics import quantities
from workflow_scripts.kinematics.body_roles import RoleNames, find_roles

FEATURES = methods.load("features")


def fitted(tmp_path, recordings, **options):
    seen = view(tmp_path, recordings)
    config = methods.parse("features", {"windows_s": [0.5, 2], **options})
    model = FEATURES.build(config, seen.spec())
    model.fit(FEATURES.prepare(seen, config).view)
    return model


def columns(model, recording):
    return dict(zip(FEATURES.dimension_names(model), FEATURES.embed(model, recording).T, strict=True))


@pytest.mark.parametrize("individuals", [1, 2, 3])
@pytest.mark.parametrize("identity", ["symmetric", "named"])
@pytest.mark.parametrize("keypoints", [("nose", "body", "tailbase"), ("dot",), ("a", "b", "c", "d")])
def test_every_kind_of_group_and_skeleton_gives_named_finite_columns(tmp_path, individuals, identity, keypoints):
    recording = walk(individuals=individuals, keypoints=keypoints)
    model = fitted(tmp_path, [recording], identity=identity)
    names, array = FEATURES.dimension_names(model), FEATURES.embed(model, recording)
    assert array.shape == (120, len(names)) and array.dtype == np.float32 and np.isfinite(array).all()
    assert len(set(names)) == len(names)
    assert any(name.startswith("approach") for name in names) == (individuals > 1)
    assert any(".mean" in name for name in names) == (individuals > 2 and identity == "symmetric")


def test_three_dimensional_tracks_are_measured(tmp_path):
    recording = walk(space=3)
    model = fitted(tmp_path, [recording])
    assert np.isfinite(FEATURES.embed(model, recording)).all()


def test_turning_and_shifting_the_arena_changes_nothing_but_the_border(tmp_path):
    recording = walk(time=200, individuals=2, missing=0.2)
    model = fitted(tmp_path, [recording])
    here, there = columns(model, recording), columns(model, moved(recording, 37, (800, -300)))
    changed = {name for name in here if not np.allclose(here[name], there[name], atol=2e-3)}
    assert changed <= {name for name in here if name.startswith("border")}


@pytest.mark.parametrize(("individuals", "order"), [(2, [1, 0]), (3, [2, 0, 1])])
def test_symmetric_columns_do_not_ask_who_is_who(tmp_path, individuals, order):
    recording = walk(individuals=individuals, missing=0.2)
    model = fitted(tmp_path, [recording])
    swap = FEATURES.embed(model, swapped(recording, order))
    np.testing.assert_allclose(FEATURES.embed(model, recording), swap, atol=1e-5)


def test_named_columns_follow_the_animal(tmp_path):
    recording = walk(missing=0)
    model = fitted(tmp_path, [recording], identity="named")
    here, there = columns(model, recording), columns(model, swapped(recording, [1, 0]))
    assert not np.allclose(here["facing[rat1>rat2]"], here["facing[rat2>rat1]"], atol=0.1)
    np.testing.assert_allclose(here["facing[rat1>rat2]"], there["facing[rat2>rat1]"], atol=1e-5)
    np.testing.assert_allclose(here["speed[rat1]|mean_2s"], there["speed[rat2]|mean_2s"], atol=1e-5)


def test_values_by_hand():
    # Two animals of length 40 px on one line. The first walks towards the second's tail at 20 px a second, which is
    # half a body length; its nose starts 60 px from that tail.
    time = np.arange(21)[:, None] / 10
    first = np.stack([np.stack([x + 20 * time[:, 0], np.zeros(21)], -1) for x in (40, 20, 0)], axis=1)
    second = np.broadcast_to([[140, 0], [120, 0], [100, 0]], (21, 3, 2))
    recording = make(np.stack([first, second], axis=1), fps=10)
    roles = find_roles(recording.keypoints, RoleNames())
    found = quantities.measure(recording, roles, 40.0, smooth_s=0, contact=0.83, near=2.03)
    log = np.log1p
    expected = {
        "speed": [log(0.5), 0], "ahead_speed": [log(0.5), 0], "sideways_speed": [0, 0], "acceleration": [0, 0],
        "turning": [0, 0], "front_speed": [log(0.5), 0], "length": [1, 1], "length_rate": [0, 0], "bend": [0, 0],
        "spread": [np.sqrt(1 / 6)] * 2, "seen": [1, 1], "front_seen": [1, 1], "confidence": [0.9, 0.9],
    }  # fmt: skip
    for name, values in expected.items():
        np.testing.assert_allclose(found.single[name], np.tile(values, (21, 1)), atol=1e-5, err_msg=name)
    centres = 2.5 - 0.5 * time
    np.testing.assert_allclose(found.pair["centre_distance"], log(centres), atol=1e-5)
    np.testing.assert_allclose(found.pair["front_distance"], log(centres), atol=1e-5)
    np.testing.assert_allclose(found.pair["closest"], log(centres - 1), atol=1e-5)
    np.testing.assert_array_equal(found.pair["contact"], centres - 1 < 0.83)
    np.testing.assert_array_equal(found.pair["near"], centres < 2.03)
    np.testing.assert_allclose(found.pair["approach"], np.full((21, 1), log(0.5)), atol=1e-5)
    np.testing.assert_allclose(found.pair["relative_speed"], np.full((21, 1), log(0.5)), atol=1e-5)
    np.testing.assert_allclose(found.pair["alignment"], np.ones((21, 1)), atol=1e-6)
    np.testing.assert_allclose(found.directed["facing"], np.tile([1, -1], (21, 1)), atol=1e-6)
    np.testing.assert_allclose(found.directed["ahead"], log(centres) * [1, -1], atol=1e-5)
    np.testing.assert_allclose(found.directed["aside"], np.zeros((21, 2)), atol=1e-5)
    np.testing.assert_allclose(found.directed["pursuit"], np.tile([log(0.5), 0], (21, 1)), atol=1e-5)
    np.testing.assert_allclose(found.directed["front_to_rear"], log(np.hstack([centres - 1, centres + 1])), atol=1e-5)
    np.testing.assert_allclose(found.directed["front_to_any"], log(np.hstack([centres - 1, centres])), atol=1e-5)


def test_bend_turning_and_facing_of_a_turning_animal():
    # The nose circles the body once in 4 s, a quarter turn ahead of a tail that circles with it.
    angle = 2 * np.pi * np.arange(40) / 40
    nose = np.stack([np.cos(angle), np.sin(angle)], -1) * 10
    tail = -np.stack([np.cos(angle - np.pi / 2), np.sin(angle - np.pi / 2)], -1) * 10
    recording = make(np.stack([nose, np.zeros((40, 2)), tail], axis=1)[:, None], fps=10)
    roles = find_roles(recording.keypoints, RoleNames())
    single = quantities.measure(recording, roles, 1.0, smooth_s=0, contact=1, near=1).single
    np.testing.assert_allclose(single["bend"], np.full((40, 1), np.pi / 2), atol=1e-5)
    np.testing.assert_allclose(single["turning"], np.full((40, 1), np.log1p(np.pi / 2)), atol=1e-5)
    np.testing.assert_allclose(single["speed"], np.zeros((40, 1)), atol=1e-6)


def test_the_unit_of_length_does_not_matter(tmp_path):
    recording = walk(missing=0.1)
    larger = replace(recording, position=recording.position * 8)
    small, large = fitted(tmp_path / "a", [recording]), fitted(tmp_path / "b", [larger])
    assert float(large.length) == pytest.approx(8 * float(small.length), rel=1e-5)
    np.testing.assert_allclose(FEATURES.embed(small, recording), FEATURES.embed(large, larger), atol=1e-3)


def test_a_missing_value_becomes_the_training_mean(tmp_path):
    train = walk(time=80, missing=0, name="train")
    position = walk(time=30, missing=0, seed=1).position.copy()
    position[:, 1] = np.nan
    alone = make(position)
    model = fitted(tmp_path, [train])
    found, mean = columns(model, alone), columns(model, train)
    for name in ("approach", "centre_distance", "facing.min", "contact|mean_2s"):
        np.testing.assert_allclose(found[name], mean[name].mean(), rtol=1e-4, atol=1e-6, err_msg=name)
    # What one animal shows stands for both; that the other is away is said.
    np.testing.assert_array_equal(found["speed.min"], found["speed.max"])
    assert (found["seen.min"] == 0).all() and (found["seen.max"] == 1).all() and (found["confidence.min"] == 0).all()


def test_a_keypoint_that_is_never_seen_is_no_obstacle(tmp_path):
    position = walk(missing=0.1).position.copy()
    position[:, :, 1] = np.nan
    recording = make(position)
    assert np.isfinite(FEATURES.embed(fitted(tmp_path, [recording]), recording)).all()


def test_components_equal_scikit_learn_on_standardised_dimensions(tmp_path):
    train, other = walk(time=400), walk(seed=1, name="s")
    whole = fitted(tmp_path, [train])
    rows = FEATURES.embed(whole, train).astype(np.float64)
    scaler, pca = StandardScaler().fit(rows), PCA(6, svd_solver="full")
    pca.fit(scaler.transform(rows))
    model = fitted(tmp_path, [train], components=6)
    assert FEATURES.dimension_names(model) == [f"pc{k}" for k in range(1, 7)]
    found = FEATURES.embed(model, other)
    expected = pca.transform(scaler.transform(FEATURES.embed(whole, other).astype(np.float64)))
    # Up to the sign of a component and to n - 1 instead of n in a deviation.
    np.testing.assert_allclose(np.abs(found), np.abs(expected), rtol=5e-3, atol=5e-3)
    assert len(FEATURES.dimension_names(fitted(tmp_path, [train], components=10**6))) == rows.shape[1]


def test_nothing_seen_in_training_is_refused(tmp_path):
    empty = make(np.full((20, 2, 3, 2), np.nan))
    with pytest.raises(EthoMakeError, match="never show front and rear"):
        fitted(tmp_path, [empty])


def test_options_are_checked(tmp_path):
    with pytest.raises(ConfigError, match=r"windows_s.*longer than 0"):
        methods.parse("features", {"windows_s": [1, 0]})
    with pytest.raises(ConfigError, match="did you mean 'identity'"):
        methods.parse("features", {"identiti": "named"})
    with pytest.raises(ConfigError, match="did you mean 'nose'"):
        fitted(tmp_path, [walk()], roles={"front": ["nos"]})


def test_every_quantity_is_documented(root):
    text = (root / "docs" / "features.md").read_text()
    recording = walk(individuals=3)
    found = quantities.measure(
        recording, find_roles(recording.keypoints, RoleNames()), 40, smooth_s=0, contact=1, near=1
    )
    for name in (*found.single, *found.pair, *found.directed):
        assert f"| `{name}` |" in text, name
