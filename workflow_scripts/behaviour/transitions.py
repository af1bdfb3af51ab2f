"""Which behaviour follows which, against chance: the bouts of each recording in random order.

Bouts of the background are passed over, so a behaviour may follow itself; what is unseen interrupts, and no transition
is counted across it. In a random order no two bouts of one class touch, since they would be one bout; such orders are
drawn by a Markov chain of swaps, whose stationary distribution is uniform over the orders allowed (Besag & Clifford
1989).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.behaviour.measures import find_bouts
from workflow_scripts.behaviour.series import UNSEEN, Series
from workflow_scripts.core.multiplicity import holm
from workflow_scripts.core.typing import BoolArray, Float32Array, Float64Array, FloatArray, Int64Array

TRANSITIONS = [
    "dataset",
    "task",
    "source",
    "condition",
    "from",
    "to",
    "count",
    "probability",
    "expected",
    "low",
    "high",
]
TRANSITIONS += ["ratio", "z", "p", "p_holm", "smallest_p", "n_recordings", "n_bouts"]
"""Columns of `transitions.csv`; an empty `condition` stands for all recordings. `low` and `high` hold 95 %
of the counts that chance gives."""
CHAINS = 100
"""Chains side by side; each gives several orders."""
WARM_UP = 5
"""Swaps tried before the first order and between two, by the number of bouts."""


class BoutOrder:
    """The bouts of one recording: class, whether one follows the last in sight, and whether it touches it."""

    def __init__(self, series: Series) -> None:
        found = find_bouts(series)
        self.code: Int64Array = found.code
        gaps = np.concatenate([[0], np.cumsum(series.codes == UNSEEN)])
        # Unseen frames between the end of one bout and the start of the next.
        self.follows: BoolArray = np.equal(gaps[found.start[1:]], gaps[found.stop[:-1]])
        self.touches: BoolArray = np.equal(found.start[1:], found.stop[:-1])


def shuffled(sequences: Sequence[BoutOrder], shuffles: int, seed: int, classes: int) -> Float32Array:
    """Count transitions in random orders.

    Returns
    -------
    ndarray, shape (n_sequences, shuffles, classes, classes)
        Float32 counts.
    """
    n_seq, longest = len(sequences), max((len(each.code) for each in sequences), default=0)
    rounds = -(-shuffles // CHAINS)
    counts = np.zeros((n_seq, rounds * CHAINS, classes * classes), np.float32)
    if longest < 2:
        return counts[:, :shuffles].reshape(n_seq, shuffles, classes, classes)
    sizes = np.array([len(each.code) for each in sequences])
    # A frame of -1 around the bouts, so that ends have neighbours that touch nothing.
    state = np.full((n_seq, CHAINS, longest + 2), -1, np.int64)
    touches = np.zeros((n_seq, longest + 2), bool)  # bout i touches bout i + 1, in padded places
    follows = np.zeros((n_seq, longest + 2), bool)
    for row, each in enumerate(sequences):
        n = len(each.code)
        state[row, :, 1 : n + 1] = each.code
        touches[row, 1:n], follows[row, 1:n] = each.touches, each.follows
    active = np.flatnonzero(sizes > 1)
    rng = np.random.default_rng(seed)
    steps = WARM_UP * int(sizes.max())
    rows, chains = active[:, None], np.arange(CHAINS)[None]
    bound = touches.any(axis=1)[active]
    where_followed = np.nonzero(follows)
    for turn in range(rounds):
        if not bound.any():  # nothing touches: every order is allowed
            for row in active.tolist():
                inner = state[row, :, 1 : sizes[row] + 1]
                state[row, :, 1 : sizes[row] + 1] = rng.permuted(inner, axis=1)
        else:
            for _ in range(steps):
                first = (rng.random((len(active), CHAINS)) * sizes[active, None]).astype(np.int64) + 1
                second = (rng.random((len(active), CHAINS)) * sizes[active, None]).astype(np.int64) + 1
                a, b = state[rows, chains, first], state[rows, chains, second]
                state[rows, chains, first], state[rows, chains, second] = b, a
                wrong = np.zeros(a.shape, bool)
                for place in (first, second):
                    mine = state[rows, chains, place]
                    wrong |= touches[rows, place - 1] & (state[rows, chains, place - 1] == mine)
                    wrong |= touches[rows, place] & (state[rows, chains, place + 1] == mine)
                state[rows, chains, first] = np.where(wrong, a, b)
                # The second place last: where both are one, nothing has changed.
                state[rows, chains, second] = np.where(wrong, b, a)
        pairs = state[where_followed[0], :, where_followed[1]] * classes
        pairs += state[where_followed[0], :, where_followed[1] + 1]
        flat = (where_followed[0][:, None] * CHAINS + chains) * classes**2 + pairs
        found = np.bincount(flat.ravel(), minlength=n_seq * CHAINS * classes**2)
        counts[:, turn * CHAINS : (turn + 1) * CHAINS] = found.reshape(n_seq, CHAINS, classes**2)
    return counts[:, :shuffles].reshape(n_seq, shuffles, classes, classes)


def transitions(many: Sequence[Series], shuffles: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Count transitions between bouts and compare them with chance; columns :data:`TRANSITIONS`.

    Parameters
    ----------
    many : sequence of Series
        Where a method has several seeds, the first of each recording counts.
    shuffles : int
        Random orders.
    seed : int
    """
    families: dict[tuple[str, str, str], dict[tuple[str, str], Series]] = defaultdict(dict)
    for series in many:
        family = families[series.dataset, series.task, series.source]
        family.setdefault((series.recording, series.individual), series)
    rows: list[dict[str, Any]] = []
    for (dataset, task, source), found in families.items():
        members = list(found.values())
        n = len(members[0].classes)
        sequences = [BoutOrder(each) for each in members]
        observed = np.zeros((len(members), n, n))
        for row, each in enumerate(sequences):
            np.add.at(observed[row], (each.code[:-1][each.follows], each.code[1:][each.follows]), 1)
        chance = shuffled(sequences, shuffles, seed, n)
        named = np.array([each.condition for each in members], object)
        conditions = sorted(set(named) - {""})
        for condition in ["", *(conditions if len(conditions) > 1 else [])]:
            chosen = np.ones(len(members), bool) if not condition else named == condition
            about = {"dataset": dataset, "task": task, "source": source, "condition": condition}
            bouts = int(sum(len(each.code) for each, keep in zip(sequences, chosen, strict=True) if keep))
            about |= {"n_recordings": int(chosen.sum()), "n_bouts": bouts}
            behaviours = members[0].behaviours
            rows += _rows(
                observed[chosen].sum(axis=0), chance[chosen].sum(axis=0), members[0].classes, behaviours, about
            )
    return pd.DataFrame(rows, columns=TRANSITIONS)


