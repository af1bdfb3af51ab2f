"""Animals (or cages) as units: which they are, permutations of their conditions, bootstrap of their means."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from workflow_scripts.core.typing import Float64Array, Int64Array

MOST_EXACT = 10_000
"""Up to so many arrangements every one is tried."""


def resample_means(values: Float64Array, level: float, resamples: int, seed: int) -> tuple[float, float]:
    """Bootstrap interval of a mean over units.

    Deviations are widened by sqrt(n / (n - 1)), as the plain percentile interval of few units is too narrow (Hesterberg
    2015, The American Statistician 69:371).

    Parameters
    ----------
    values : ndarray, shape (n_units,)
    level : float
    resamples, seed : int

    Returns
    -------
    low, high : float
        NaN with fewer than two units.
    """
    n = len(values)
    if n < 2:
        return math.nan, math.nan
    draws = resample_weights(n, resamples, seed) @ (values - values.mean()) * math.sqrt(n / (n - 1))
    low, high = np.quantile(values.mean() + draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def resample_weights(n: int, resamples: int, seed: int) -> Float64Array:
    """Weights of `n` units in each resample, shape (resamples, n); rows sum to 1."""
    rng = np.random.default_rng([seed, n])
    return rng.multinomial(n, np.full(n, 1 / n), size=resamples) / n


@dataclass(frozen=True)
class Design:
    """How recordings make up units.

    Attributes
    ----------
    unit : str
        ``animal``, ``group`` or ``recording``.
    block : Series of str
        By row of the table: what conditions are compared within; "" where there are no blocks.
    name : str
        Unit and blocks in words.
    units : Series of str
        By row of the table.
    """

    unit: str
    units: pd.Series[str]
    block: pd.Series[str]
    name: str


def find_design(table: pd.DataFrame, unit: str, blocks: Sequence[str]) -> Design:
    """Decide what the units are.

    Parameters
    ----------
    table : DataFrame
        One row a recording, with the columns recording, animal, group, condition and those in `blocks`.
    unit : {"auto", "animal", "group", "recording"}
        ``auto``: animals. Where several animals share a group, such as a cage: groups if all animals of each are of one
        condition, else animals within groups. Recordings without an animal's name are represented by their group.
    blocks : sequence of str
        Covariates.
    """
    animal = table["animal"].where(table["animal"] != "", table["group"])
    shared = bool((table[table["animal"] != ""].groupby("group")["animal"].nunique() > 1).any())
    mixed = bool((table.groupby("group")["condition"].nunique() > 1).any())
    within: list[pd.Series[str]] = [table[name].astype(str) for name in blocks]
    names = list(blocks)
    if unit == "auto":
        unit = "group" if (shared and not mixed) or (table["animal"] == "").all() else "animal"
        if shared and mixed:
            within, names = [*within, table["group"]], [*names, "group"]
    units = {"animal": animal, "group": table["group"], "recording": table["recording"]}[unit]
    if bool((table.assign(unit=units).groupby("unit")["condition"].nunique() > 1).any()):
        # The same animal under several conditions is compared with itself.
        within, names = [units], [unit]
    block = pd.Series("", index=table.index, dtype=object)
    for values in within:
        block = block + "|" + values.astype(str)
    return Design(unit, units.astype(str), block, unit + (f" within {', '.join(names)}" if names else ""))


@dataclass(frozen=True)
class Arrangements:
    """Assignments of conditions to units, of which the first is the one observed.

    Attributes
    ----------
    labels : ndarray of int, shape (n, n_units)
    exact : bool
        Whether they are all there are.
    smallest : float
        The smallest p that a two-sided test of these units can give.
    """

    labels: Int64Array
    exact: bool
    smallest: float


def arrange(labels: Int64Array, block: Int64Array, permutations: int, seed: int) -> Arrangements:
    """Permute the conditions of units within blocks: every way where they are few, else at random.

    Parameters
    ----------
    labels : ndarray of int, shape (n_units,)
        Condition of each unit, 0 … k - 1.
    block : ndarray of int, shape (n_units,)
    permutations : int
        Random ones, beside the observed one.
    seed : int
    """
    k = int(labels.max()) + 1
    places = [np.flatnonzero(block == each) for each in np.unique(block)]
    counts = np.array([np.bincount(labels[where], minlength=k) for where in places])
    number = 1
    for row in counts:
        number *= math.factorial(int(row.sum())) // math.prod(math.factorial(int(c)) for c in row)
    # Renaming conditions in all blocks alike leaves a two-sided statistic as it is.
    alike = (
        sum(bool((counts[:, list(order)] == counts).all()) for order in itertools.permutations(range(k)))
        if k < 7
        else 1
    )
    if number <= MOST_EXACT:
        parts = [_distinct(labels[where]) for where in places]
        rows = np.array(list(itertools.product(*(range(len(part)) for part in parts))))
        found = np.empty((len(rows), len(labels)), np.int64)
        for column, (where, part) in enumerate(zip(places, parts, strict=True)):
            found[:, where] = part[rows[:, column]]
        first = int(np.flatnonzero((found == labels).all(axis=1))[0])
        found[[0, first]] = found[[first, 0]]
        return Arrangements(found, True, min(1.0, alike / number))
    rng = np.random.default_rng([seed, len(labels)])
    found = np.repeat(labels[None], permutations + 1, axis=0)
    for where in places:
        found[1:, where] = rng.permuted(found[1:, where], axis=1)
    return Arrangements(found, False, max(1 / (permutations + 1), alike / number))


def _distinct(labels: Int64Array) -> Int64Array:
    """Every distinct order of a few labels, shape (n, len(labels))."""
    n = len(labels)
    found = np.full((1, n), -1, np.int64)
    for code, count in zip(*np.unique(labels, return_counts=True), strict=True):
        new = []
        for row in found:
            free = np.flatnonzero(row < 0)
            for chosen in itertools.combinations(free, int(count)):
                each = row.copy()
                each[list(chosen)] = code
                new.append(each)
        found = np.array(new)
    return found
