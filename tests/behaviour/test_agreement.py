"""Bias and spread of a model's measures against hand labels."""

from __future__ import annotations

import numpy as np
import pytest
from builders.behaviour import series, walk

from workflow_scripts.behaviour.agreement import agreement


def of(table, name, measure, condition=""):
    chosen = table[(table["class"] == name) & (table["measure"] == measure) & (table["condition"] == condition)]
    return chosen.iloc[0]


def test_bias_and_spread_by_hand():
    hand, model = [], []
    for number, extra in enumerate((0, 1, 2)):  # the model says 0, 1, 2 of 10 frames too many
        codes = np.array([1] * 4 + [0] * 6)
        hand.append(series(codes, recording=f"r{number}"))
        said = np.array([1] * (4 + extra) + [0] * (6 - extra))
        model.append(series(said, recording=f"r{number}", source="features", role="held_out"))
    table, errors = agreement([*hand, *model])
    row = of(table, "social", "share")
    assert row["human"] == pytest.approx(0.4)
    assert row["model"] == pytest.approx(0.5)
    assert row["bias"] == pytest.approx(0.1)
    assert row["spread"] == pytest.approx(0.1)
    assert row["limit_high"] == pytest.approx(0.1 + 1.96 * 0.1)
    assert (row["n_recordings"], row["n_units"]) == (3, 3)
    assert row["low"] <= 0.1 <= row["high"]
    assert errors[errors["class"] == "social"]["share"].tolist() == pytest.approx([0, 0.1, 0.2])


def test_only_frames_that_both_know_are_compared():
    """Half is unlabelled; there, the model's attack is no disagreement."""
    hand = series([1, 1, 0, 0, -1, -1, -1, -1])
    model = series([1, 1, 0, -1, 2, 2, 2, 2], source="m", role="held_out")
    table, _ = agreement([hand, model])
    assert of(table, "social", "share")["human"] == pytest.approx(2 / 3)
    assert of(table, "social", "share")["bias"] == 0
    assert of(table, "attack", "share")["model"] == 0


def test_units_are_animals():
    many = []
    for number in range(6):
        codes = walk(np.random.default_rng(number), 400, [0.5, 0.3, 0.2], 10)
        for source, role in (("human", "labelled"), ("m", "held_out")):
            many.append(series(codes, recording=f"r{number}", animal=f"a{number % 2}", source=source, role=role))
    table, _ = agreement(many)
    assert (of(table, "social", "share")["n_recordings"], of(table, "social", "share")["n_units"]) == (6, 2)
    assert of(table, "social", "share")["correlation"] == pytest.approx(1)


def test_a_recording_without_hand_labels_is_left_out():
    table, errors = agreement([series([1, 0], source="m", role="applied")])
    assert len(table) == len(errors) == 0