def _rows(
    observed: Float64Array,
    chance: FloatArray,
    classes: Sequence[str],
    behaviours: Sequence[int],
    about: dict[str, Any],
) -> list[dict[str, Any]]:
    total = observed.sum(axis=1)
    n = len(chance)
    rows: list[dict[str, Any]] = []
    for a in behaviours:
        for b in behaviours:
            drawn, count = chance[:, a, b].astype(np.float64), float(observed[a, b])
            expected, spread = float(drawn.mean()), float(drawn.std())
            tails = ((drawn >= count).sum(), (drawn <= count).sum())
            low, high = np.quantile(drawn, [0.025, 0.975])
            rows.append(
                about
                | {
                    "from": classes[a],
                    "to": classes[b],
                    "count": int(count),
                    "probability": count / total[a] if total[a] else np.nan,
                    "expected": expected,
                    "low": float(low),
                    "high": float(high),
                    "ratio": count / expected if expected else np.nan,
                    "z": (count - expected) / spread if spread else np.nan,
                    # What can only be one way is no finding.
                    "p": min(1.0, 2 * (1 + int(min(tails))) / (n + 1)) if spread else np.nan,
                    "smallest_p": 2 / (n + 1),
                }
            )
    corrected = holm(np.array([row["p"] for row in rows]))
    return [row | {"p_holm": float(p)} for row, p in zip(rows, corrected, strict=True)]
