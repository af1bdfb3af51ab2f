from __future__ import annotations

import math

import numpy as np
import pytest
from builders.tracks import mice as recording

from workflow_scripts.core.errors import ConfigError
from workflow_scripts.methods import parse
from workflow_scripts.methods.bams import slow_means, social
from workflow_scripts.methods.bams.config import Config
from workflow_scripts.methods.bams.features import MOUSE_INPUTS, TARGETS, Layout, compute
from workflow_scripts.views.tracks import DataSpec


def mouse(x: float, y: float, angle: float) -> np.ndarray:
    """Twelve points of a mouse with its back at (x, y): nose 30 ahead, ears 20, neck 15, tail base 10 behind."""
    along = np.array([30, 20, 20, 15, 15, 15, 0, -5, -5, -10, -20, -30.0])
    across = np.array([0, -5, 5, 0, -5, 5, 0, -5, 5, 0, 0, 0.0])
    c, s = math.cos(angle), math.sin(angle)
    return np.stack([x + along * c - across * s, y + along * s + across * c], axis=-1)


def test_two_nearest_others_by_hand():
    # Mouse 0 looks along +x; mouse 1 is 100 ahead and looks back at it; mouse 2 is 300 to its right (+y).
    still = np.stack([mouse(0, 0, 0), mouse(100, 0, math.pi), mouse(0, 300, 0)])
    nearer = np.stack([mouse(0, 0, 0), mouse(96, 0, math.pi), mouse(0, 300, 0)])
    found = dict(zip(social.names(3), social.columns(np.stack([still, nearer]), np.ones(3, bool))[:, 0].T, strict=True))
    expected = {
        "nearest distance": [math.log(101), math.log(97)],
        "nearest trunk distance": [math.log(41), math.log(37)],  # nose to nose
        "nearest front to front": [math.log(41), math.log(37)],
        "nearest front to head": [math.log1p(math.hypot(50, 5)), math.log1p(math.hypot(46, 5))],
        "nearest front to rear": [math.log(81), math.log(77)],
        "nearest closing": [0, 4],
        "nearest cos bearing": [1, 1],
        "nearest sin bearing": [0, 0],
        "nearest cos facing": [-1, -1],
        "nearest sin facing": [0, 0],
        "nearest speed": [0, math.log(5)],
        "second distance": [math.log(301)] * 2,
        "second cos bearing": [0, 0],
        "second sin bearing": [1, 1],
        "second cos facing": [1, 1],
        "second speed": [0, 0],
    }
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-9, err_msg=name)


def test_encounters_by_hand():
    # Mouse 0 looks along +x and walks 4 to mouse 1, which is 100 ahead and looks back; mouse 2, 300 to the right of
    # mouse 0, looks along +x as well and walks away from it by 2. A body is 40 long.
    before = np.stack([mouse(0, 0, 0), mouse(104, 0, math.pi), mouse(0, 298, 0)])
    now = np.stack([mouse(4, 0, 0), mouse(104, 0, math.pi), mouse(4, 300, 0)])
    found = social.encounters(np.stack([before, now]), np.ones(3, bool))
    first = dict(zip(social.ENCOUNTERS, found[1, 0], strict=True))
    noses, ear, rear = 40, math.hypot(50, 5), 80
    angle = math.atan2(300, -15)  # of mouse 2's centre, seen from the neck of mouse 0; mouse 1 is straight ahead
    expected = {
        **{f"front within {scale}": math.exp(-noses / (scale * 40)) for scale in (0.1, 0.3)},
        **{f"head within {scale}": math.exp(-ear / (scale * 40)) for scale in (0.1, 0.3)},
        **{f"rear within {scale}": math.exp(-rear / (scale * 40)) for scale in (0.1, 0.3)},
        **{f"trunk within {scale}": math.exp(-noses / (scale * 40)) for scale in (0.1, 0.3)},
        "going to": math.log(5),
        "leaving": 0,  # from mouse 2 it walks at a right angle
        "looking at": 1,
        "following": 0,  # mouse 1 does not walk away
    }
    assert first == pytest.approx(expected, abs=1e-9) and angle > 0
    third = dict(zip(social.ENCOUNTERS, found[1, 2], strict=True))
    # Mouse 2 moves by (4, 2): from mouse 0 by 2, from mouse 1 by a projection; it looks nearly at mouse 1.
    away = np.array([4.0, 2.0]) @ np.array([-100.0, 300.0]) / math.hypot(100, 300)
    assert third["leaving"] == pytest.approx(-math.log1p(max(2, away)))
    assert third["looking at"] == pytest.approx(1 - math.atan2(300, 85) / math.pi)
    np.testing.assert_array_equal(found[0, :, [8, 9, 11]], 0)  # no change before the first frame


