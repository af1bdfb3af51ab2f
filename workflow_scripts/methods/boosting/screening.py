"""Choose the columns that trees are offered: those that a first, short fit gains by."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from workflow_scripts.core.typing import Float64Array, Int64Array
from workflow_scripts.methods.boosting.balance import draw_frames
from workflow_scripts.methods.boosting.bins import Bins
from workflow_scripts.methods.boosting.config import Config

ROWS = 10_000
"""Rows of the first fit, at most."""
ROUNDS = 8
"""Rounds of the first fit."""
LEARNING_RATE = 0.3
"""Of the first fit: a few rounds have to reach what only later rounds of the real one do."""


def chosen_columns(
    binned: Bins, rows: Int64Array, codes: Int64Array, weights: Float64Array, config: Config
) -> Int64Array:
    """Choose the columns with the largest gain of a first fit on some of the rows.

    Parameters
    ----------
    binned : Bins
    rows : ndarray of int
        Those that may be looked at.
    codes : ndarray of int, shape (n,)
        Of all rows; two classes at least among those.
    weights : ndarray of float, shape (n,)
    config : Config
        `columns_kept` of them, at most; 0 = all.

    Returns
    -------
    ndarray of int
        Places of the columns, in rising order.
    """
    width = len(binned.edges)
    if not config.columns_kept or config.columns_kept >= width:
        return np.arange(width)
    drawn, stand_for = draw_frames(codes[rows], ROWS, np.random.default_rng(config.seed))
    model = HistGradientBoostingClassifier(
        learning_rate=LEARNING_RATE,
        max_iter=ROUNDS,
        max_leaf_nodes=config.max_leaf_nodes,
        min_samples_leaf=max(1, config.min_samples_leaf * len(drawn) // len(rows)),
        l2_regularization=config.l2_regularization,
        max_bins=config.max_bins,
        max_features=config.max_features,
        early_stopping=False,
        random_state=config.seed,
    ).fit(
        binned.part(rows[drawn], np.arange(width)), codes[rows[drawn]], sample_weight=weights[rows[drawn]] * stand_for
    )
    gains = np.zeros(width)
    for trees in model._predictors:
        for tree in trees:
            splits = tree.nodes[~tree.nodes["is_leaf"].astype(bool)]
            np.add.at(gains, splits["feature_idx"], splits["gain"])
    # Of columns with one gain (none, mostly) the first ones: quantities themselves come before their windows.
    kept: Int64Array = np.sort(np.argsort(-gains, kind="stable")[: config.columns_kept])
    return kept
