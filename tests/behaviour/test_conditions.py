"""Conditions: exact tests by hand and by scipy, designs, intervals, false alarms and known effects."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from builders.behaviour import animals
from scipy import stats

from workflow_scripts.behaviour.conditions import Comparison, conditions
from workflow_scripts.behaviour.options import BehaviourConfig
from workflow_scripts.behaviour.units import arrange, find_design, resample_means

OPTIONS = BehaviourConfig(permutations=999)
SHARE = BehaviourConfig(permutations=999, measures=["share"])
TWO = np.array([0] * 5 + [1] * 5)
NO_BLOCKS = np.zeros(10, np.int64)


def test_p_of_two_groups_is_scipys_exact_one():
    rng = np.random.default_rng(1)
    for shift in (0.0, 1.0, 2.0):
        values = rng.normal(0, 1, 10) + shift * TWO
        test = Comparison(values[:, None], TWO, NO_BLOCKS, 999, 0)
        expected = stats.permutation_test(
            (values[TWO == 1], values[TWO == 0]), lambda a, b: a.mean() - b.mean(), n_resamples=np.inf
        ).pvalue
        assert test.arranged.exact
        assert test.p()[0] == pytest.approx(expected)


def test_difference_hedges_and_eta_by_their_formulas():
    values = np.array([1.0, 2, 3, 4, 5, 4, 5, 6, 7, 8])
    test = Comparison(values[:, None], TWO, NO_BLOCKS, 999, 0)
    assert test.difference()[0] == pytest.approx(3)
    assert test.hedges()[0] == pytest.approx(3 / np.sqrt(2.5) * (1 - 3 / (4 * 8 - 1)))
    f, _ = stats.f_oneway(values[:5], values[5:])
    assert test.eta()[0] == pytest.approx(f / (f + 8))


def test_three_groups_order_as_the_f_test_does():
    rng = np.random.default_rng(2)
    labels = np.repeat([0, 1, 2], 3)
    values = rng.normal(0, 1, 9)
    test = Comparison(values[:, None], labels, np.zeros(9, np.int64), 999, 0)
    observed = stats.f_oneway(*(values[labels == c] for c in range(3)))[0]
    found = [stats.f_oneway(*(values[row == c] for c in range(3)))[0] for row in test.arranged.labels]
    assert test.p()[0] == pytest.approx(np.mean(np.array(found) >= observed * (1 - 1e-9)))
    assert len(test.arranged.labels) == 1680
    assert test.arranged.smallest == pytest.approx(6 / 1680)  # renaming three equal groups changes nothing


def test_arrangements_are_all_there_are_and_stay_in_their_blocks():
    labels, block = np.array([0, 1, 0, 1, 1]), np.array([0, 0, 1, 1, 1])
    found = arrange(labels, block, 99, 0)
    assert len(found.labels) == len(np.unique(found.labels, axis=0)) == 2 * 3
    assert (found.labels[0] == labels).all()
    assert (found.labels[:, :2].sum(axis=1) == 1).all()
    assert found.smallest == pytest.approx(1 / 6)
    assert arrange(np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1]), 99, 0).smallest == pytest.approx(2 / 4)


def test_many_units_are_permuted_at_random_and_the_observed_order_counts():
    labels = np.repeat([0, 1], 12)
    found = arrange(labels, np.zeros(24, np.int64), 499, 3)
    assert not found.exact
    assert len(found.labels) == 500
    assert found.smallest == pytest.approx(1 / 500)


def test_the_same_animal_under_both_conditions_is_compared_with_itself():
    """Six animals, each higher under b: the paired p is 2/64, though animals differ far more than conditions."""
    rows = [
        (f"r{animal}{condition}", f"m{animal}", f"m{animal}", condition, 10 * animal + bump)
        for animal in range(6)
        for condition, bump in (("a", 0.0), ("b", 1.0 + 0.01 * animal))
    ]
    table = budget_of(rows)
    found = conditions(table, SHARE)
    row = found[found["row"] == "difference"].iloc[0]
    assert row["design"] == "animal within animal"
    assert row["p"] == pytest.approx(2 / 64)
    assert row["smallest_p"] == pytest.approx(2 / 64)
    assert row["value"] == pytest.approx(1.025)
    assert row["low"] <= 1.025 <= row["high"]


def budget_of(rows):
    table = pd.DataFrame(rows, columns=["recording", "animal", "group", "condition", "share"])
    return table.assign(dataset="toy", task="S1", source="human", background=False, **{"class": "social"})


def test_cages_are_the_units_where_animals_share_one():
    rows = [
        (f"r{cage}{n}", f"m{cage}{n}", f"c{cage}", "ab"[cage % 2], float(cage % 2) + 0.1 * n + 0.01 * cage)
        for cage in range(8)
        for n in range(4)
    ]
    row = conditions(budget_of(rows), SHARE).query("row == 'difference'").iloc[0]
    assert (row["design"], row["n_a"], row["n_b"]) == ("group", 4, 4)
    assert row["smallest_p"] == pytest.approx(2 / 70)  # and not that of 32 animals
    assert row["p"] == pytest.approx(2 / 70)


def test_animals_of_both_conditions_in_a_cage_are_compared_within_it():
    rows = [
        (f"r{cage}{c}", f"m{cage}{c}", f"c{cage}", c, 5.0 * cage + (1 + 0.01 * cage if c == "b" else 0))
        for cage in range(6)
        for c in "ab"
    ]
    row = conditions(budget_of(rows), SHARE).query("row == 'difference'").iloc[0]
    assert row["design"] == "animal within group"
    assert row["p"] == pytest.approx(2 / 64)


def test_blocks_remove_a_covariates_effect():
    rng = np.random.default_rng(0)
    rows, sexes = [], []
    for number, (sex, condition) in enumerate(itertools.product(["f", "m"] * 6, "ab")):
        name = f"r{number}"
        rows.append((name, name, name, condition, 10 * (sex == "m") + 1.0 * (condition == "b") + rng.normal(0, 0.3)))
        sexes.append({"dataset": "toy", "recording": name, "sex": sex})
    plain = conditions(budget_of(rows), SHARE, pd.DataFrame(sexes)).query("row == 'difference'").iloc[0]
    options = SHARE.model_copy(update={"blocks": ["sex"]})
    blocked = conditions(budget_of(rows), options, pd.DataFrame(sexes)).query("row == 'difference'").iloc[0]
    assert plain["p"] > 0.5
    assert blocked["p"] < 0.01
    assert blocked["design"] == "animal within sex"
    assert blocked["value"] == pytest.approx(plain["value"])  # the design is balanced
    assert blocked["high"] - blocked["low"] < 1


def test_sessions_of_an_animal_are_no_units():
    rng = np.random.default_rng(5)
    table = animals(rng, ["control", "treated"] * 4, recordings=5, frames=600)
    found = conditions(table, SHARE)
    assert set(found.query("row == 'difference'")["n_units"]) == {8}
    assert set(found.query("row == 'difference'")["smallest_p"].round(6)) == {round(2 / 70, 6)}


def test_recordings_with_no_bout_drop_out_and_are_reported():
    rows = [(f"r{n}", f"r{n}", f"r{n}", "ab"[n % 2], np.nan if n == 0 else float(n)) for n in range(10)]
    row = conditions(budget_of(rows), SHARE).query("row == 'difference'").iloc[0]
    assert row["n_units"] == 9
    assert row["note"] == "1 of 10 units have no value"


def test_few_units_and_constant_values_get_no_false_p():
    rows = [(f"r{n}", f"r{n}", f"r{n}", "ab"[n % 2], 0.0) for n in range(10)]
    row = conditions(budget_of(rows), SHARE).query("row == 'difference'").iloc[0]
    assert (row["p"], row["note"]) == (1.0, "all values are equal")
    row = conditions(budget_of(rows[:2]), SHARE).query("row == 'difference'").iloc[0]
    assert np.isnan(row["p"])
    assert "too few" in row["note"]


def test_one_condition_gives_an_empty_table():
    rows = [(f"r{n}", f"r{n}", f"r{n}", "a", 1.0) for n in range(4)]
    assert len(conditions(budget_of(rows), SHARE)) == 0


def test_unit_option_and_missing_animals():
    table = pd.DataFrame(
        {"recording": ["x", "y"], "animal": ["", "m"], "group": ["g", "h"], "condition": ["a", "b"], "dataset": "d"}
    )
    assert list(find_design(table, "auto", []).units) == ["g", "m"]
    assert list(find_design(table, "recording", []).units) == ["x", "y"]
    assert find_design(table.assign(animal=""), "auto", []).name == "group"


def test_intervals_of_few_units_cover_the_mean():
    """The plain percentile interval of 6 units covers some 88 %; widened it gets nearer to 95 %."""
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        low, high = resample_means(rng.normal(0, 1, 6), 0.95, 400, 0)
        hits += low <= 0 <= high
    assert 0.88 <= hits / 400 <= 0.98


def test_false_alarms_are_rare_and_a_known_effect_is_found():
    """100 draws of two made-up conditions over 16 animals, tests of two classes × four measures corrected together."""
    labels = ["control"] * 8 + ["treated"] * 8
    alarms = found = 0
    for draw in range(100):
        rng = np.random.default_rng([7, draw])
        quiet = conditions(animals(rng, rng.permutation(labels), frames=1500), OPTIONS, resamples=50)
        alarms += bool((quiet["p_holm"] <= 0.05).any())
    for draw in range(10):
        rng = np.random.default_rng([8, draw])
        loud = conditions(animals(rng, labels, effect=0.25, frames=1500), OPTIONS, resamples=50)
        hit = loud.query("row == 'difference' and measure == 'share' and `class` == 'social'").iloc[0]
        found += bool(hit["p_holm"] <= 0.05 and hit["value"] > 0)
    assert alarms <= 7
    assert found >= 9


def test_false_alarms_of_three_conditions():
    labels = ["a", "b", "c"] * 5
    alarms = 0
    for draw in range(60):
        rng = np.random.default_rng([9, draw])
        quiet = conditions(animals(rng, rng.permutation(labels), frames=900), OPTIONS, resamples=50)
        assert set(quiet["row"]) == {"estimate", "overall", "difference"}
        alarms += bool((quiet["p_holm"] <= 0.05).any())
    assert alarms <= 5