def test_following_is_the_lesser_of_two_speeds_and_fades():
    before = np.stack([mouse(0, 0, 0), mouse(60, 0, 0)])
    now = np.stack([mouse(5, 0, 0), mouse(63, 0, 0)])
    found = social.encounters(np.stack([before, now]), np.ones(2, bool))[1, :, social.ENCOUNTERS.index("following")]
    assert found == pytest.approx([math.log(4) * math.exp(-58 / 80), 0])


def test_an_absent_mouse_encounters_no_one():
    points = np.stack([mouse(0, 0, 0), mouse(5, 0, 0), mouse(200, 0, 0)])[None]
    found = social.encounters(points, np.array([True, False, True]))
    without = social.encounters(points[:, [0, 2]], np.ones(2, bool))
    np.testing.assert_array_equal(found[:, 1], 0)
    np.testing.assert_allclose(found[:, [0, 2]], without)
    assert not social.encounters(points, np.zeros(3, bool)).any()


@pytest.mark.parametrize("columns", [social.columns, social.encounters])
def test_numbers_of_the_others_do_not_matter(columns):
    points = np.nan_to_num(recording("a", missing=0).position.astype(np.float64))
    one = columns(points, np.ones(3, bool))
    two = columns(points[:, [0, 2, 1]], np.ones(3, bool))
    np.testing.assert_allclose(one[:, 0], two[:, 0])


def test_an_absent_mouse_is_far_and_last():
    points = np.stack([mouse(0, 0, 0), mouse(5, 0, 0), mouse(200, 0, 0)])[None]
    found = social.columns(points, np.array([True, False, True]))
    names = social.names(3)
    assert found[0, 0, names.index("nearest distance")] == pytest.approx(math.log(201))
    assert found[0, 0, names.index("second distance")] == pytest.approx(math.log1p(social.FAR))


def test_the_option_adds_columns_and_targets():
    item = recording("a")
    plain, more = Config(social=False, slow=[]).resolved(), Config(encounters=False, slow=[]).resolved()
    layout, alone_layout = (Layout.of(DataSpec.of(item), config) for config in (more, plain))
    assert layout.inputs == (*MOUSE_INPUTS, *social.names(3)) and len(layout.inputs) == 89
    assert layout.targets == (*TARGETS, *social.targets(3)) and len(layout.targets) == 21
    with_others = compute(item.position, layout, more)
    alone = compute(item.position, alone_layout, plain)
    np.testing.assert_array_equal(with_others.inputs[..., :67], alone.inputs)
    np.testing.assert_array_equal(with_others.targets[..., :9], alone.targets)
    for name in social.targets(3):
        column = with_others.inputs[..., layout.inputs.index(name)]
        np.testing.assert_array_equal(with_others.targets[..., layout.targets.index(name)], column)
    assert np.isfinite(with_others.inputs).all()
    everything = Config().resolved()
    whole = Layout.of(DataSpec.of(item), everything)
    assert whole.inputs == (*layout.inputs, *social.ENCOUNTERS, *slow_means.names([600])) and len(whole.inputs) == 106
    found = compute(item.position, whole, everything)
    np.testing.assert_array_equal(found.inputs[..., :89], with_others.inputs)
    np.testing.assert_array_equal(found.targets, with_others.targets)
    assert np.isfinite(found.inputs).all() and found.inputs[..., 89:].std(axis=(0, 1)).min() > 0


def test_only_sound_mice_in_company_get_inputs_of_others():
    spec = DataSpec.of(recording("a"))
    for config in (Config(mode="faithful"), Config(weights="bams.pt")):  # the original's weights know of nobody
        assert Layout.of(spec, config.resolved()).inputs == MOUSE_INPUTS
    alone = Layout.of(DataSpec.of(recording("b", animals=1)), Config().resolved())
    assert alone.inputs == (*MOUSE_INPUTS, *slow_means.names([600])) and not alone.encounters
    tails = Layout.of(DataSpec.of(recording("c", keypoints=("nose", "tail"))), Config().resolved())
    assert len(tails.inputs) == 8
    with pytest.raises(ConfigError, match="two animals or more"):
        Layout.of(DataSpec.of(recording("d", animals=1, keypoints=("nose", "tail"))), Config(social=True).resolved())


