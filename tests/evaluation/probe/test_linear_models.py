import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.preprocessing import StandardScaler

from workflow_scripts.evaluation.probe.logistic import fit_logistic
from workflow_scripts.evaluation.probe.ridge import GramAccumulator, RidgeTask

ALPHAS = (0.1, 1.0, 50.0)


def data(n=3000, dim=12, classes=4, offset=5.0, seed=0):
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(n, dim))
    x = (base @ rng.normal(size=(dim, dim)) * rng.uniform(0.1, 20, dim) + offset).astype(np.float32)
    logits = base[:, :classes] * 2 + np.linspace(0, -2, classes)
    return x, (logits + rng.gumbel(size=logits.shape)).argmax(axis=1), rng


def accumulate(x, targets, tasks, chunk=700, cells=None):
    sums = GramAccumulator(x.shape[1], tasks)
    for start in range(0, len(x), chunk):
        part = slice(start, start + chunk)
        sums.add(
            x[part], {name: values[part] for name, values in targets.items()}, 0 if cells is None else cells[start]
        )
    return sums


@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("standardise", [True, False])
@pytest.mark.parametrize("classes", [2, 4])
def test_ridge_classifier_is_scikit_learns(balanced, standardise, classes):
    x, y, _ = data(classes=classes)
    sums = accumulate(x, {"t": y}, [RidgeTask("t", classes, binary=classes == 2)])
    wide = x.astype(np.float64)
    for alpha, model in zip(ALPHAS, sums.solve("t", ALPHAS, balanced=balanced, standardise=standardise), strict=True):
        scaler = StandardScaler(with_mean=standardise, with_std=standardise).fit(wide)
        oracle = RidgeClassifier(alpha=alpha, class_weight="balanced" if balanced else None, solver="cholesky")
        oracle.fit(scaler.transform(wide), y)
        scale = scaler.scale_ if standardise else 1.0
        np.testing.assert_allclose(model.coef * scale, np.atleast_2d(oracle.coef_), atol=1e-6)
        prediction, scores = model.predict(x)
        expected = oracle.decision_function(scaler.transform(wide))
        np.testing.assert_allclose(scores, expected, atol=1e-6)
        assert (prediction == oracle.predict(scaler.transform(wide))).all()


@pytest.mark.parametrize("standardise", [True, False])
def test_ridge_regression_is_scikit_learns(standardise):
    x, _, rng = data()
    y = x @ rng.normal(size=x.shape[1]) * 0.1 + rng.normal(size=len(x)) + 7
    y[rng.random(len(y)) < 0.2] = np.nan
    known = ~np.isnan(y)
    models = accumulate(x, {"t": y}, [RidgeTask("t", 0)]).solve("t", ALPHAS, standardise=standardise)
    scaler = StandardScaler(with_mean=standardise, with_std=standardise).fit(x[known].astype(np.float64))
    for alpha, model in zip(ALPHAS, models, strict=True):
        oracle = Ridge(alpha=alpha).fit(scaler.transform(x[known].astype(np.float64)), y[known])
        np.testing.assert_allclose(
            model.coef[0] * (scaler.scale_ if standardise else 1), oracle.coef_, atol=1e-6, rtol=1e-6
        )
        np.testing.assert_allclose(
            model.predict(x)[1], oracle.predict(scaler.transform(x.astype(np.float64))), atol=1e-5
        )


def test_ridge_cells_are_the_training_subsets():
    x, y, _ = data()
    half = y == 1
    cells = np.repeat(np.arange(3), 1000)
    tasks = [RidgeTask("many", 4), RidgeTask("one", 2, binary=True)]
    sums = accumulate(x, {"many": y, "one": half}, tasks, chunk=500, cells=cells)
    kept = cells != 1
    for task, target in (("many", y), ("one", half)):
        model = sums.solve(task, [1.0], cells=[0, 2])[0]
        oracle = RidgeClassifier(alpha=1.0, class_weight="balanced", solver="cholesky")
        oracle.fit(x[kept].astype(np.float64), target[kept])
        np.testing.assert_allclose(model.coef, np.atleast_2d(oracle.coef_), atol=1e-6)
    np.testing.assert_array_equal(sums.counts("many", [0, 2]), np.bincount(y[kept]))


