import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from workflow_scripts.evaluation.options import IntervalConfig
from workflow_scripts.evaluation.scores.intervals import (
    percentile_interval,
    resample_counts,
    resample_sums,
)
from workflow_scripts.metrics import frames as metrics


def bootstrap(statistics, metric, interval):
    counts = resample_counts(len(statistics), interval)
    return percentile_interval(metric(resample_sums(statistics, counts)), interval.level)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 200), classes=st.integers(2, 5), skew=st.floats(0.05, 5))
def test_class_metrics_are_scikit_learns(seed, n, classes, skew):
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(classes, skew))
    truth, guess = rng.choice(classes, n, p=shares), rng.choice(classes, n)
    matrix = metrics.confusion(truth, guess, classes)
    assert (matrix == oracle.confusion_matrix(truth, guess, labels=range(classes))).all()
    present = np.unique(truth)
    expected = oracle.f1_score(truth, guess, labels=range(classes), average=None, zero_division=0)
    found = metrics.class_f1(matrix)
    np.testing.assert_allclose(found[present], expected[present])
    assert np.isnan(np.delete(found, present)).all()
    assert metrics.macro_f1(matrix) == pytest.approx(expected[present].mean())
    recall = oracle.recall_score(truth, guess, labels=present, average="macro", zero_division=0)
    assert metrics.balanced_accuracy(matrix) == pytest.approx(recall)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 300), ties=st.integers(1, 50), positive=st.floats(0.02, 0.98))
def test_ranking_metrics_are_scikit_learns_with_ties(seed, n, ties, positive):
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < positive
    truth[0] = True
    scores = rng.integers(0, ties, n).astype(np.float32) / 7 + truth
    histogram = metrics.score_histograms(truth, scores, np.zeros(n, np.int32), 1)[0]
    assert metrics.average_precision(histogram) == pytest.approx(oracle.average_precision_score(truth, scores))
    if truth.all():
        assert np.isnan(metrics.auroc(histogram))
    else:
        assert metrics.auroc(histogram) == pytest.approx(oracle.roc_auc_score(truth, scores))


def test_ranking_metrics_of_a_resample_are_those_of_repeated_rows():
    rng = np.random.default_rng(0)
    truth, groups = rng.random(500) < 0.3, rng.integers(0, 4, 500)
    scores = (rng.normal(size=500) + truth).round(1)
    histogram = metrics.score_histograms(truth, scores, groups, 4)
    counts = np.array([2, 0, 3, 1])
    drawn = np.tensordot(counts, histogram, axes=1)
    index = np.repeat(np.arange(500), counts[groups])
    assert metrics.average_precision(drawn) == pytest.approx(
        oracle.average_precision_score(truth[index], scores[index])
    )
    assert metrics.auroc(drawn) == pytest.approx(oracle.roc_auc_score(truth[index], scores[index]))


def test_many_thresholds_are_thinned_at_little_cost():
    rng = np.random.default_rng(1)
    truth = rng.random(20_000) < 0.4
    scores = rng.normal(size=20_000) + truth
    thin = metrics.score_histograms(truth, scores, np.zeros(20_000, np.int32), 1)[0]
    assert thin.shape[1] == 2 * metrics.MAX_THRESHOLDS + 1
    assert thin.sum() == 20_000
    assert metrics.average_precision(thin) == pytest.approx(oracle.average_precision_score(truth, scores), abs=1e-3)
    assert metrics.auroc(thin) == pytest.approx(oracle.roc_auc_score(truth, scores), abs=1e-3)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 100), offset=st.floats(-1e4, 1e4))
def test_regression_metrics_are_scikit_learns(seed, n, offset):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=n) + offset
    guess = truth + rng.normal(size=n)
    parts = np.stack([metrics.regression_sums(truth[i::2], guess[i::2], centre=truth[0]) for i in (0, 1)])
    sums = parts.sum(axis=0)
    assert metrics.mse(sums) == pytest.approx(oracle.mean_squared_error(truth, guess))
    assert metrics.r2(sums) == pytest.approx(oracle.r2_score(truth, guess), rel=1e-6, abs=1e-6)


