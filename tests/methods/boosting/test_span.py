"""The scored span, the draw of frames and the class weights of the boosted trees, each by a case worked by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from workflow_scripts.behaviour.decisions import Decision, tune_decision
from workflow_scripts.behaviour.span import Span, inside_span, learn_span, span_of, within
from workflow_scripts.behaviour.thresholds import Held
from workflow_scripts.methods.boosting.balance import class_shifts, draw_frames, training_weights
from workflow_scripts.methods.boosting.nested import chained, joint_counts, outer_class


def test_the_span_is_between_background_and_unbroken():
    every = np.ones(9, bool)
    assert span_of(np.array([0, 0, 1, 2, 2, 1, 0, 0, 0]), every, 0) == (2, 6)
    assert span_of(np.array([0, 0, 1, 0, 2, 1, 0, 0, 0]), every, 0) is None
    assert span_of(np.array([1, 1, 1, 2, 2, 1, 0, 0, 0]), every, 0) is None
    assert span_of(np.zeros(9, int), every, 0) is None
    # What nobody labelled is neither.
    assert span_of(np.array([9, 0, 1, 9, 2, 1, 0, 0, 9]), np.array([0, 1, 1, 0, 1, 1, 1, 1, 0], bool), 0) == (2, 6)


def test_a_length_is_learnt_where_nearly_all_recordings_agree():
    agreeing = [(5, 105)] * 9
    assert learn_span(agreeing) == Span(100, 1, 5, 1)
    assert learn_span([*agreeing, None]) == Span(100, 1, 5, 1)
    assert learn_span([(0, 100), (20, 120), (10, 110)]) == Span(100, 1, 10, pytest.approx(8.165, abs=1e-3))
    assert learn_span([*agreeing, None, None]) is None
    assert learn_span([(5, 105), (5, 305), (5, 205)]) is None
    assert learn_span([(5, 105)] * 2) is None


def test_the_span_that_explains_the_background_best():
    rng = np.random.default_rng(0)
    truth = np.zeros(2000)
    truth[300:1500] = 1
    # Each frame says little, and a hundred frames in the middle say the opposite.
    background = np.clip(0.5 + 0.12 * (0.5 - truth) + rng.normal(0, 0.1, 2000), 0.05, 0.95)
    background[800:900] = 0.9
    found = inside_span(background, Span(1200, 1, 400, 200), independent=30)
    assert np.abs((found > 0.5) - truth).sum() < 20 and found[800:900].min() > 0.99
    loose = inside_span(background, Span(1150, 40, 400, 200), independent=30)
    assert np.abs((loose > 0.5) - truth).sum() < 60
    # A recording no longer than the span keeps what its frames say.
    np.testing.assert_allclose(inside_span(background[:1000], Span(1200, 1, 400, 200), 30), 1 - background[:1000])
    inside = within(np.full((2, 3), 1 / 3), 0, np.array([1.0, 0.25]))
    np.testing.assert_allclose(inside, [[0, 0.5, 0.5], [0.75, 0.125, 0.125]])


def test_rare_classes_are_drawn_and_weighed_back():
    codes = np.repeat([0, 1, 2], [9000, 900, 100])
    rows, counts = draw_frames(codes, 600, np.random.default_rng(0))
    assert len(rows) == len(set(rows)) == 600 and (np.diff(rows) > 0).all()
    drawn = np.bincount(codes[rows])
    assert drawn[2] >= 100 and drawn[1] >= 100
    np.testing.assert_allclose(np.bincount(codes[rows], weights=counts), [9000, 900, 100])
    whole = np.bincount(codes[rows], weights=training_weights(codes[rows], counts, 1.0))
    np.testing.assert_allclose(whole, whole[0])
    np.testing.assert_allclose(training_weights(codes[rows], counts, 0.0), counts / counts.mean())
    few, ones = draw_frames(codes[:50], 60, np.random.default_rng(0))
    assert len(few) == 50 and (ones == 1).all()


def test_class_weights_raise_macro_f1_and_rest_where_nothing_is_gained():
    rng = np.random.default_rng(0)
    codes = (rng.random(4000) < 0.05).astype(np.int64)
    evidence = rng.normal(1.5 * codes, 1)
    # A model that believed both classes as frequent says the rare one too often.
    logs = np.stack([np.zeros(4000), 1.5 * evidence - 1.125], axis=1)
    shifts = class_shifts(logs, codes, np.ones(4000))
    assert shifts[1] - shifts[0] < -0.5
    certain = np.log(np.eye(2)[codes] * 0.98 + 0.01)
    assert not class_shifts(certain, codes, np.ones(4000)).any()


@pytest.mark.parametrize("limit", [10, 11, 37])
def test_never_more_frames_than_asked_for(limit):
    codes = np.random.default_rng(limit).integers(0, 8, 500)
    assert len(draw_frames(codes, limit, np.random.default_rng(0))[0]) == limit


def test_a_decision_learns_the_span_of_held_out_recordings():
    rng = np.random.default_rng(1)
    held = []
    for k in range(4):
        truth = np.zeros(900, np.int64)
        truth[100 + 10 * k : 700 + 10 * k] = 1 + (np.arange(600) // 50) % 2
        logits = 1.5 * np.eye(3)[truth] + rng.normal(0, 1, (900, 3))
        odds = np.exp(logits)
        held.append(Held((odds / odds.sum(1, keepdims=True)).astype(np.float32), truth, np.ones(900, bool)))
    decision = tune_decision(held, ("rest", "a", "b"), "rest", 10.0)
    assert decision.span is not None and decision.span.length == 600
    assert Decision.from_dict(decision.to_dict()).span == decision.span
    outside = decision.believed(held[0].probabilities)[:, 0] > 0.5
    assert np.abs(outside.astype(int) - (held[0].truth == 0)).sum() < 30
    broken = [replace(each, truth=np.where(np.arange(900) == 400, 0, each.truth)) for each in held]
    assert tune_decision(broken, ("rest", "a", "b"), "rest", 10.0).span is None


def test_kinds_of_one_class_are_found_and_follow_it():
    outer = np.repeat([0, 1, 2, 3], 100)
    inner = np.where(outer == 3, 1 + np.arange(400) % 2, 0)
    counts = joint_counts(outer, inner, 4, 0)
    np.testing.assert_array_equal(counts, [[100, 0], [100, 0], [100, 0], [0, 100]])
    assert outer_class(counts) == 3
    assert outer_class(joint_counts(outer, np.arange(400) % 3, 4, 0)) is None
    assert outer_class(joint_counts(outer, np.zeros(400, int), 4, 0)) is None
    # Both say nothing of interest: it stays. The outer task is sure of its class: the inner one follows half the way.
    said = np.array([[0.8, 0.1, 0.1], [0.5, 0.4, 0.1]], np.float32)
    found = chained(said, 0, np.array([0.2, 0.9], np.float32))
    np.testing.assert_allclose(found[0], said[0], atol=1e-6)
    assert found[1, 0] < 0.3 and found[1, 1] == pytest.approx(4 * found[1, 2], rel=1e-4)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-6)