@settings(max_examples=25, deadline=None)
@given(chunk=st.integers(1, 400), seed=st.integers(0, 5), unlabelled=st.floats(0, 0.9))
def test_streamed_ridge_equals_batch(chunk, seed, unlabelled):
    x, y, rng = data(n=400, dim=5, seed=seed)
    y = np.where(rng.random(len(y)) < unlabelled, -1, y)
    tasks = [RidgeTask("t", 4)]
    batch = accumulate(x, {"t": y}, tasks, chunk=400)
    streamed = accumulate(x, {"t": y}, tasks, chunk=chunk)
    np.testing.assert_array_equal(batch.counts("t"), np.bincount(y[y >= 0], minlength=4))
    np.testing.assert_array_equal(streamed.counts("t"), batch.counts("t"))
    for one, other in zip(batch.solve("t", [1.0]), streamed.solve("t", [1.0]), strict=True):
        np.testing.assert_allclose(one.coef, other.coef, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(one.intercept, other.intercept, rtol=1e-7, atol=1e-8)


def test_ridge_without_penalty_survives_dependent_columns():
    x, y, _ = data(n=500, dim=4)
    x = np.hstack([x, x[:, :1], np.full((500, 1), 3, np.float32)])
    model = accumulate(x, {"t": y}, [RidgeTask("t", 4)]).solve("t", [0.0], standardise=True)[0]
    assert np.isfinite(model.coef).all()
    assert np.abs(model.coef).max() < 1e3
    assert (model.coef[:, -1] == 0).all()


def test_class_without_training_rows_is_never_predicted():
    x, y, _ = data(classes=3)
    sums = accumulate(x, {"t": y}, [RidgeTask("t", 5)])
    ridge = sums.solve("t", [1.0])[0]
    logistic = fit_logistic(x, y, 5, [1.0])[0].model
    for model in (ridge, logistic):
        prediction, scores = model.predict(x)
        assert set(prediction) == {0, 1, 2}
        assert scores.shape == (len(x), 5)
        assert (scores[:, 3:].max(axis=0) <= scores.max()).all()
    assert (logistic.predict(x)[1][:, 3:] == 0).all()


def test_one_class_alone_is_said_everywhere():
    x, _, _ = data(n=50)
    ones = np.ones(50, np.int64)
    for binary, n in ((True, 2), (False, 3)):
        ridge = accumulate(x, {"t": ones}, [RidgeTask("t", n, binary)]).solve("t", [1.0])[0]
        logistic = fit_logistic(x, ones, n, [1.0], binary=binary)[0].model
        for model in (ridge, logistic):
            prediction, scores = model.predict(x)
            assert (prediction == 1).all()
            assert (scores[..., -1] if binary else scores[:, 1] == 1).all()


def test_no_training_row_is_refused():
    x, _, _ = data(n=20)
    with pytest.raises(ValueError, match="no training row"):
        accumulate(x, {"t": np.full(20, -1)}, [RidgeTask("t", 3)]).solve("t", [1.0])
    with pytest.raises(ValueError, match="no training row"):
        fit_logistic(x, np.zeros(20, np.int64), 2, [1.0], rows=np.zeros(20, bool))


def objective(model, x, y, weights, alpha, scale, binary):
    decision = x @ model.coef.T + model.intercept
    if binary:
        loss = np.logaddexp(0, decision[:, 0]) - y * decision[:, 0]
    else:
        loss = np.logaddexp.reduce(decision, axis=1) - decision[np.arange(len(y)), y]
    return weights @ loss + alpha / 2 * ((model.coef * scale) ** 2).sum()


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("balanced", [True, False])
def test_logistic_reaches_scikit_learns_loss(classes, balanced):
    x, y, _ = data(classes=classes)
    wide = x.astype(np.float64)
    scaler = StandardScaler().fit(wide)
    counts = np.bincount(y)
    weights = (len(y) / (classes * counts))[y] if balanced else np.ones(len(y))
    fits = fit_logistic(x, y, classes, ALPHAS, binary=classes == 2, balanced=balanced)
    for alpha, fit in zip(ALPHAS, fits, strict=True):
        assert fit.converged
        oracle = LogisticRegression(
            C=1 / alpha, class_weight="balanced" if balanced else None, tol=1e-8, max_iter=5000
        ).fit(scaler.transform(wide), y)
        decision = oracle.decision_function(scaler.transform(wide))
        if classes == 2:
            best = weights @ (np.logaddexp(0, decision) - y * decision)
        else:
            best = weights @ (np.logaddexp.reduce(decision, axis=1) - decision[np.arange(len(y)), y])
        best += alpha / 2 * (oracle.coef_**2).sum()
        ours = objective(fit.model, wide, y, weights, alpha, scaler.scale_, classes == 2)
        assert ours == pytest.approx(best, rel=1e-6)
        assert fit.loss == pytest.approx(ours, rel=1e-7)
        probabilities = oracle.predict_proba(scaler.transform(wide))
        expected = probabilities[:, 1] if classes == 2 else probabilities
        np.testing.assert_allclose(fit.model.predict(x)[1], expected, atol=2e-3)
        assert (fit.model.predict(x)[0] == oracle.predict(scaler.transform(wide))).mean() > 0.998


def test_logistic_on_a_fold_is_logistic_on_its_rows():
    x, y, rng = data()
    rows = rng.random(len(x)) < 0.5
    whole = fit_logistic(x, y, 4, [1.0], rows=rows)[0]
    copied = fit_logistic(x[rows], y[rows], 4, [1.0])[0]
    assert whole.loss == pytest.approx(copied.loss, rel=1e-8)
    np.testing.assert_allclose(whole.model.predict(x)[1], copied.model.predict(x)[1], atol=1e-3)


def test_logistic_warm_start_changes_nothing_and_is_deterministic():
    x, y, _ = data()
    path = fit_logistic(x, y, 4, [0.1, 10.0])
    alone = fit_logistic(x, y, 4, [0.1])[0]
    assert path[0].loss == pytest.approx(alone.loss, rel=1e-8)
    again = fit_logistic(x, y, 4, [0.1, 10.0])
    assert all((a.model.coef == b.model.coef).all() for a, b in zip(path, again, strict=True))


def test_logistic_gradient_by_finite_differences():
    from scipy.optimize import check_grad

    from workflow_scripts.evaluation.probe.logistic import _Problem

    rng = np.random.default_rng(0)
    for classes in (2, 3):
        x, y, _ = data(n=60, dim=4, classes=classes)
        problem = _Problem(x, y, rng.uniform(0.5, 2, 60), classes, True, np.float64)
        steps, step = problem.preconditioner(0.01)
        v = rng.normal(size=5 * problem.outputs)
        f = lambda flat: problem.objective(flat, 0.01, steps, step)[0]  # noqa: E731, B023
        g = lambda flat: problem.objective(flat, 0.01, steps, step)[1]  # noqa: E731, B023
        assert check_grad(f, g, v) < 1e-6


def test_logistic_without_enough_iterations_says_so():
    x, y, _ = data()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not fit_logistic(x, y, 4, [1e-3], max_iter=1)[0].converged
