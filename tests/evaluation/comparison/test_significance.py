from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import permutation_test

from workflow_scripts.core.multiplicity import holm
from workflow_scripts.evaluation.comparison.compare import run_rows, score_run
from workflow_scripts.evaluation.comparison.paired import swap_test
from workflow_scripts.evaluation.comparison.significance import RANKS, TESTS, Contender, labels, significance
from workflow_scripts.evaluation.options import IntervalConfig
from workflow_scripts.evaluation.scores.intervals import over_seeds, percentile_interval
from workflow_scripts.evaluation.scores.seeds import score_seeds
from workflow_scripts.formats.predictions import Prediction, create_predictions
from workflow_scripts.metrics import frames as metrics

INTERVAL = IntervalConfig(resamples=400)
NAMES = ("rest", "run", "rear")


def write(path, skill, groups=6, frames=80, seed=0, method=0, kind="multiclass", names=None):
    """Predictions that are right with probability `skill`; the truth depends on `seed` alone."""
    rng, noise = np.random.default_rng(seed), np.random.default_rng([seed, method, int(1000 * skill)])
    with create_predictions(path) as writer:
        vocabulary = NAMES if kind == "multiclass" else ()
        writer.task("t", kind=kind, level="frame", vocabulary=vocabulary, readout="probe")
        for group in names or [f"g{k}" for k in range(groups)]:
            if kind == "multiclass":
                truth = rng.integers(0, 3, frames).astype(np.int16)
                said = np.where(noise.random(frames) < skill, truth, noise.integers(0, 3, frames)).astype(np.int16)
            else:
                truth = rng.normal(size=frames).astype(np.float32)
                said = (truth + noise.normal(0, 1 - skill, frames)).astype(np.float32)
            writer.add("t", Prediction(group, group, truth, np.ones(frames, bool), said))
    return path


def contender(name, paths, chance=False, **about):
    about = {"dataset": "toy", "split": "fold", "mode": "sound", "setting": "default"} | about
    return Contender(method=name, chance=chance, paths=dict(enumerate([p] for p in paths)), **about)


@pytest.mark.parametrize("n", [2, 5, 9])
def test_swaps_are_scipys_paired_permutations(n):
    rng = np.random.default_rng(n)
    a, b = rng.normal(0.4, 1, n), rng.normal(size=n)
    oracle = permutation_test(
        (a, b), lambda x, y, axis: (x - y).mean(axis=axis), permutation_type="samples", n_resamples=np.inf
    )
    stack = [np.stack([np.ones(n), values], axis=1)[None] for values in (a, b)]
    found = swap_test(*stack, lambda sums: sums[..., 1] / sums[..., 0])
    assert found.exact and found.smallest == 2 / 2**n
    assert found.p == pytest.approx(oracle.pvalue)
    assert found.difference == pytest.approx(a.mean() - b.mean())


def test_swaps_recompute_a_metric_that_is_no_mean():
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 9, (2, 4, 3, 3)).astype(float)
    differences = []
    for number in range(16):
        swap = [bool(number >> k & 1) for k in range(4)]
        one = sum(b[k] if swap[k] else a[k] for k in range(4))
        other = sum(a[k] if swap[k] else b[k] for k in range(4))
        differences.append(metrics.macro_f1(one) - metrics.macro_f1(other))
    expected = np.mean(np.abs(differences) >= abs(differences[0]) - 1e-12)
    assert swap_test(a[None], b[None], metrics.macro_f1).p == pytest.approx(expected)


def test_many_groups_are_drawn_and_p_is_never_zero():
    a, b = np.ones((1, 40, 2)), np.stack([np.ones(40), np.full(40, 0.5)], axis=1)[None]
    found = swap_test(a, b, lambda sums: sums[..., 1] / sums[..., 0])
    assert not found.exact
    assert found.p == pytest.approx(1e-4)
    assert found == swap_test(a, b, lambda sums: sums[..., 1] / sums[..., 0])


