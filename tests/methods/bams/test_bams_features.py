from __future__ import annotations

import math

import numpy as np
import pytest
from builders.tracks import mice as recording

from workflow_scripts.core.errors import ConfigError
from workflow_scripts.methods.bams.config import Config
from workflow_scripts.methods.bams.features import MOUSE_INPUTS, MOUSE_POINTS, TARGETS, Layout, compute
from workflow_scripts.methods.bams.statistics import bin_edges, fit, quantise
from workflow_scripts.views.tracks import DataSpec

# Without smoothing, which would hide what is computed by hand here.
SOUND, FAITHFUL = Config(smooth=1).resolved(), Config(mode="faithful").resolved()

# One mouse facing along +x, image coordinates; then what it does from frame to frame.
STILL = {
    "nose": (130, 200),
    "left_ear": (125, 195),
    "right_ear": (125, 205),
    "neck": (120, 200),
    "left_forepaw": (123, 196),
    "right_forepaw": (123, 204),
    "centre_back": (100, 200),
    "left_hindpaw": (97, 196),
    "right_hindpaw": (103, 208),
    "tail_base": (90, 200),
    "tail_middle": (80, 200),
    "tail_tip": (80, 190),
}


def track(*changes) -> np.ndarray:
    """Frames of one mouse: `STILL`, then each dictionary of changed points (kept from then on)."""
    frames, now = [], dict(STILL)
    for change in ({}, *changes):
        now |= change
        frames.append([now[name] for name in MOUSE_POINTS])
    return np.array(frames, np.float32)[:, None]


def columns(position: np.ndarray, config: Config) -> dict[str, np.ndarray]:
    layout = Layout.of(DataSpec(("m",), MOUSE_POINTS, 2, 30.0, "px", None), config)
    found = compute(position, layout, config)
    named = dict(zip(layout.inputs, found.inputs[:, 0].T, strict=True))
    return named | {f"target {name}": value for name, value in zip(layout.targets, found.targets[:, 0].T, strict=True)}


def turn(vector, angle):
    c, s = math.cos(angle), math.sin(angle)
    return np.array([vector[0] * c - vector[1] * s, vector[0] * s + vector[1] * c])


def test_there_are_67_named_inputs_and_9_targets():
    assert len(MOUSE_INPUTS) == len(set(MOUSE_INPUTS)) == 67
    assert len(TARGETS) == 9 and MOUSE_INPUTS[-1] == "missing"
    assert MOUSE_INPUTS[:2] == ("neck x", "neck y") and MOUSE_INPUTS[30] == "head speed"


def test_state_columns_by_hand():
    found = {name: float(value[0]) for name, value in columns(track({}), SOUND).items()}
    expected = {
        "neck x": 120,
        "neck y": 200,
        "cos head angle": 1,
        "sin head angle": 0,
        "left forepaw length": 5,
        "cos left forepaw angle": 0.6,
        "sin left forepaw angle": -0.8,
        "right forepaw length": 5,
        "cos right forepaw angle": 0.6,
        "sin right forepaw angle": 0.8,
        # From atan2(-4, 3) to atan2(4, 3): twice the angle.
        "cos forepaws angle": 0.6**2 - 0.8**2,
        "sin forepaws angle": 2 * 0.6 * 0.8,
        "back x": 100,
        "back y": 200,
        "cos body angle": 1,
        "sin body angle": 0,
        "left hindpaw length": 5,
        "cos left hindpaw angle": -0.6,
        "sin left hindpaw angle": -0.8,
        "right hindpaw length": math.hypot(3, 8),
        "cos right hindpaw angle": 3 / math.hypot(3, 8),
        "sin right hindpaw angle": 8 / math.hypot(3, 8),
        "tail base length": 10,
        "cos tail middle angle": -1,
        "sin tail middle angle": 0,
        "cos tail tip angle": 0,
        "sin tail tip angle": -1,
        "spine length": 20,
        "cos spine angle": -1,
        "sin spine angle": 0,
        "missing": 0,
    }
    assert set(expected) == set(MOUSE_INPUTS[:30]) | {"missing"}
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-6), name