def test_other_skeletons_get_inputs_of_others_on_demand():
    item = recording("a", animals=2, keypoints=("tail_base", "nose"), missing=0)
    config = Config(social=True, smooth=1).resolved()
    layout = Layout.of(DataSpec.of(item), config)
    assert len(layout.inputs) == 8 + 11 + 12 and len(layout.targets) == 4 + 6
    found = compute(item.position, layout, config)
    nose = item.position[:, :, 1].astype(np.float64)
    gap = np.log1p(np.linalg.norm(nose[:, 0] - nose[:, 1], axis=-1))
    for kind, names in ((found.inputs, layout.inputs), (found.targets, layout.targets)):
        np.testing.assert_allclose(kind[:, 0, names.index("nearest front to front")], gap, rtol=1e-6)
    np.testing.assert_array_equal(found.targets[..., :4], found.inputs[..., 4:8])


def test_closeness_tells_of_any_other_and_speed_by_body_length():
    item = recording("a", animals=2, keypoints=("tail_base", "nose"), missing=0)
    config = Config(social=True, smooth=1, slow=[5, -3]).resolved()
    layout = Layout.of(DataSpec.of(item), config)
    found = compute(item.position, layout, config)
    points = item.position.astype(np.float64)
    length = np.median(np.linalg.norm(points[:, :, 1] - points[:, :, 0], axis=-1))
    gap = np.linalg.norm(points[:, 0, 1] - points[:, 1, 1], axis=-1)
    column = found.inputs[:, 0, layout.inputs.index("front within 0.3")]
    np.testing.assert_allclose(column, np.exp(-gap / (0.3 * length)), rtol=1e-4)
    centre = points.mean(axis=2)
    speed = np.linalg.norm(np.diff(centre, axis=0, prepend=centre[:1]), axis=-1) * 30 / length
    around, last = (found.inputs[:, :, layout.inputs.index(f"speed over {window}")] for window in (5, -3))
    np.testing.assert_allclose(around[10], speed[8:13].mean(0), rtol=1e-5)
    np.testing.assert_allclose(last[10], speed[8:11].mean(0), rtol=1e-5)
    np.testing.assert_allclose(around[0], speed[:3].mean(0), rtol=1e-5)
    still = found.inputs[:, :, layout.inputs.index("stillness over 5")]
    np.testing.assert_allclose(still[10], np.exp(-speed[8:13] / 0.4).mean(0), rtol=1e-5)
    with pytest.raises(ConfigError, match="two dimensions"):
        flat = DataSpec(("a",), ("nose", "tail"), 3, 30.0, "px", None)
        Layout.of(flat, Config(slow=[5]).resolved())


@pytest.mark.parametrize("slow_windows", [[1], [5, 5]])
def test_windows_that_mean_nothing_are_refused(slow_windows):
    with pytest.raises(ConfigError, match="two frames or more"):
        parse("bams", {"slow": slow_windows})


def test_the_border_by_hand():
    # A mouse that walks along the sides of a square, and one that is in its middle.
    t = np.arange(400)
    side = np.stack([np.clip(np.abs((t + 100) % 400 - 200), 50, 150), np.clip(np.abs(t - 200), 50, 150)], axis=-1)
    body = mouse(0, 0, 0)
    points = np.stack([side[:, None] + body, np.broadcast_to(np.array([100, 100]) + body, (400, 12, 2))], axis=1)
    found = slow_means.columns(points, np.ones(2, bool), social.MOUSE, 30.0, [-2])
    border = found[..., slow_means.QUANTITIES.index("border")]
    np.testing.assert_allclose(border[:, 0], 0, atol=0.03)
    np.testing.assert_allclose(border[:, 1], 50 / 40, atol=0.03)
    log = found[..., slow_means.QUANTITIES.index("log border")]
    np.testing.assert_allclose(log[:, 1], np.log1p(border[:, 1]))
    nothing = slow_means.columns(points, np.zeros(2, bool), social.MOUSE, 30.0, [-2])
    assert np.isfinite(nothing).all()