def test_without_a_difference_few_tests_are_significant():
    """Two equally good methods over 200 simulated studies of 8 groups: p ≤ 0.05 in about one of twenty."""
    rng = np.random.default_rng(7)
    hits = 0
    for _ in range(200):
        skill = np.clip(rng.normal(0.7, 0.1, 8), 0, 1)  # hard and easy groups, the same for both
        both = rng.binomial(200, skill, size=(2, 8))
        stack = [np.stack([np.full(8, 200.0), right], axis=1)[None] for right in both]
        hits += swap_test(*stack, lambda sums: sums[..., 1] / sums[..., 0]).p <= 0.05
    assert 2 <= hits <= 20


def test_one_group_shows_nothing():
    found = swap_test(np.ones((1, 1, 2)), np.array([[[1.0, 0.0]]]), lambda sums: sums[..., 1] / sums[..., 0])
    assert found.p == found.smallest == 1


def test_holm():
    # Holm (1979) by hand: 0.01·4, 0.02·3, 0.03·2 and 0.9, never falling.
    np.testing.assert_allclose(holm(np.array([0.03, 0.01, np.nan, 0.9, 0.02])), [0.06, 0.04, np.nan, 0.9, 0.06])
    np.testing.assert_allclose(holm(np.array([0.6, 0.7])), [1, 1])
    assert holm(np.array([])).shape == (0,)


def test_seeds_widen_the_interval_and_every_row_is_matched(tmp_path):
    paths = [write(tmp_path / f"{k}.h5", skill, method=k) for k, skill in enumerate((0.5, 0.6, 0.75))]
    run = {"dataset": "toy", "method": "net", "mode": "sound", "setting": "default", "split": "fold"}
    table = score_seeds({k: [path] for k, path in enumerate(paths)}, INTERVAL, run)
    each = [score_run([path], INTERVAL, {**run, "seed": k}) for k, path in enumerate(paths)]
    assert len(table) == len(each[0]) and table["seed"].isna().all()
    row = table.set_index("metric").loc["macro_f1"]
    alone = [one.set_index("metric").loc["macro_f1"] for one in each]
    assert row["value"] == pytest.approx(np.mean([one["value"] for one in alone]))
    assert row["high"] - row["low"] > max(one["high"] - one["low"] for one in alone)
    assert min(one["low"] for one in alone) <= row["low"] < row["value"] < row["high"]
    # By hand: the same resamples of groups for each seed, then seeds drawn.
    draws = []
    for path in paths:
        rows = {row.key: row.estimate for row in run_rows([path], INTERVAL, run)}
        draws.append(next(one.draws for key, one in rows.items() if key[-1] == "macro_f1"))
    assert percentile_interval(over_seeds(np.stack(draws), INTERVAL), INTERVAL.level) == (row["low"], row["high"])


def test_rows_with_equal_intervals_keep_their_own_draws(tmp_path):
    # Bounds of F1 rows agree where a metric is capped, so bounds do not tell rows apart; each row brings its draws.
    run = {"dataset": "toy", "method": "net", "mode": "sound", "setting": "default", "split": "fold"}
    paths = [write(tmp_path / f"{k}.h5", 0.6, method=k) for k in range(2)]
    each = [{row.key: row for row in run_rows([path], INTERVAL, run)} for path in paths]
    table = score_seeds(dict(enumerate([[path] for path in paths])), INTERVAL, run)
    assert [(row.readout, row.task, row.metric) for row in table.itertuples()] == [key[1:] for key in each[0]]
    for row in table.itertuples():
        mine = [one["", row.readout, row.task, row.metric].estimate for one in each]
        if any(one.draws is None or not np.isfinite(one.interval).all() for one in mine):
            assert np.isnan([row.low, row.high]).all()
            continue
        draws = over_seeds(np.stack([one.draws for one in mine]), INTERVAL)
        assert percentile_interval(draws, INTERVAL.level) == (row.low, row.high)