def test_hind_part_is_seen_from_the_body():
    """Turning the whole mouse about its back leaves the hind angles; the forepaws' angles are those of the image."""
    angle = 0.7
    turned = {name: tuple(np.add(turn(np.subtract(xy, (100, 200)), angle), (100, 200))) for name, xy in STILL.items()}
    found = columns(track(turned), SOUND)
    for name in MOUSE_INPUTS[:30]:
        seen_by_body = any(word in name for word in ("hindpaw", "tail", "length", "forepaws"))
        same = found[name][1] == pytest.approx(found[name][0], abs=1e-5)
        if seen_by_body:
            assert same, name
    assert math.atan2(found["sin body angle"][1], found["cos body angle"][1]) == pytest.approx(angle, abs=1e-6)
    assert math.atan2(found["sin left forepaw angle"][1], found["cos left forepaw angle"][1]) == pytest.approx(
        math.atan2(-4, 3) + angle, abs=1e-5
    )


def moved(dx: float, dy: float, names=MOUSE_POINTS) -> dict:
    return {name: (STILL[name][0] + dx, STILL[name][1] + dy) for name in names}


def test_motion_columns_by_hand():
    # The whole mouse steps by (3, 4), then by (-4, 3) more.
    found = columns(track(moved(3, 4), moved(-1, 7)), SOUND)
    for part in ("head", "back"):
        np.testing.assert_allclose(found[f"{part} speed"], [5, 5, 5])
        np.testing.assert_allclose(found[f"cos {part} heading"], [0.6, 0.6, -0.8], atol=1e-6)
        np.testing.assert_allclose(found[f"sin {part} heading"], [0.8, 0.8, 0.6], atol=1e-6)
        # The second step turns by a right angle to the first; the first frame repeats the second one's change.
        np.testing.assert_allclose(found[f"cos d {part} heading"], [1, 1, 0], atol=1e-6)
        np.testing.assert_allclose(found[f"sin d {part} heading"], [0, 0, 1], atol=1e-6)
        np.testing.assert_allclose(found[f"target {part}_speed"], [5, 5, 5])
        np.testing.assert_allclose(found[f"target d_{part}_heading"], [0, 0, math.pi / 2], atol=1e-6)
    steady = [name for name in MOUSE_INPUTS[30:-1] if "heading" not in name and "speed" not in name]
    for name in steady:
        np.testing.assert_allclose(found[name], 1 if name.startswith("cos") else 0, atol=1e-6, err_msg=name)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"nose": (120, 210)}, {"d head angle": math.pi / 2}),
        ({"left_forepaw": (126, 192)}, {"d left forepaw length": 5.0}),
        ({"right_forepaw": (126, 208)}, {"d right forepaw length": 5.0}),
        ({"left_forepaw": (124, 197)}, {"d left forepaw angle": math.atan2(-3, 4) - math.atan2(-4, 3)}),
        ({"right_forepaw": (124, 203)}, {"d forepaws angle": math.atan2(3, 4) - math.atan2(4, 3)}),
        ({"left_hindpaw": (94, 192)}, {"d left hindpaw length": 5.0}),
        ({"right_hindpaw": (106, 216)}, {"d right hindpaw length": math.hypot(3, 8)}),
        ({"left_hindpaw": (97, 204)}, {"d left hindpaw angle": math.atan2(4, -3) - math.atan2(-4, -3) - 2 * math.pi}),
        (
            {"tail_middle": (90, 190), "tail_tip": (90, 180)},
            {"d tail middle angle": math.pi / 2, "d tail tip angle": 0},
        ),
        ({"tail_tip": (70, 200)}, {"d tail tip angle": -math.pi / 2}),
    ],
)
def test_each_change_by_hand(change, expected):
    found = columns(track({}, change), SOUND)
    for name, value in expected.items():
        if name.endswith("length"):
            assert found[name][2] == pytest.approx(value, abs=1e-5)
        else:
            assert found[f"cos {name}"][2] == pytest.approx(math.cos(value), abs=1e-6)
            assert found[f"sin {name}"][2] == pytest.approx(math.sin(value), abs=1e-6)
    # Nothing else of the other changes moves.
    others = [n for n in MOUSE_INPUTS[30:-1] if not any(part in n for key in expected for part in (key[2:], key))]
    untouched = [n for n in others if "forepaws" not in n and "angle" not in n]
    for name in untouched:
        np.testing.assert_allclose(found[name], found[name][0], atol=1e-6, err_msg=name)


