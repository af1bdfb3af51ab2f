"""Zones and distances to walls, against plain geometry."""

from __future__ import annotations

import numpy as np
import pytest

from workflow_scripts.cards.place import Scale, Space, Zone
from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.validation import validate
from workflow_scripts.kinematics.zones import inside, to_border

SQUARE = {"rectangle": [0, 0, 10, 10]}
SAME = {"polygon": [[0, 0], [10, 0], [10, 10], [0, 10]]}
ROUND = {"circle": [5, 5, 5]}


def test_points_are_inside_on_the_border_and_outside():
    points = np.array([[5, 5], [0, 5], [10, 10], [11, 5], [-0.1, 5], [np.nan, 5]])
    expected = [True, True, True, False, False, False]
    assert inside(points, SQUARE).tolist() == expected
    assert inside(points, SAME).tolist() == expected
    assert inside(points, ROUND).tolist() == [True, True, False, False, False, False]


def test_a_polygon_agrees_with_a_rectangle_everywhere():
    points = np.random.default_rng(0).uniform(-3, 13, (500, 2))
    assert (inside(points, SQUARE) == inside(points, SAME)).all()
    np.testing.assert_allclose(to_border(points, SQUARE), to_border(points, SAME))


def test_an_angular_zone_leaves_out_its_notch():
    notched = {"polygon": [[0, 0], [10, 0], [10, 10], [5, 5], [0, 10]]}
    assert inside(np.array([[5, 8], [1, 8], [5, 4]]), notched).tolist() == [False, True, True]


def test_distance_to_the_wall_is_that_of_the_nearest_side():
    points = np.array([[5.0, 5.0], [1.0, 5.0], [13.0, 14.0], [np.nan, 1.0]])
    np.testing.assert_allclose(to_border(points, SQUARE), [5, 1, 5, np.nan])
    np.testing.assert_allclose(to_border(points[:2], ROUND), [5, 1])


def test_a_zone_is_one_shape_and_is_scaled_with_the_tracks():
    with pytest.raises(ConfigError, match="expected one of rectangle, circle and polygon"):
        validate(Zone, {"circle": [0, 0, 1], "rectangle": [0, 0, 1, 1]}, "zone")
    space = Space(
        scale=Scale(per_unit=0.5), zones={"nest": Zone(circle=(2, 4, 6))}, arena=Zone(rectangle=(0, 0, 20, 10))
    )
    assert space.plane() == ({"nest": {"circle": [1, 2, 3]}}, {"rectangle": [0, 0, 10, 5]})
