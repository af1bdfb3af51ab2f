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
import numpy.typing as npt
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
STEPS = 60
"""Steps before the first order; a quarter of them between two. Each tries to swap a third of the bouts, in pairs."""
SHORT = 4000
"""Steps times bouts at least: in short sequences, few orders are allowed and few swaps lead from one to another."""


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
    found = np.zeros((len(sequences), shuffles, classes, classes), np.float32)
    for number, each in enumerate(sequences):
        if each.follows.any():
            found[number] = _shuffle(each, shuffles, np.random.default_rng([seed, number]), classes)
    return found


def _shuffle(order: BoutOrder, shuffles: int, rng: np.random.Generator, classes: int) -> Float32Array:
    n, rounds = len(order.code), -(-shuffles // CHAINS)
    # One place before and behind, so that ends have neighbours that touch nothing.
    state = np.full((n + 2, CHAINS), -1, np.int16)
    state[1:-1] = order.code[:, None]
    touches = np.zeros((n + 2, 1), bool)
    touches[1:n, 0] = order.touches
    places = np.flatnonzero(order.follows) + 1
    chains = np.arange(CHAINS) * classes**2
    warm_up = max(STEPS, SHORT // n)
    counts = np.empty((rounds * CHAINS, classes, classes), np.float32)
    for turn in range(rounds):
        if order.touches.any():
            for step in range(warm_up // 4 if turn else warm_up):
                # Single pairs may be neighbours, without which short sequences would not reach every order.
                first, second = _apart(n, rng) if step % 2 else rng.integers(1, n + 1, (2, 1))
                _swap(state, touches, first, second, rng)
        else:  # every order is allowed
            state[1:-1] = rng.permuted(state[1:-1], axis=0)
        flat = state[places] * classes + state[places + 1] + chains
        drawn = np.bincount(flat.ravel(), minlength=CHAINS * classes**2)
        counts[turn * CHAINS : (turn + 1) * CHAINS] = drawn.reshape(CHAINS, classes, classes)
    return counts[:shuffles]


def _apart(n: int, rng: np.random.Generator) -> tuple[Int64Array, Int64Array]:
    """Draw pairs of places of which no two are neighbours, so that all pairs may be swapped at once."""
    key = np.concatenate([[0.0], rng.random(n), [0.0]])
    peaks = 1 + np.flatnonzero((key[1:-1] > key[:-2]) & (key[1:-1] > key[2:]))
    peaks = peaks[np.argsort(rng.random(len(peaks)))]
    half = len(peaks) // 2
    return peaks[:half], peaks[half : 2 * half]


def _swap(
    state: npt.NDArray[np.int16], touches: BoolArray, first: Int64Array, second: Int64Array, rng: np.random.Generator
) -> None:
    """Swap pairs of bouts in every chain with even odds, where no two alike come to touch."""
    a, b = state[first], state[second]
    # The proposal does not depend on the state, and the coin lets chains that began alike part.
    coin = rng.integers(0, 2, a.shape, dtype=bool)
    state[first], state[second] = b, a
    for place, mine in ((first, b), (second, a)):
        coin &= ~(touches[place - 1] & (state[place - 1] == mine))
        coin &= ~(touches[place] & (state[place + 1] == mine))
    # The second place last: where both are one, nothing has changed.
    state[first] = np.where(coin, b, a)
    state[second] = np.where(coin, a, b)


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