def test_body_changes_by_hand():
    found = columns(track({}, {"tail_base": (100, 190)}), SOUND)  # the body now points along +y
    assert found["target d_body_angle"][2] == pytest.approx(math.pi / 2)
    assert found["sin d body angle"][2] == pytest.approx(1)
    found = columns(track({}, {"tail_base": (95, 200)}), SOUND)
    assert found["d tail base length"][2] == pytest.approx(-5)
    found = columns(track({}, moved(5, 0, ("neck", "nose"))), SOUND)
    assert found["d spine length"][2] == found["target d_spine_length"][2] == pytest.approx(5)
    found = columns(track({}, {"neck": (100, 220)}), SOUND)
    assert found["sin d spine angle"][2] == pytest.approx(1)


def test_standing_has_no_heading():
    found = columns(track(moved(3, 4), moved(3.001, 4)), SOUND)
    np.testing.assert_allclose(found["head speed"], [5, 5, 0])
    assert (found["cos head heading"][2], found["sin head heading"][2]) == (1, 0)


def test_faithful_repeats_the_slips_and_the_edge():
    position = track(moved(3, 4), {**moved(3, 4), "right_forepaw": (129, 212)}, moved(3, 4))
    sound, faithful = columns(position, SOUND), columns(position, FAITHFUL)
    np.testing.assert_allclose(sound["head speed"], [5, 5, 0, 0])
    np.testing.assert_allclose(faithful["head speed"][1], 3 * math.sqrt(2), rtol=1e-6)  # the change of x, twice
    assert faithful["cos head heading"][1] == pytest.approx(math.sqrt(0.5))
    assert faithful["back speed"][1] == pytest.approx(5)
    assert sound["d right forepaw length"][2] == pytest.approx(5) and faithful["d right forepaw length"][2] == 0
    # The first frame repeats the change of the second (sound) or of the third one (faithful).
    assert (sound["back speed"][0], faithful["back speed"][0]) == (5, 0)


def test_missing_points_flag_their_frame_and_the_next():
    position = track({}, {}, {}, {})
    position[2, 0, 4] = np.nan
    found = columns(position, SOUND)
    np.testing.assert_array_equal(found["missing"], [0, 0, 1, 1, 0])
    np.testing.assert_allclose(found["left forepaw length"], 5)  # where it was last seen
    assert columns(position, FAITHFUL)["left forepaw length"][2] == pytest.approx(math.hypot(120, 200))


def test_an_animal_or_point_never_seen_gives_finite_features():
    item = recording("a")
    item.position[:, 1] = np.nan
    item.position[:, 0, 5] = np.nan
    layout = Layout.of(DataSpec.of(item), SOUND)
    found = compute(item.position, layout, SOUND)
    assert np.isfinite(found.inputs).all() and np.isfinite(found.targets).all()
    assert found.present.tolist() == [True, False, True] and found.ignore[:, 1].all()


