import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.formats.bouts import runs
from workflow_scripts.simulate.agents import (
    Durations,
    Motion,
    Point,
    Style,
    bodies,
    gaps,
    generator,
    lagged,
    move,
    semi_markov,
    wander,
)


def test_a_generator_depends_on_its_names_alone():
    a, b, c = (generator(1, *names).random(4) for names in (("x", "y"), ("x", "y"), ("x", "z")))
    assert (a == b).all()
    assert (a != c).any()


@given(st.lists(st.integers(0, 3), max_size=40))
def test_bouts_tell_the_states_and_never_repeat_one(values):
    found = runs(np.array(values, dtype=np.int64)).triples()
    assert [state for start, stop, state in found for _ in range(stop - start)] == values
    assert all(a[2] != b[2] and a[1] == b[0] for a, b in itertools.pairwise(found))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 400), st.integers(0, 1000))
def test_the_chain_starts_where_asked_and_has_the_length_asked_for(n_frames, seed):
    law = [Durations(2.0, 0.5, 30)] * 3
    transitions = np.array([[0, 1, 1], [1, 0, 0], [1, 0, 0]], dtype=float)
    states = semi_markov(np.random.default_rng(seed), n_frames, 1, transitions, law)
    found = runs(states).triples()
    assert len(states) == n_frames
    assert states[0] == 1
    assert all(stop - start <= 30 for start, stop, _ in found)
    assert (1, 2) not in {(a[2], b[2]) for a, b in itertools.pairwise(found)}


def test_wander_has_unit_deviation_and_memory():
    noise = wander(np.random.default_rng(0), (40_000, 2), 20.0)
    np.testing.assert_allclose(noise.std(axis=0), 1, atol=0.1)
    assert abs(np.corrcoef(noise[:-20, 0], noise[20:, 0])[0, 1] - np.exp(-1)) < 0.1


def test_lagged_starts_at_rest_and_follows():
    step = np.r_[np.zeros(5), np.ones(200)][:, None]
    out = lagged(step, 10.0)[:, 0]
    assert (out[:5] == 0).all()
    assert abs(out[14] - (1 - np.exp(-1))) < 1e-9
    assert out[-1] > 0.999
    np.testing.assert_allclose(lagged(np.full((6, 1), 3.0), 4.0), 3.0)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.6])
def test_gaps_cover_the_share_asked_for(share):
    mask = gaps(np.random.default_rng(1), 200_000, share, 0.9, 1.0)
    assert abs(mask.mean() - share) < 0.06
    assert len(mask) == 200_000


def settle(style, *, fixed_actor=0, frames=600, seeds=range(6)):
    rngs = [generator(seed, "settle") for seed in seeds]
    states = np.zeros((frames, len(rngs)), dtype=np.int64)
    return move(rngs, states, [style], (0, 0, 800, 600), fixed_actor=fixed_actor)


def test_who_follows_ends_up_at_the_distance():
    motion = settle(Style(speed=(6, 0), follow=(1, 0), distance=100, face=1.0))
    gap = np.linalg.norm(motion.centre[300:, :, 0] - motion.centre[300:, :, 1], axis=-1)
    assert 60 < np.median(gap) < 150  # the distance is varied by bout
    to_partner = motion.centre[300:, :, 1] - motion.centre[300:, :, 0]
    aim = np.arctan2(to_partner[..., 1], to_partner[..., 0]) - motion.heading[300:, :, 0]
    assert np.median(np.cos(aim)) > 0.9


def test_who_keeps_off_is_farther_away_than_who_does_not():
    far, free = (settle(Style(speed=(3, 3), distance=500, repel=repel), seeds=range(12)).centre for repel in (1.5, 0.0))
    close = [np.quantile(np.linalg.norm(c[:, :, 0] - c[:, :, 1], axis=-1), 0.1) for c in (far, free)]
    assert close[0] > 1.5 * close[1]


def test_nobody_leaves_the_arena_or_jumps():
    motion = settle(Style(speed=(12, 12)))
    assert (motion.centre >= 0).all()
    assert (motion.centre <= (800, 600)).all()
    steps = np.linalg.norm(np.diff(motion.centre, axis=0), axis=-1)
    assert steps.max() < 12 * np.exp(0.5 * 4.5)


def test_a_body_points_where_it_heads():
    heading = np.zeros((3, 1, 2))
    heading[:, :, 1] = np.pi / 2
    motion = Motion(np.zeros((3, 1, 2, 2)), heading, np.ones((3, 1, 2)))
    points = {"tail": Point(-10), "right": Point(0, 4)}
    out = bodies([np.random.default_rng(0)], motion, points, noise=0.0)
    np.testing.assert_allclose(out[0, 0, 0], [[-10, 0], [0, 4]], atol=1e-9)
    np.testing.assert_allclose(out[0, 0, 1], [[0, -10], [-4, 0]], atol=1e-9)
