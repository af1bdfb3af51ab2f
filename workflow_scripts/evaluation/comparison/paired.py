"""Paired tests between methods on the same held-out groups.

The null hypothesis is that two methods are exchangeable within each group (animal, session, source video): had their
predictions of a whole group been swapped, nothing systematic would change. So the predictions are swapped group by
group and the metric is computed again on all groups together, which works for metrics that are no mean over frames
(macro F1). All swaps are tried where groups are few; then no p can be smaller than two in the number of swaps, and
with six groups that is 2/64 ≈ 0.031, however large the difference.

Sources: Good, Permutation, Parametric and Bootstrap Tests of Hypotheses (2005), ch. 3; Phipson & Smyth (2010) for p of
random permutations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from workflow_scripts.core.typing import Float64Array

Metric = Callable[[Float64Array], Float64Array]

EXACT_GROUPS = 12
"""Up to so many groups every swap is tried (4096)."""
DRAWS = 9999
"""Random swaps with more groups."""
TIE = 1e-12
"""Differences closer than this are the same number computed in another order."""


@dataclass(frozen=True)
class PairedTest:
    """Outcome of :func:`swap_test`.

    Attributes
    ----------
    difference : float
        Metric of the first minus metric of the second.
    p : float
        Two-sided.
    smallest : float
        The smallest p this number of groups allows.
    exact : bool
        Whether every swap was tried.
    """

    difference: float
    p: float
    smallest: float
    exact: bool


@lru_cache(maxsize=2)
def swaps(n_groups: int, seed: int = 0) -> Float64Array:
    """Which groups are swapped: 0 or 1, shape (n_swaps, n_groups); the first row swaps none.

    Every combination up to :data:`EXACT_GROUPS` groups, else :data:`DRAWS` random ones after the first.
    """
    if n_groups <= EXACT_GROUPS:
        numbers = np.arange(2**n_groups)[:, None]
        return (numbers >> np.arange(n_groups) & 1).astype(np.float64)
    rng = np.random.default_rng([seed, n_groups])
    drawn = rng.integers(0, 2, size=(DRAWS, n_groups)).astype(np.float64)
    return np.concatenate([np.zeros((1, n_groups)), drawn])


def swap_test(first: Float64Array, second: Float64Array, metric: Metric, seed: int = 0) -> PairedTest:
    """Test whether two methods differ, by swapping their statistics group by group.

    Parameters
    ----------
    first, second : ndarray, shape (n_seeds, n_groups, ...)
        Quantities that add over groups (confusion counts, sums of squares), of the same groups in the same order. A
        method's value is its mean over seeds; the method with fewer seeds has them repeated in turn.
    metric : callable
        Takes (n, ...) sums and returns (n,) values.
    seed : int
        Of the random swaps.

    Raises
    ------
    ValueError
        When the two hold different numbers of groups.
    """
    n_groups = first.shape[1]
    if second.shape[1] != n_groups:
        raise ValueError(f"{n_groups} groups beside {second.shape[1]}")
    chosen = swaps(n_groups, seed)
    n_seeds = max(len(first), len(second))
    differences = np.zeros(len(chosen))
    for index in range(n_seeds):
        mine, theirs = first[index % len(first)], second[index % len(second)]
        shape = mine.shape[1:]
        moved = (chosen @ (theirs - mine).reshape(n_groups, -1)).reshape(-1, *shape)
        differences += (metric(mine.sum(axis=0) + moved) - metric(theirs.sum(axis=0) - moved)) / n_seeds
    exact = n_groups <= EXACT_GROUPS
    smallest = min(1.0, 2 / len(chosen)) if exact else 1 / len(chosen)
    observed = float(differences[0])
    if not np.isfinite(observed):
        return PairedTest(observed, float("nan"), smallest, exact)
    # A swap that leaves the metric undefined counts against us; the swap of none counts itself (Phipson & Smyth).
    beyond = ~(np.abs(differences) < abs(observed) - TIE)
    return PairedTest(observed, float(beyond.mean()), smallest, exact)
