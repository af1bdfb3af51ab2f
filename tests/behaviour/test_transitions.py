"""Transitions by hand, and orders of bouts that chance allows."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from builders.behaviour import series

from workflow_scripts.behaviour import transitions as module
from workflow_scripts.behaviour.transitions import BoutOrder, shuffled, transitions


def cell(table, a, b, condition=""):
    return table[(table["from"] == a) & (table["to"] == b) & (table["condition"] == condition)].iloc[0]


def test_counts_and_probabilities_by_hand():
    # social attack (base) social | unseen | attack social: nothing is counted across what is unseen
    table = transitions([series([1, 2, 0, 1, -1, 2, 1, 1])], shuffles=100)
    counts = {(row["from"], row["to"]): row["count"] for _, row in table.iterrows()}
    assert counts == {
        ("social", "social"): 0,
        ("social", "attack"): 1,
        ("attack", "social"): 2,
        ("attack", "attack"): 0,
    }
    assert cell(table, "attack", "social")["probability"] == 1
    assert cell(table, "social", "attack")["n_bouts"] == 5


def test_a_behaviour_may_follow_itself_after_background():
    table = transitions([series([1, 0, 1, 0, 2])], shuffles=100)
    assert cell(table, "social", "social")["count"] == 1


def test_random_orders_are_uniform_over_those_allowed(monkeypatch):
    """Bouts 1 2 1 3 2 that touch one another: every order without two alike in touch, equally often."""
    codes = [1, 2, 1, 3, 2]
    allowed = {order for order in itertools.permutations(codes) if all(a != b for a, b in itertools.pairwise(order))}
    monkeypatch.setattr(module, "CHAINS", 4000)
    found = shuffled([BoutOrder(series(codes, classes=tuple("abcd")))], 8000, 0, 4)[0]
    observed = Counter(tuple(each.ravel().astype(int)) for each in found)
    expected: Counter[tuple[int, ...]] = Counter()
    for order in allowed:
        counts = np.zeros((4, 4), int)
        np.add.at(counts, (order[:-1], order[1:]), 1)
        expected[tuple(counts.ravel())] += 1
    assert set(observed) == set(expected)
    for key, number in expected.items():
        assert observed[key] / 8000 == pytest.approx(number / len(allowed), abs=0.025)


def test_orders_keep_the_bouts_and_never_touch_their_like():
    rng = np.random.default_rng(0)
    codes = np.repeat(rng.integers(0, 4, 120), 3)
    each = series(codes, classes=tuple("abcd"))
    found = shuffled([BoutOrder(each), BoutOrder(series([1, 1, 2], classes=tuple("abcd")))], 200, 0, 4)
    n_pairs = int(BoutOrder(each).follows.sum())
    assert (found[0].sum(axis=(1, 2)) == n_pairs).all()
    assert (found[1].sum(axis=(1, 2)) == 1).all()
    never = series(np.where(codes == 0, 1, codes), classes=tuple("abcd"))  # no background: all bouts touch
    assert not np.trace(shuffled([BoutOrder(never)], 200, 0, 4)[0], axis1=1, axis2=2).any()


def test_a_fixed_order_differs_from_chance_and_a_random_one_does_not():
    cycle = np.concatenate([np.repeat([1, 0, 2, 0, 3, 0], 2)] * 25)
    table = transitions([series(cycle, classes=tuple("abcd"))], shuffles=1000)
    assert cell(table, "b", "c")["p_holm"] < 0.05
    assert cell(table, "b", "c")["ratio"] > 2
    assert cell(table, "b", "d")["count"] == 0
    alarms = 0
    for draw in range(40):
        rng = np.random.default_rng([3, draw])
        codes = np.stack([rng.integers(1, 4, 60), np.zeros(60, int)], axis=1).ravel()
        quiet = transitions([series(codes, classes=tuple("abcd"))], shuffles=1000)
        alarms += bool((quiet["p_holm"] <= 0.05).any())
    assert alarms <= 5


def test_conditions_get_tables_of_their_own():
    many = [
        series([1, 0, 2] * 5, recording="x", condition="a"),
        series([2, 0, 1] * 5, recording="y", condition="b"),
    ]
    table = transitions(many, shuffles=100)
    assert set(table["condition"]) == {"", "a", "b"}
    assert (
        cell(table, "social", "attack", "a")["count"] + cell(table, "social", "attack", "b")["count"]
        == cell(table, "social", "attack")["count"]
    )
