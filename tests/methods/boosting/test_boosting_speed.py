"""What makes boosted trees quick: columns binned once, few columns, inner folds that end. It changes no meaning."""

from __future__ import annotations

import numpy as np
import pytest

from workflow_scripts import methods
from workflow_scripts.methods.boosting.bins import MISSING, bin_columns
from workflow_scripts.methods.boosting.fit import _classifier, _stale, fit_trees
from workflow_scripts.methods.boosting.screening import chosen_columns
from workflow_scripts.methods.boosting.trees import Trees


def rows(n=600, width=30, seed=0):
    """Rows whose class is the sign of column 17 and, where column 21 is missing, its opposite."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, width)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    x[:, 17] = rng.normal(size=n)
    return x, ((x[:, 17] > 0) ^ np.isnan(x[:, 21])).astype(np.int64), np.arange(n) % 6


def config(**options):
    return methods.parse("boosting", {"max_iter": 20, "min_samples_leaf": 5, "max_features": 1.0} | options)


def test_a_model_fitted_on_bins_says_the_same_of_values():
    x, codes, _ = rows()
    x[:, 3] = np.where(x[:, 3] > 1, np.inf, x[:, 3])
    x[:, 4], x[:, 5] = np.nan, 2.0
    binned = bin_columns(x, np.ones(len(x)), 32, 0)
    assert (binned.codes[:, 4] == MISSING).all() and not len(binned.edges[4]) and not len(binned.edges[5])
    assert all(len(edges) <= 31 and (np.diff(edges) > 0).all() for edges in binned.edges)
    columns, everything = np.array([3, 4, 5, 17, 21]), np.arange(len(x))
    model = _classifier(config(), 20).fit(binned.part(everything, columns), codes)
    of_bins = model.predict_proba(binned.part(everything, columns))
    binned.unbinned(model, columns)
    values = x[:, columns]
    values[:, 1] = 0
    np.testing.assert_array_equal(model.predict_proba(values), of_bins)


def test_bins_are_of_one_weight_and_a_draw_of_many_rows_keeps_to_it():
    x = np.linspace(0, 1, 100_000, dtype=np.float32)[:, None]
    weights = np.where(x[:, 0] > 0.9, 9.0, 1.0)  # the last tenth weighs as much as the rest
    for every in (1, 10):
        edges = bin_columns(x[::every], weights[::every], 4, 0).edges[0]
        np.testing.assert_allclose(edges, [0.45, 0.9, 0.95], atol=0.02)


def test_the_columns_that_matter_are_kept_and_found_again_in_whole_rows():
    x, codes, groups = rows()
    weights = np.ones(len(x))
    binned = bin_columns(x, weights, 32, 0)
    assert {17, 21} <= set(chosen_columns(binned, np.arange(len(x)), codes, weights, config(columns_kept=4)))
    assert len(chosen_columns(binned, np.arange(len(x)), codes, weights, config(columns_kept=0))) == 30
    found = fit_trees(x, codes, groups, config(columns_kept=4))
    trees = Trees()
    trees.take(found.model, found.codes, found.temperature, columns=found.columns)
    fresh, wanted, _ = rows(seed=1)
    assert (trees.probabilities(fresh, 2).argmax(axis=1) == wanted).mean() > 0.95


def test_columns_are_chosen_from_the_rows_that_may_be_looked_at():
    x, codes, _ = rows()
    binned, weights = bin_columns(x, np.ones(len(x)), 32, 0), np.ones(len(x))
    seen = np.flatnonzero(np.arange(len(x)) < 300)
    other = np.where(np.arange(len(x)) < 300, codes, 1 - codes)
    kept = [chosen_columns(binned, seen, each, weights, config(columns_kept=4)) for each in (codes, other)]
    np.testing.assert_array_equal(*kept)


@pytest.mark.parametrize("patience", [0, 3])
def test_inner_folds_grow_in_steps_as_they_would_at_once_and_end_when_patience_does(patience):
    rng = np.random.default_rng(0)
    x, codes, groups = rows(300)
    codes = np.where(rng.random(300) < 0.3, 1 - codes, codes)  # soon learnt by heart
    options = config(max_iter=60, patience=patience, learning_rate=0.5, columns_kept=0)
    found = fit_trees(x, codes, groups, options)
    whole = fit_trees(x, codes, groups, options.model_copy(update={"patience": 0}))
    assert found.rounds == whole.rounds < 20 and found.loss == whole.loss
    np.testing.assert_array_equal(found.shifts, whole.shifts)
    assert _stale([3, 2, 4, 4, 4], 3) and not _stale([3, 2, 4, 4], 3) and not _stale([3, 2, 4, 4, 4], 0)


def test_a_model_that_grew_in_steps_is_one_fitted_at_once():
    x, codes, _ = rows()
    binned = bin_columns(x, np.ones(len(x)), 32, 0)
    values = binned.part(np.arange(len(x)), np.arange(30))
    grown = _classifier(config(max_features=0.2), 10).fit(values, codes)
    grown.set_params(max_iter=20).fit(values, codes)
    np.testing.assert_allclose(
        grown.predict_proba(values), _classifier(config(max_features=0.2), 20).fit(values, codes).predict_proba(values)
    )
