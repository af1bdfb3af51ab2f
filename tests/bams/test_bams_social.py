from __future__ import annotations

import math

import numpy as np
import pytest
from bams_toy import recording

from workflow_scripts.errors import ConfigError
from workflow_scripts.methods.bams import social
from workflow_scripts.methods.bams.config import Config
from workflow_scripts.methods.bams.features import MOUSE_INPUTS, TARGETS, Layout, compute
from workflow_scripts.training.data import DataSpec


def mouse(x: float, y: float, angle: float) -> np.ndarray:
    """Twelve points of a mouse with its back at (x, y): nose 30 ahead, ears 20, neck 15, tail base 10 behind."""
    along = np.array([30, 20, 20, 15, 15, 15, 0, -5, -5, -10, -20, -30.0])
    across = np.array([0, -5, 5, 0, -5, 5, 0, -5, 5, 0, 0, 0.0])
    c, s = math.cos(angle), math.sin(angle)
    return np.stack([x + along * c - across * s, y + along * s + across * c], axis=-1)


def test_two_nearest_others_by_hand():
    # Mouse 0 looks along +x; mouse 1 stands 100 ahead and looks back at it; mouse 2 stands 300 to its right (+y).
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


def test_numbers_of_the_others_do_not_matter():
    points = np.nan_to_num(recording("a", missing=0).position.astype(np.float64))
    one = social.columns(points, np.ones(3, bool))
    two = social.columns(points[:, [0, 2, 1]], np.ones(3, bool))
    np.testing.assert_allclose(one[:, 0], two[:, 0])


def test_an_absent_mouse_is_far_and_last():
    points = np.stack([mouse(0, 0, 0), mouse(5, 0, 0), mouse(200, 0, 0)])[None]
    found = social.columns(points, np.array([True, False, True]))
    names = social.names(3)
    assert found[0, 0, names.index("nearest distance")] == pytest.approx(math.log(201))
    assert found[0, 0, names.index("second distance")] == pytest.approx(math.log1p(social.FAR))


def test_the_option_adds_columns_and_targets():
    item = recording("a")
    plain, more = Config(social=False).settle(), Config().settle()
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


def test_only_sound_mice_in_company_are_told_of_others():
    spec = DataSpec.of(recording("a"))
    assert not Layout.of(spec, Config(mode="faithful").settle()).social
    assert not Layout.of(spec, Config(weights="bams.pt").settle()).social  # the original's weights know of nobody
    assert not Layout.of(DataSpec.of(recording("b", animals=1)), Config().settle()).social
    tails = DataSpec.of(recording("c", keypoints=("nose", "tail")))
    assert not Layout.of(tails, Config().settle()).social
    with pytest.raises(ConfigError, match="two animals or more"):
        Layout.of(DataSpec.of(recording("d", animals=1, keypoints=("nose", "tail"))), Config(social=True).settle())


def test_other_skeletons_are_told_of_others_on_demand():
    item = recording("a", animals=2, keypoints=("tail_base", "nose"), missing=0)
    config = Config(social=True, smooth=1).settle()
    layout = Layout.of(DataSpec.of(item), config)
    assert len(layout.inputs) == 8 + 11 and len(layout.targets) == 4 + 6
    found = compute(item.position, layout, config)
    nose = item.position[:, :, 1].astype(np.float64)
    gap = np.log1p(np.linalg.norm(nose[:, 0] - nose[:, 1], axis=-1))
    for kind, names in ((found.inputs, layout.inputs), (found.targets, layout.targets)):
        np.testing.assert_allclose(kind[:, 0, names.index("nearest front to front")], gap, rtol=1e-6)
    np.testing.assert_array_equal(found.targets[..., :4], found.inputs[..., 4:8])