def test_r2_of_a_constant_truth_is_undefined():
    assert np.isnan(metrics.r2(metrics.regression_sums(np.full(5, 3.0), np.arange(5.0))))


def test_metrics_broadcast_over_resamples():
    rng = np.random.default_rng(0)
    matrices = rng.integers(0, 9, (7, 3, 3)).astype(float)
    assert metrics.macro_f1(matrices).tolist() == [float(metrics.macro_f1(m)) for m in matrices]
    assert np.isnan(metrics.macro_f1(np.zeros((2, 3, 3)))).all()


GROUPS = st.integers(2, 30)


@settings(max_examples=40, deadline=None)
@given(n=GROUPS, seed=st.integers(0, 100))
def test_resamples_draw_groups_with_replacement(n, seed):
    interval = IntervalConfig(resamples=200, seed=seed)
    counts = resample_counts(n, interval)
    assert counts.shape == (200, n)
    assert (counts.sum(axis=1) == n).all()
    assert (counts >= 0).all()
    assert (counts == resample_counts(n, interval)).all()
    assert (counts != 1).any()


@settings(max_examples=40, deadline=None)
@given(n=GROUPS, seed=st.integers(0, 1000), factor=st.floats(0.1, 10))
def test_interval_invariants(n, seed, factor):
    rng = np.random.default_rng(seed)
    matrices = rng.integers(0, 20, (n, 2, 2)).astype(float) + 1
    interval = IntervalConfig(resamples=300)
    low, high = bootstrap(matrices, metrics.macro_f1, interval)
    assert 0 <= low <= high <= 1
    # Scaling every group's counts changes no ratio; equal groups leave nothing to vary.
    scaled = bootstrap(matrices * factor, metrics.macro_f1, interval)
    assert scaled == pytest.approx((low, high))
    same = bootstrap(np.repeat(matrices[:1], n, axis=0), metrics.macro_f1, interval)
    assert same == pytest.approx((float(metrics.macro_f1(matrices[0])),) * 2)
    wide = bootstrap(matrices, metrics.macro_f1, IntervalConfig(resamples=300, level=0.99))
    assert wide[0] <= low
    assert wide[1] >= high


def test_interval_of_a_mean_is_numpys_percentile():
    values = np.arange(12.0)
    interval = IntervalConfig(resamples=500, level=0.9)
    counts = resample_counts(12, interval)
    expected = np.percentile([np.repeat(values, row.astype(int)).mean() for row in counts], [5, 95])
    found = bootstrap(np.stack([values, np.ones(12)], axis=1), lambda s: s[..., 0] / s[..., 1], interval)
    np.testing.assert_allclose(found, expected)


def test_coverage_of_the_group_bootstrap():
    rng = np.random.default_rng(0)
    interval = IntervalConfig(resamples=200)
    hits = 0
    for _ in range(200):
        groups = rng.normal(size=(40, 1))
        statistics = np.stack([groups.sum(axis=1) * 50, np.full(40, 50.0)], axis=1)
        low, high = bootstrap(statistics, lambda s: s[..., 0] / s[..., 1], interval)
        hits += low <= 0 <= high
    assert 0.88 <= hits / 200 <= 0.99


def test_fewer_than_two_groups_have_no_interval():
    assert np.isnan(percentile_interval(np.array([np.nan, np.nan]), 0.95)).all()


def test_resampled_sums_add_up():
    statistics = np.arange(24.0).reshape(3, 2, 4)
    counts = np.array([[1, 1, 1], [3, 0, 0]], float)
    sums = resample_sums(statistics, counts)
    np.testing.assert_array_equal(sums[0], statistics.sum(axis=0))
    np.testing.assert_array_equal(sums[1], 3 * statistics[0])