def test_equal_seeds_are_one_seed(tmp_path):
    path = write(tmp_path / "a.h5", 0.6)
    run = {"dataset": "toy", "method": "net", "mode": "sound", "setting": "default", "split": "fold"}
    several = score_seeds({0: [path], 1: [path]}, INTERVAL, run)
    alone = score_run([path], INTERVAL, run)
    np.testing.assert_allclose(several[["value", "low", "high"]], alone[["value", "low", "high"]], rtol=1e-12)


def test_better_methods_win_and_six_groups_cannot_do_more_than_they_can(tmp_path):
    made = {
        "good": [write(tmp_path / f"good{k}.h5", 0.9, method=k) for k in range(2)],
        "fair": [write(tmp_path / "fair.h5", 0.6)],
        "fair2": [write(tmp_path / "fair2.h5", 0.6, method=4)],
    }
    prior = [write(tmp_path / "prior.h5", 0.0)]
    found = [contender(name, paths) for name, paths in made.items()] + [contender("prior", prior, chance=True)]
    tests, ranks = significance(found, INTERVAL)
    assert list(tests.columns) == TESTS and list(ranks.columns) == RANKS
    pair = tests.set_index(["a", "b"])
    assert len(pair) == 6 and (tests["smallest_p"] == 2 / 64).all() and tests["exact"].all()
    assert pair.loc[("good", "fair"), "p"] == 2 / 64 < 0.05
    assert pair.loc[("good", "fair"), "p_holm"] == pytest.approx(3 * 2 / 64)  # honest: six groups are too few
    assert pair.loc[("good", "fair"), "low"] > 0.1
    assert pair.loc[("good", "fair"), ["seeds_a", "seeds_b"]].tolist() == [2, 1]
    assert pair.loc[("fair", "fair2"), "p"] > 0.1
    assert pair.loc[("fair", "fair2"), "low"] < 0 < pair.loc[("fair", "fair2"), "high"]
    assert pair.loc[("fair", "prior"), "family"] == "chance" and pair.loc[("fair", "prior"), "comparisons"] == 3
    by = ranks.set_index("label")
    assert by.loc["good", ["rank", "low", "high"]].tolist() == [1, 1, 1]
    assert by.loc["prior", "rank"] == 4 and bool(by.loc["prior", "chance"])
    assert by.loc["fair", "low"] == 2 and by.loc["fair", "high"] == 3


def test_errors_rank_the_other_way_round_and_datasets_are_averaged(tmp_path):
    found = []
    for dataset in ("one", "two"):
        for name, skill in (("good", 0.8), ("bad", 0.1)):
            path = write(tmp_path / f"{dataset}{name}.h5", skill, kind="continuous", seed=len(found))
            found.append(contender(name, [path], dataset=dataset))
    tests, ranks = significance(found, INTERVAL)
    assert (tests["metric"] == "mse").all() and (tests["difference"] < 0).all()
    every = ranks[ranks["scope"] == "all"].set_index("label")
    assert every["rank"].to_dict() == {"good": 1, "bad": 2}
    assert every["n_tasks"].tolist() == [2, 2] and every["n_groups"].tolist() == [12, 12]


def test_other_groups_cannot_be_paired(tmp_path):
    a = write(tmp_path / "a.h5", 0.9, names=["x", "y", "z"])
    b = write(tmp_path / "b.h5", 0.5, names=["x", "y"])
    tests, _ = significance([contender("a", [a]), contender("b", [b])], INTERVAL)
    assert tests["note"].tolist() == ["they predict different groups"] and tests["p"].isna().all()


def test_variants_are_named_by_what_differs():
    rows = [("net", "sound", "default", "probe", "fold"), ("net", "sound", "default", "native", "fold")]
    rows += [("pca", "sound", "dims~8", "probe", "fold"), ("pca", "sound", "dims~16", "probe", "fold")]
    rows += [("raw", "sound", "default", "probe", "fold")]
    assert labels(rows) == ["net · probe", "net · native", "pca · dims~8", "pca · dims~16", "raw"]
