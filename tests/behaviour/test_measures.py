"""Bouts, budgets and time bins of series small enough to count by hand."""

from __future__ import annotations

import numpy as np
import pytest
from builders.behaviour import CLASSES, series

from workflow_scripts.behaviour.measures import bouts, budget, time_bins
from workflow_scripts.behaviour.series import class_names

#        frame 0  1  2  3  4   5   6  7  8  9 10 11
CODES = [0, 1, 1, 0, -1, -1, 1, 1, 1, 2, 2, 0]


def of(table, name):
    return table[table["class"] == name].iloc[0]


def test_bouts_are_unbroken_stretches_without_the_background():
    table = bouts([series(CODES)])
    assert list(zip(table["class"], table["start_frame"], table["stop_frame"], table["cut"], strict=True)) == [
        ("social", 1, 3, False),
        ("social", 6, 9, True),  # begins where the animal comes into sight
        ("attack", 9, 11, False),
    ]
    np.testing.assert_allclose(table["duration_s"], [0.2, 0.3, 0.2])


def test_a_bout_at_an_end_of_the_recording_is_cut():
    assert list(bouts([series([1, 1, 0, 2])])["cut"]) == [True, True]
    assert list(bouts([series([1, 1, 1])])["cut"]) == [True]


def test_budget_by_hand():
    table = budget([series(CODES)])
    social = of(table, "social")
    assert social["seconds_seen"] == pytest.approx(1.0)  # 10 of 12 frames at 10 a second
    assert social["share_unseen"] == pytest.approx(2 / 12)
    assert social["share"] == pytest.approx(5 / 10)
    assert social["seconds"] == pytest.approx(0.5)
    assert social["bouts"] == 2
    assert social["rate_per_min"] == pytest.approx(2 / 1.0 * 60)
    assert social["mean_s"] == pytest.approx(0.25)
    assert social["median_s"] == pytest.approx(0.25)
    assert social["latency_s"] == pytest.approx(0.1)


def test_unseen_frames_are_no_background():
    table = budget([series([-1] * 30 + [0] * 5 + [1] * 5)])
    assert of(table, "base")["share"] == pytest.approx(0.5)
    assert of(table, "base")["share_unseen"] == pytest.approx(0.75)
    assert table["share"].sum() == pytest.approx(1)
    # Latency counts from the first frame seen: before, the behaviour may have been shown unseen.
    assert of(table, "social")["latency_s"] == pytest.approx(0.5)


def test_the_background_has_a_share_and_no_bouts():
    base = of(budget([series(CODES)]), "base")
    assert base["background"]
    assert base["share"] == pytest.approx(3 / 10)
    assert base[["bouts", "rate_per_min", "mean_s", "median_s", "latency_s"]].isna().all()


def test_a_class_that_is_never_shown_has_no_duration_and_no_latency():
    attack = of(budget([series([0, 1, 1, 0])]), "attack")
    assert (attack["share"], attack["bouts"], attack["rate_per_min"]) == (0, 0, 0)
    assert attack[["mean_s", "median_s", "latency_s"]].isna().all()


def test_a_recording_without_a_seen_frame_says_nothing():
    table = budget([series([-1] * 5)])
    assert (table["share_unseen"] == 1).all()
    assert table[["share", "seconds", "bouts", "rate_per_min"]].isna().all().all()


def test_without_a_background_every_class_has_bouts():
    table = budget([series([0, 0, 1, 1], background=None)])
    assert of(table, "base")["bouts"] == 1


def test_the_positive_class_of_a_yes_or_no_task_is_called_as_the_task():
    assert class_names("chases", "binary", ("no", "yes"), None) == (["no", "chases"], 0)
    assert class_names("chases", "binary", (), None) == (["not chases", "chases"], 0)


def test_time_bins_add_up_to_the_budget():
    rng = np.random.default_rng(0)
    codes = np.repeat(rng.integers(-1, 3, 60), 7)
    whole, bins = budget([series(codes)]), time_bins([series(codes)], 5.0)
    for name in CLASSES:
        mine = bins[bins["class"] == name]
        assert len(mine) == 9  # 42 s: eight bins and one of 2 s
        assert mine["seconds"].sum() == pytest.approx(of(whole, name)["seconds"])
        if name != "base":
            assert mine["bouts"].sum() == of(whole, name)["bouts"]
    assert bins["stop_s"].max() == pytest.approx(42)


def test_frame_rates_may_differ():
    slow, fast = [0, 1, 1, 0, 2], np.repeat([0, 1, 1, 0, 2], 3)
    a = budget([series(slow, fps=10.0)])
    b = budget([series(fast, fps=30.0)])
    columns = ["share", "seconds", "rate_per_min", "mean_s", "latency_s"]
    np.testing.assert_allclose(a[columns].to_numpy(float), b[columns].to_numpy(float))


def test_no_series_gives_an_empty_table_with_columns():
    assert list(budget([]).columns) == list(budget([series(CODES)]).columns)
    assert len(bouts([series([0, 0])])) == 0
