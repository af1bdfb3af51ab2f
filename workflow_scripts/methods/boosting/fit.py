"""Fit boosted trees: as many rounds as held-out training groups ask for, and the temperature that suits them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from workflow_scripts.core.typing import Float32Array, Float64Array, Int64Array
from workflow_scripts.methods.boosting.balance import class_shifts, training_weights
from workflow_scripts.methods.boosting.config import Config
from workflow_scripts.methods.boosting.trees import link

TEMPERATURES = np.logspace(-0.5, 1, 61)
"""Temperatures that are tried."""


class Fitted(NamedTuple):
    """A fitted model, and what the inner folds say of it.

    Attributes
    ----------
    model : HistGradientBoostingClassifier
    codes : ndarray of int
        Classes it knows.
    rounds : int
    temperature : float
    loss : float
        Cross-entropy on held-out training groups with that temperature, classes weighed half as evenly as in training;
        NaN without inner folds.
    shifts : ndarray of float
        Added to the log probabilities of `codes` for the best macro F1 there; empty without inner folds.
    """

    model: HistGradientBoostingClassifier
    codes: Int64Array
    rounds: int
    temperature: float
    loss: float
    shifts: Float64Array


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
        max_leaf_nodes=config.max_leaf_nodes,
        min_samples_leaf=config.min_samples_leaf,
        l2_regularization=config.l2_regularization,
        max_bins=config.max_bins,
        max_features=config.max_features,
        early_stopping=False,
        random_state=config.seed,
    )


def _seen(x: Float32Array) -> Float32Array:
    """Return rows whose columns without any value are 0: no tree splits there, and gaps alone cannot be binned."""
    empty = np.isnan(x).all(axis=0)
    return np.where(empty, np.float32(0), x) if empty.any() else x


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
    with threadpool_limits(1):
        curves, held = [], []
        for k in range(int(fold.max()) + 1 if fold.any() else 0):
            train = fold != k
            # A held-out class that the rest does not show, and a rest that lacks a class, teach nothing about rounds.
            if not np.array_equal(np.unique(codes[train]), known):
                continue
            model = _classifier(config, config.max_iter).fit(
                _seen(x[train]), codes[train], sample_weight=weights[train]
            )
            wanted = np.searchsorted(known, codes[~train])
            judged = milder[~train]
            staged = list(model._staged_raw_predict(x[~train]))
            curves.append([_loss(raw, wanted, judged) * judged.sum() for raw in staged])
            held.append((staged, wanted, judged, counts[~train]))
        if curves:
            rounds = int(np.sum(curves, axis=0).argmin()) + 1
            raw = np.concatenate([staged[rounds - 1] for staged, *_ in held])
            wanted, judged, stands_for = (np.concatenate([each[k] for each in held]) for k in (1, 2, 3))
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
        model = _classifier(config, rounds).fit(_seen(x), codes, sample_weight=weights)
    return Fitted(model, known.astype(np.int64), rounds, temperature, loss, shifts)
