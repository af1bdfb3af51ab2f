import numpy as np
import pandas as pd
import pytest
from builders.tracks import bending_bodies as walk
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.core.errors import ConfigError
from workflow_scripts.kinematics import body_roles as roles
from workflow_scripts.kinematics import geometry as kinematics


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 40), st.sampled_from([1, 3, 5, 21, 101]), st.integers(0, 10**6), st.sampled_from([0.0, 1e6, -1e5])
)
def test_rolling_moments_equal_pandas(time, window, seed, offset):
    rng = np.random.default_rng(seed)
    values = rng.normal(offset, 1, (time, 3))
    values[rng.random((time, 3)) < 0.3] = np.nan
    mean, deviation = kinematics.rolling_moments(values, window)
    rolling = pd.DataFrame(values).rolling(window, center=True, min_periods=1)
    np.testing.assert_allclose(mean, rolling.mean().to_numpy(), rtol=1e-10, atol=1e-10)
    # pandas loses digits at large offsets; the window's own deviation does not.
    expected = [
        [
            np.nanstd(w) if np.isfinite(w).any() else np.nan
            for w in (values[max(t - window // 2, 0) : t + window // 2 + 1, k] for k in range(3))
        ]
        for t in range(time)
    ]
    np.testing.assert_allclose(deviation, np.reshape(expected, (time, 3)), atol=1e-6)


def test_windows_are_odd():
    assert [kinematics.odd_window(s, 30) for s in (0, 0.01, 0.1, 1, 2)] == [1, 1, 3, 31, 61]
    for seconds in (0.3, 1, 3, 20):
        assert kinematics.odd_window(seconds, 29.97) % 2 == 1
        assert abs(kinematics.odd_window(seconds, 29.97) - seconds * 29.97) <= 1


def test_rate_is_exact_on_a_line_up_to_the_ends():
    values = np.arange(8.0)[:, None] * [2, -3]
    np.testing.assert_allclose(kinematics.rate(values, 10, 2), np.tile([20.0, -30.0], (8, 1)))
    assert np.isnan(kinematics.rate(values[:1], 10)).all()


def test_angles_by_hand():
    a = np.array([[1.0, 0], [1, 0], [1, 0], [1, 0], [0, 0]])
    b = np.array([[5.0, 0], [0, 2], [-3, 0], [1, 1], [1, 0]])
    np.testing.assert_allclose(kinematics.angle(a, b), [0, np.pi / 2, np.pi, np.pi / 4, np.nan])


def test_last_seen_is_carried_forward_and_the_start_gets_the_fallback():
    values = np.array([[np.nan, 1], [2, np.nan], [np.nan, np.nan], [3, 4]])
    filled = kinematics.fill_last_seen(values, np.array([9.0, 8.0]))
    np.testing.assert_array_equal(filled, [[9, 1], [2, 1], [2, 1], [3, 4]])


def test_egocentric_coordinates_by_hand():
    # The first animal looks along +y; the second is 3 ahead of it and 1 to its left, and looks along -x.
    position = np.array([[[[0, 1], [0, -1]], [[-2, 3], [0, 3]]]], float)
    heading = position[:, :, 0] - position[:, :, 1]
    laid = kinematics.lay(position, "egocentric", heading)
    names = kinematics.lay_names(("a", "b"), ("front", "rear"), 2, "egocentric")
    found = dict(zip(names, laid[0], strict=True))
    assert found == pytest.approx(
        {
            "a.front.ahead": 1, "a.front.left": 0, "a.rear.ahead": -1, "a.rear.left": 0,
            "b.front.ahead": 1, "b.front.left": 0, "b.rear.ahead": -1, "b.rear.left": 0,
            "a>b.ahead": 3, "a>b.left": 1, "b>a.ahead": -1, "b>a.left": 3,
        }
    )  # fmt: skip


@pytest.mark.parametrize("coordinates", ["image", "centred", "egocentric"])
@pytest.mark.parametrize(("individuals", "space"), [(1, 2), (2, 2), (3, 3)])
def test_names_fit_the_columns(coordinates, individuals, space):
    recording = walk(individuals=individuals, space=space)
    found = roles.find_roles(recording.keypoints, roles.RoleNames())
    laid = roles.lay_recording(recording, np.asarray, coordinates, found)
    names = kinematics.lay_names(recording.individuals, recording.keypoints, space, coordinates)
    assert laid.shape == (120, len(names)) and len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("keypoints", "front", "centre", "rear"),
    [
        (("top", "body", "tail", "tail-m", "tail-e"), ["top"], ["body"], ["tail"]),
        (("nose", "left_ear", "right_ear", "neck", "left_hip", "tail_base"), ["nose"], ["neck"], ["tail_base"]),
        (("leftEar", "rightEar", "rump"), ["leftEar", "rightEar"], ["leftEar", "rightEar", "rump"], ["rump"]),
        (("head", "eyeL", "eyeR", "thorax", "abdomen", "wingL"), ["head"], ["thorax"], ["abdomen"]),
        (("p0", "p1", "p2"), ["p0"], ["p0", "p2"], ["p2"]),
        (("tail", "p1"), ["p1"], ["tail", "p1"], ["tail"]),
        (("dot",), ["dot"], ["dot"], ["dot"]),
    ],
)  # fmt: skip
def test_roles_are_guessed_by_name(keypoints, front, centre, rear):
    found = roles.find_roles(keypoints, roles.RoleNames())
    named = [[keypoints[k] for k in role] for role in (found.front, found.centre, found.rear)]
    assert named == [front, centre, rear]


def test_given_roles_win_and_unknown_keypoints_are_refused():
    given_roles = roles.RoleNames(front=["top"], centre=["tail", "body"])
    assert roles.find_roles(("tail", "body", "top"), given_roles).centre == (0, 1)
    with pytest.raises(ConfigError, match="no keypoint 'bodi'; did you mean 'body'"):
        roles.find_roles(("tail", "body"), roles.RoleNames(centre=["bodi"]))


def test_heading_falls_back_on_the_centre():
    nan = [np.nan, np.nan]
    front = np.array([[4.0, 0], nan, [4, 0], nan])
    centre = np.array([[2.0, 2], [2, 2], [2, 2], nan])
    rear = np.array([[0.0, 0], [0, 0], nan, [0, 0]])
    np.testing.assert_array_equal(roles.headings(front, centre, rear), [[4, 0], [2, 2], [2, -2], nan])
