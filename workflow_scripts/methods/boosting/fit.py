"""Fit boosted trees: as many rounds as held-out training groups ask for, and the temperature that suits them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from workflow_scripts.core.typing import Float32Array, Float64Array, Int64Array
from workflow_scripts.methods.boosting.balance import class_shifts, training_weights
from workflow_scripts.methods.boosting.bins import bin_columns
from workflow_scripts.methods.boosting.config import Config
from workflow_scripts.methods.boosting.screening import chosen_columns
from workflow_scripts.methods.boosting.trees import link

TEMPERATURES = np.logspace(-0.5, 1, 61)
"""Temperatures that are tried."""
STEP = 10
"""Rounds by which the models of the inner folds grow before their common curve is looked at."""


class Fitted(NamedTuple):
    """A fitted model, and what the inner folds say of it.

    Attributes
    ----------
    model : HistGradientBoostingClassifier
        Takes values of `columns`, not bins.
    codes : ndarray of int
        Classes it knows.
    rounds : int
    temperature : float
    loss : float
        Cross-entropy on held-out training groups with that temperature, classes weighed half as evenly as in training;
        NaN without inner folds.
    shifts : ndarray of float
        Added to the log probabilities of `codes` for the best macro F1 there; empty without inner folds.
    columns : ndarray of int
        Columns of the rows that the model was given, in its order.
    """

    model: HistGradientBoostingClassifier
    codes: Int64Array
    rounds: int
    temperature: float
    loss: float
    shifts: Float64Array
    columns: Int64Array


class Part(NamedTuple):
    """The model of one inner fold, the rows that train it and those that judge it.

    Attributes
    ----------
    model : HistGradientBoostingClassifier
        Grows by warm starts.
    x, codes, weights
        Of the rows that train it; `x` has the bins of its own columns alone.
    held : ndarray, shape (n, column)
        The same columns of the rows held out.
    wanted, judged, counts
        Their classes as places in the list of all, their weights in the loss, and the frames they stand for.
    """

    model: HistGradientBoostingClassifier
    x: Float64Array
    codes: Int64Array
    weights: Float64Array
    held: Float64Array
    wanted: Int64Array
    judged: Float64Array
    counts: Float64Array


def inner_folds(groups: Float64Array | Int64Array, folds: int, seed: int) -> Int64Array:
    """Put rows into inner folds by their group.

    Parameters
    ----------
    groups : ndarray of int, shape (n,)
        Number of each row's group.
    folds : int
    seed : int
        Of the order in which groups are dealt out.

    Returns
    -------
    ndarray of int, shape (n,)
        All 0 where one fold is asked for or one group is there.
    """
    known, index = np.unique(groups, return_inverse=True)
    n = min(folds, len(known))
    if n < 2:
        return np.zeros(len(groups), np.int64)
    order = np.random.default_rng(seed).permutation(len(known))
    dealt: Int64Array = (order % n)[index]
    return dealt


def _classifier(config: Config, rounds: int) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        learning_rate=config.learning_rate,
        max_iter=rounds,
        warm_start=True,
        max_leaf_nodes=config.max_leaf_nodes,
        min_samples_leaf=config.min_samples_leaf,
        l2_regularization=config.l2_regularization,
        max_bins=config.max_bins,
        max_features=config.max_features,
        early_stopping=False,
        random_state=config.seed,
    )


def _loss(raw: Float64Array, wanted: Int64Array, weights: Float64Array, temperature: float = 1.0) -> float:
    likelihood = link(raw / temperature)[np.arange(len(wanted)), wanted]
    return float(-(weights * np.log(np.maximum(likelihood, 1e-12))).sum() / weights.sum())


def fit_trees(
    x: Float32Array,
    codes: Int64Array,
    groups: Int64Array,
    config: Config,
    counts: Float64Array | None = None,
    background: int | None = None,
) -> Fitted:
    """Fit one task.

    Parameters
    ----------
    x : ndarray, shape (n, column)
    codes : ndarray of int, shape (n,)
        Two classes at least.
    groups : ndarray of int, shape (n,)
        No inner fold cuts a group.
    config : Config
    counts : ndarray of float, shape (n,), or None
        Frames that each row stands for; None = 1.
    background : int or None
        A class that the scored span decides about, so that no weight in the decision is sought for it.
    """
    known = np.unique(codes)
    counts = np.ones(len(codes)) if counts is None else counts
    weights = training_weights(codes, counts, config.weight_power)
    # Rounds by weights between those of training and none: a class of few frames, which weighs thousands of times more
    # than the others in training, is soon believed too much, and would stop all of them after a few rounds.
    milder = training_weights(codes, counts, config.weight_power / 2)
    fold = inner_folds(groups, config.folds, config.seed)
    rounds, temperature, loss = config.max_iter, 1.0, float("nan")
    shifts: Float64Array = np.zeros(0)
    binned = bin_columns(x, weights, config.max_bins, config.seed)
    with threadpool_limits(1):
        parts = []
        for k in range(int(fold.max()) + 1 if fold.any() else 0):
            train = fold != k
            # A held-out class that the rest does not show, and a rest that lacks a class, teach nothing about rounds.
            if not np.array_equal(np.unique(codes[train]), known):
                continue
            columns = chosen_columns(binned, np.flatnonzero(train), codes, weights, config)
            parts.append(
                Part(
                    _classifier(config, STEP),
                    binned.part(train, columns),
                    codes[train],
                    weights[train],
                    binned.part(~train, columns),
                    np.searchsorted(known, codes[~train]),
                    milder[~train],
                    counts[~train],
                )
            )
        if parts:
            rounds, raw = _best_rounds(parts, config)
            wanted, judged, stands_for = (
                np.concatenate(each) for each in zip(*((p.wanted, p.judged, p.counts) for p in parts), strict=True)
            )
            losses = [_loss(raw, wanted, judged, value) for value in TEMPERATURES]
            temperature, loss = float(TEMPERATURES[int(np.argmin(losses))]), float(min(losses))
            if config.decide == "macro_f1":
                logs = np.log(np.maximum(link(raw / temperature), 1e-12))
                free = np.flatnonzero(known != (-1 if background is None else background))
                rows = np.isin(wanted, free)
                shifts = np.zeros(len(known))
                shifts[free] = class_shifts(
                    logs[np.ix_(rows, free)], np.searchsorted(free, wanted[rows]), stands_for[rows]
                )
        everything = np.arange(len(codes))
        columns = chosen_columns(binned, everything, codes, weights, config)
        model = _classifier(config, rounds).fit(binned.part(everything, columns), codes, sample_weight=weights)
    binned.unbinned(model, columns)
    return Fitted(model, known.astype(np.int64), rounds, temperature, loss, shifts, columns)


def _best_rounds(parts: list[Part], config: Config) -> tuple[int, Float64Array]:
    """Grow the models of the inner folds together until their common loss has long been smaller.

    Returns
    -------
    rounds : int
        With the smallest loss over all held-out rows.
    raw : ndarray, shape (n, outputs)
        Raw values of the held-out rows after so many rounds, part by part.
    """
    curve: list[float] = []
    raws: list[Float64Array] = []
    best: list[Float64Array] = []
    while len(curve) < config.max_iter and not _stale(curve, config.patience):
        done, until = len(curve), min(len(curve) + STEP, config.max_iter)
        for part in parts:
            part.model.set_params(max_iter=until).fit(part.x, part.codes, sample_weight=part.weights)
        if not raws:
            raws = [np.repeat(part.model._baseline_prediction, len(part.held), axis=0) for part in parts]
        for k in range(done, until):
            for raw, part in zip(raws, parts, strict=True):
                part.model._predict_iterations(part.held, part.model._predictors[k : k + 1], raw, False, 1)
            pairs = zip(raws, parts, strict=True)
            loss = sum(_loss(raw, part.wanted, part.judged) * part.judged.sum() for raw, part in pairs)
            if not curve or loss < min(curve):
                best = [raw.copy() for raw in raws]
            curve.append(float(loss))
    return int(np.argmin(curve)) + 1, np.concatenate(best)


def _stale(curve: list[float], patience: int) -> bool:
    return bool(curve and patience) and len(curve) - 1 - int(np.argmin(curve)) >= patience