def test_smoothing_is_a_centred_mean_that_keeps_what_is_missing():
    item = recording("a", missing=0)
    spec, config = DataSpec.of(item), Config(smooth=3).resolved()
    layout = Layout.of(spec, config)
    plain, smoothed = compute(item.position, layout, SOUND), compute(item.position, layout, config)
    k = layout.inputs.index("back x")
    x = plain.inputs[:, 0, k].astype(np.float64)
    np.testing.assert_allclose(smoothed.inputs[1:-1, 0, k], (x[:-2] + x[1:-1] + x[2:]) / 3, rtol=1e-5)
    np.testing.assert_allclose(smoothed.inputs[0, 0, k], (x[0] + x[1]) / 2, rtol=1e-5)
    item.position[50, 0, 6] = np.nan
    gap = compute(item.position, layout, config)
    assert gap.ignore[:, 0].nonzero()[0].tolist() == [50, 51] and np.isfinite(gap.inputs).all()
    joints = Config(smooth=3, features="state_action").resolved()
    angles = compute(item.position, Layout.of(spec, joints), joints).inputs[:, 0, 0]
    np.testing.assert_array_equal(angles, item.position[:, 0, 0, 0])


def test_points_are_matched_by_name():
    item = recording("a", missing=0)
    order = np.random.default_rng(0).permutation(12)
    names = [MOUSE_POINTS[k].replace("_", " ").replace("centre", "Center") for k in order]
    shuffled = DataSpec(item.individuals, tuple(names), 2, 30.0, "px", None)
    first = compute(item.position, Layout.of(DataSpec.of(item), SOUND), SOUND)
    second = compute(item.position[:, :, order], Layout.of(shuffled, SOUND), SOUND)
    np.testing.assert_array_equal(first.inputs, second.inputs)


def test_other_skeletons_get_coordinates_and_their_change():
    item = recording("a", keypoints=("nose", "tail"), missing=0)
    layout = Layout.of(DataSpec.of(item), SOUND)
    found = compute(item.position, layout, SOUND)
    assert layout.inputs == ("nose.x", "nose.y", "tail.x", "tail.y", "d nose.x", "d nose.y", "d tail.x", "d tail.y")
    np.testing.assert_array_equal(found.inputs[..., :4], item.position.reshape(150, 3, 4))
    np.testing.assert_allclose(found.targets[1:], np.diff(item.position.reshape(150, 3, 4), axis=0), atol=1e-4)
    with pytest.raises(ConfigError, match=r"twelve points .* missing: left_ear"):
        Layout.of(DataSpec.of(item), Config(features="mouse").resolved())


def test_bins_by_hand():
    # Values 0.05 (too small to count) and 1 … 201: the percentiles of 201 values are at 2 and 200.
    values = np.concatenate([np.full(100, 0.05), np.arange(1.0, 202.0)])
    edges = bin_edges(values, 5, 0.1)
    np.testing.assert_allclose(edges, np.linspace(2, 200, 4))
    found = quantise(
        np.array([[1], [2], [67.9], [68], [199], [200], [500]], np.float32), edges[None].astype(np.float32)
    )
    assert found[:, 0].tolist() == [0, 1, 1, 2, 3, 4, 4]


def test_bins_of_small_and_of_constant_values():
    small = bin_edges(np.linspace(-0.05, 0.05, 101), 4, 0.1)
    assert small[0] == pytest.approx(-0.0495) and small[-1] == pytest.approx(0.0495)
    constant = bin_edges(np.full(10, 3.0), 4, 0.1)
    assert (np.diff(constant) > 0).all() and constant[0] < 3 < constant[-1]


def test_scales():
    inputs = np.array([[1, 5, 0], [-3, 5, 0]], np.float32)
    targets = np.random.default_rng(0).normal(size=(2, 1)).astype(np.float32)
    faithful = fit(inputs, targets, FAITHFUL)
    np.testing.assert_allclose(faithful.normalise(inputs.copy()), [[1 / 3, 1, 0], [-1, 1, 0]], rtol=1e-6)
    sound = fit(inputs, targets, SOUND)
    np.testing.assert_allclose(sound.normalise(inputs.copy()), [[1, 0, 0], [-1, 0, 0]], atol=1e-6)
