"""Decisions: calibrated on held-out frames, tuned to bouts, unknown where too little is known."""

from __future__ import annotations

import numpy as np
import pytest
import yaml
from scipy.special import log_softmax, softmax

from workflow_scripts.behaviour.calibration import Calibration, fit_calibration
from workflow_scripts.behaviour.decided import read_decision, write_decision
from workflow_scripts.behaviour.decisions import UNKNOWN, tune_decision
from workflow_scripts.behaviour.thresholds import Held

CLASSES = ("rest", "run", "rear")


def video(seed: int, *, flicker: float = 0.15, bias=(0.0, 0.0, 0.0)) -> Held:
    """Bouts of 40 frames; a readout that is right but for flicker, and that `bias` makes prefer classes."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, 30, p=(0.7, 0.2, 0.1)).repeat(40)
    logits = 3.0 * np.eye(3)[truth] + rng.normal(0, 0.5, (len(truth), 3)) + np.asarray(bias)
    logits = np.where((rng.random(len(truth)) < flicker)[:, None], logits[:, [1, 2, 0]], logits)
    return Held(softmax(logits, axis=1).astype(np.float32), truth.astype(np.int64), np.ones(len(truth), bool))


def test_calibration_makes_probabilities_that_happen_as_often_as_they_say():
    tuned, fresh = [video(k, bias=(0, 2, 2)) for k in range(4)], [video(10 + k, bias=(0, 2, 2)) for k in range(4)]
    found = fit_calibration(
        np.concatenate([each.probabilities for each in tuned]), np.concatenate([each.truth for each in tuned])
    )
    before = np.concatenate([each.probabilities for each in fresh])
    truth = np.concatenate([each.truth for each in fresh])
    after = found.apply(before)
    frequency = np.bincount(truth, minlength=3) / len(truth)
    assert np.abs(after.mean(axis=0) - frequency).max() < 0.05 < np.abs(before.mean(axis=0) - frequency).max()
    rows = np.arange(len(truth))
    assert -np.log(after[rows, truth]).mean() < -np.log(before[rows, truth]).mean()
    np.testing.assert_allclose(after.sum(axis=1), 1)


def test_the_temperature_alone_is_found_where_it_alone_is_wrong():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (20000, 3))
    truth = np.array([rng.choice(3, p=row) for row in softmax(logits, axis=1)])
    found = fit_calibration(softmax(3 * logits, axis=1), truth)
    assert found.temperature == pytest.approx(3, rel=0.1) and np.abs(found.shift - found.shift.mean()).max() < 0.1
    np.testing.assert_allclose(found.apply(softmax(3 * logits, axis=1)), softmax(logits, axis=1), atol=0.05)


def test_nothing_held_out_changes_nothing():
    probabilities = video(0).probabilities
    nothing = fit_calibration(np.zeros((0, 3)), np.zeros(0, np.int64))
    assert nothing.temperature == 1 and not nothing.shift.any()
    decision = tune_decision([], CLASSES, None, 10.0)
    np.testing.assert_array_equal(decision.apply(probabilities), probabilities.argmax(axis=1))
    np.testing.assert_allclose(decision.calibration.apply(probabilities), probabilities, atol=1e-6)


@pytest.mark.parametrize("kind", ["thresholds", "path"])
def test_decisions_close_the_flicker_that_the_most_probable_class_keeps(kind, tmp_path):
    decision = tune_decision([video(k) for k in range(3)], CLASSES, "rest", 20.0, kind=kind)
    fresh = video(20)
    said = decision.apply(fresh.probabilities)
    plain = fresh.probabilities.argmax(axis=1)
    changes = lambda codes: int((np.diff(codes) != 0).sum())  # noqa: E731
    assert (said == fresh.truth).mean() > (plain == fresh.truth).mean()
    assert changes(said) < 0.5 * changes(plain)
    assert decision.held_score > 0.7
    # What is stored decides the same, and reads as plain YAML.
    write_decision(tmp_path / "decision.yaml", {"task": decision})
    np.testing.assert_array_equal(read_decision(tmp_path / "decision.yaml")["task"].apply(fresh.probabilities), said)
    stored = yaml.safe_load((tmp_path / "decision.yaml").read_text())["tasks"]["task"]["classes"]
    assert list(stored) == list(CLASSES) and ("threshold" in stored["run"]) == (kind == "thresholds")
    assert "threshold" not in stored["rest"]  # the background has none


def test_the_background_is_the_tasks_and_no_name_decides_it():
    held = [video(k) for k in range(3)]
    by_run = tune_decision(held, CLASSES, "run", 20.0)
    by_rest = tune_decision(held, CLASSES, "rest", 20.0)
    nothing = np.full((50, 3), 1 / 3, np.float32)
    assert by_run.background_code == 1 and by_rest.background_code == 0
    assert by_run.to_dict()["classes"]["run"].keys() == by_rest.to_dict()["classes"]["rest"].keys() == {"shift"}
    assert len(by_run.apply(nothing)) == 50


def test_doubtful_and_unseen_frames_stay_unknown():
    held = [video(k, flicker=0.0) for k in range(3)]
    decision = tune_decision(held, CLASSES, "rest", 20.0, unknown_below=0.9)
    fresh = video(9, flicker=0.0)
    given = fresh.probabilities.copy()
    given[5] = 1 / 3
    unseen = np.zeros(len(given), bool)
    unseen[7] = True
    said = decision.apply(given, unseen)
    assert said[5] == said[7] == UNKNOWN
    sure = tune_decision(held, CLASSES, "rest", 20.0)
    assert (sure.apply(given) != UNKNOWN).all()
    probability = sure.calibration.apply(given)[np.arange(len(given)), sure.apply(given)]
    np.testing.assert_array_equal(said == UNKNOWN, (probability < 0.9) | unseen)


def test_classes_that_no_held_out_frame_shows_keep_finite_shifts():
    held = video(0)
    probabilities, truth = held.probabilities[held.truth != 2], held.truth[held.truth != 2]
    found = fit_calibration(probabilities, truth)
    assert isinstance(found, Calibration) and np.isfinite(found.shift).all() and found.shift[2] < 0
    loss = lambda p: -log_softmax(np.log(p), axis=1)[np.arange(len(truth)), truth].mean()  # noqa: E731
    assert loss(found.apply(probabilities)) < loss(probabilities)


def test_a_rare_class_that_was_hardly_learnt_is_not_said_of_everything():
    def weak(seed: int) -> Held:  # three in ten frames may be "rear", and one in seven of these is
        rng = np.random.default_rng(seed)
        may_be = rng.random(100) < 0.3
        truth = np.where(may_be & (rng.random(100) < 1 / 7), 2, np.where(rng.random(100) < 0.3, 1, 0)).repeat(20)
        logits = np.stack([truth != 1, truth == 1, 0.5 * may_be.repeat(20)], axis=1) * 6.0
        return Held(softmax(logits, axis=1).astype(np.float32), truth.astype(np.int64), np.ones(len(truth), bool))

    decision = tune_decision([weak(k) for k in range(4)], CLASSES, "rest", 10.0)
    fresh = [weak(100 + k) for k in range(4)]
    said = np.concatenate([decision.apply(each.probabilities) for each in fresh])
    truth = np.concatenate([each.truth for each in fresh])
    assert (said == 2).mean() < 2 * (truth == 2).mean()
    assert (said == 1).mean() == pytest.approx((truth == 1).mean(), abs=0.05)  # the other one was learnt
