"""Does a condition change a behaviour? Estimates, differences and permutation tests with animals as units.

Where units are blocked, values are compared within blocks: the difference is that of least squares with an effect of
each block, and conditions are permuted within blocks alone. The permutation distribution holds for the null hypothesis
that the condition changes nothing (Good 2005, ch. 3; blocks: Anderson & ter Braak 2003). Formulas: docs/behaviour.md.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.behaviour.options import BehaviourConfig
from workflow_scripts.behaviour.units import Arrangements, arrange, find_design, resample_means, resample_weights
from workflow_scripts.core.multiplicity import holm
from workflow_scripts.core.typing import Float64Array, Int64Array

CONDITIONS = ["dataset", "task", "source", "class", "measure", "row", "a", "b", "value", "low", "high", "effect"]
CONDITIONS += [
    "effect_size",
    "p",
    "p_holm",
    "smallest_p",
    "comparisons",
    "n_a",
    "n_b",
    "n_units",
    "design",
    "exact",
    "note",
]
"""Columns of `conditions.csv`. `row` is ``estimate`` (mean of condition a), ``difference`` (a minus b) or ``overall``
(all conditions together)."""
TIE = 1e-9
"""Statistics closer than this, relative to the observed one, are the same number computed in another order."""


class Comparison:
    """Units of one class of conditions, with permutations that all measures share.

    Parameters
    ----------
    values : ndarray, shape (n_units, n_columns)
        Without NaN.
    labels, block : ndarray of int, shape (n_units,)
    permutations, seed : int
    """

    def __init__(
        self, values: Float64Array, labels: Int64Array, block: Int64Array, permutations: int, seed: int
    ) -> None:
        self.values, self.labels = values, labels
        self.k = int(labels.max()) + 1
        self.block = np.unique(block, return_inverse=True)[1]
        self.centred = self._centre(values)
        onehot = (labels[:, None] == np.arange(self.k)).astype(np.float64)
        self.gram = onehot.T @ self._centre(onehot)
        self.arranged: Arrangements = arrange(labels, block, permutations, seed)

    def _centre(self, values: Float64Array) -> Float64Array:
        size = np.bincount(self.block).astype(np.float64)
        sums = np.zeros((len(size), values.shape[1]))
        np.add.at(sums, self.block, values)
        return values - (sums / size[:, None])[self.block]

    def sums(self) -> Float64Array:
        """Sums of the centred values by condition in every arrangement, shape (arrangements, k, n_columns)."""
        found = np.empty((len(self.arranged.labels), self.k, self.values.shape[1]))
        for code in range(self.k):
            found[:, code] = (self.arranged.labels == code) @ self.centred
        return found

    def between(self) -> Float64Array:
        """Sum of squares between conditions in every arrangement, shape (arrangements, n_columns)."""
        sums = self.sums()
        inverse = np.linalg.pinv(self.gram)
        return np.asarray(np.einsum("pcm,cd,pdm->pm", sums, inverse, sums))

    def p(self) -> Float64Array:
        """Two-sided p of each column; NaN where the conditions never meet in a block."""
        if np.linalg.matrix_rank(self.gram) < self.k - 1:
            return np.full(self.values.shape[1], np.nan)
        statistic = self.between()
        near = statistic >= statistic[0] * (1 - TIE) - 1e-300
        return np.asarray(near.mean(axis=0))

    def difference(self) -> Float64Array:
        """Condition 1 minus condition 0 within blocks, shape (n_columns,); of two conditions."""
        inverse = np.linalg.pinv(self.gram) @ np.stack([(self.labels == c) @ self.centred for c in range(self.k)])
        return np.asarray(inverse[1] - inverse[0])

    def hedges(self) -> Float64Array:
        """Hedges' g: difference over the standard deviation within conditions, corrected for few units."""
        n = len(self.labels)
        within = sum(
            (self.values[self.labels == c].var(axis=0) * (self.labels == c).sum() for c in range(self.k)), np.zeros(1)
        )
        freedom = n - self.k
        if freedom < 1:
            return np.full(self.values.shape[1], np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(self.difference() / np.sqrt(within / freedom) * (1 - 3 / (4 * freedom - 1)))

    def eta(self) -> Float64Array:
        """Share of the variance (within blocks) that is between conditions."""
        total = (self.centred**2).sum(axis=0)
        inverse = np.linalg.pinv(self.gram)
        sums = np.stack([(self.labels == c) @ self.centred for c in range(self.k)])
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.einsum("cm,cd,dm->m", sums, inverse, sums) / total)

    def interval(self, level: float, resamples: int, seed: int) -> tuple[Float64Array, Float64Array]:
        """Bootstrap interval of the difference of two conditions, over units, or over blocks of one unit a condition.

        Deviations are widened as in :func:`workflow_scripts.behaviour.units.resample_means`.
        """
        cells = self.block * 2 + self.labels
        sizes = np.bincount(cells, minlength=2 * (self.block.max() + 1)).reshape(-1, 2)
        both = (sizes > 0).all(axis=1)
        weight = np.where(both, sizes.prod(axis=1) / np.maximum(sizes.sum(axis=1), 1), 0.0)
        if not weight.any():
            return np.full(self.values.shape[1], np.nan), np.full(self.values.shape[1], np.nan)
        weight = weight / weight.sum()
        centre = self.difference()
        if np.median(sizes[both]) < 2:  # pairs: blocks are drawn
            chosen = np.flatnonzero(both)
            each = np.stack([self._mean(2 * b + 1, cells) - self._mean(2 * b, cells) for b in chosen.tolist()])
            share = weight[chosen]
            if len(chosen) < 2:
                return np.full(self.values.shape[1], np.nan), np.full(self.values.shape[1], np.nan)
            drawn = resample_weights(len(chosen), resamples, seed) * share
            means = drawn @ (each - centre) / drawn.sum(axis=1, keepdims=True)
            draws = centre + means * math.sqrt(len(chosen) / (len(chosen) - 1))
        else:
            draws = np.repeat(centre[None], resamples, axis=0)
            for b in np.flatnonzero(both):
                for code in (0, 1):
                    mine = self.values[cells == 2 * b + code]
                    n = len(mine)
                    if n > 1:
                        moved = resample_weights(n, resamples, seed + 2 * int(b) + code) @ (mine - mine.mean(axis=0))
                        draws += (2 * code - 1) * weight[b] * moved * math.sqrt(n / (n - 1))
            if int(sizes[both].max()) < 2:
                return np.full(self.values.shape[1], np.nan), np.full(self.values.shape[1], np.nan)
        low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
        return low, high

    def _mean(self, cell: int, cells: Int64Array) -> Float64Array:
        return np.asarray(self.values[cells == cell].mean(axis=0))


def conditions(
    budget: pd.DataFrame,
    options: BehaviourConfig,
    covariates: pd.DataFrame | None = None,
    *,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare conditions by every class and measure.

    Parameters
    ----------
    budget : DataFrame
        As :func:`workflow_scripts.behaviour.measures.budget` gives it; several seeds of a method are averaged.
    options : BehaviourConfig
    covariates : DataFrame, optional
        Columns dataset, recording and those named in `options.blocks`.
    level, resamples, seed
        Of the intervals; the seed also of random permutations.

    Returns
    -------
    DataFrame
        Columns :data:`CONDITIONS`. P-values are corrected (Holm) over all classes, measures and comparisons of one
        dataset, task and source. Empty where there are not two conditions.
    """
    rows: list[dict[str, Any]] = []
    chosen = budget[(budget["condition"] != "") & ~budget["background"].astype(bool)]
    for key, part in chosen.groupby(["dataset", "task", "source"], sort=False):
        about = dict(zip(("dataset", "task", "source"), key, strict=True))
        if part["condition"].nunique() > 1:
            rows += _family(part, about, options, covariates, level, resamples, seed)
    table = pd.DataFrame(rows, columns=CONDITIONS)
    return table.astype({"n_a": "Int64", "n_b": "Int64", "n_units": "Int64", "comparisons": "Int64"})


def _wide(
    part: pd.DataFrame, options: BehaviourConfig, covariates: pd.DataFrame | None
) -> tuple[pd.DataFrame, list[tuple[str, str]], str]:
    """Return a row a unit (and condition and block) and a column a class and measure."""
    about = ["dataset", "recording", "animal", "group", "condition"]
    recordings = part[about].drop_duplicates("recording").reset_index(drop=True)
    if covariates is not None and options.blocks:
        recordings = recordings.merge(covariates, on=["dataset", "recording"], how="left")
        recordings[list(options.blocks)] = recordings[list(options.blocks)].fillna("")
    design = find_design(recordings, options.unit, options.blocks if covariates is not None else [])
    keys = recordings.assign(unit=design.units, block=design.block)[["recording", "unit", "block", "condition"]]
    long = part.melt(["recording", "class"], options.measures, "measure").astype({"value": float})
    wide = long.pivot_table(index="recording", columns=["class", "measure"], values="value", dropna=False)
    wide = wide.reindex(columns=pd.MultiIndex.from_product([list(dict.fromkeys(part["class"])), options.measures]))
    joined = keys.set_index("recording").join(wide.set_axis(range(wide.shape[1]), axis=1))
    units = joined.groupby(["condition", "block", "unit"], sort=True).mean().reset_index()
    return units, [(str(pair[0]), str(pair[1])) for pair in wide.columns], design.name


def _family(
    part: pd.DataFrame,
    about: dict[str, Any],
    options: BehaviourConfig,
    covariates: pd.DataFrame | None,
    level: float,
    resamples: int,
    seed: int,
) -> list[dict[str, Any]]:
    units, columns, design = _wide(part, options, covariates)
    names = sorted(units["condition"].unique())
    values = units[list(range(len(columns)))].to_numpy(float)
    labels = np.searchsorted(names, units["condition"].to_numpy(str)).astype(np.int64)
    block = np.unique(units["block"].to_numpy(str), return_inverse=True)[1].astype(np.int64)
    rows: list[dict[str, Any]] = []
    tested: list[dict[str, Any]] = []
    for column, (each, measure) in enumerate(columns):
        for code, name in enumerate(names):
            mine = values[labels == code, column]
            mine = mine[~np.isnan(mine)]
            low, high = resample_means(mine, level, resamples, seed)
            value = float(mine.mean()) if len(mine) else math.nan
            row = about | {"class": each, "measure": measure, "row": "estimate", "a": name, "b": "", "value": value}
            rows.append(row | {"low": low, "high": high, "n_a": len(mine), "n_units": len(mine), "design": design})
    sets = [list(pair) for pair in itertools.combinations(range(len(names)), 2)]
    sets = [list(range(len(names))), *sets] if len(names) > 2 else sets
    for which in sets:
        for found in _compare(values, labels, block, which, options, level, resamples, seed):
            each, measure = columns[found.pop("column")]
            pair = len(which) == 2
            who = {
                "row": "difference" if pair else "overall",
                "a": names[which[1]] if pair else "",
                "b": names[which[0]] if pair else "",
            }
            tested.append(about | {"class": each, "measure": measure} | who | found | {"design": design})
    corrected = holm(np.array([row["p"] for row in tested]))
    n_tests = int((~np.isnan(corrected)).sum())
    for row, p in zip(tested, corrected, strict=True):
        row |= {"p_holm": float(p), "comparisons": n_tests}
    return rows + tested


def _compare(
    values: Float64Array,
    labels: Int64Array,
    block: Int64Array,
    which: Sequence[int],
    options: BehaviourConfig,
    level: float,
    resamples: int,
    seed: int,
) -> Iterator[dict[str, Any]]:
    """Yield one row a column; columns with the same units share their permutations."""
    inside = np.isin(labels, which)
    known = ~np.isnan(values) & inside[:, None]
    patterns, place = np.unique(known, axis=1, return_inverse=True)
    for pattern in range(patterns.shape[1]):
        columns = np.flatnonzero(place.ravel() == pattern)
        used = patterns[:, pattern]
        mine = np.searchsorted(which, labels[used]).astype(np.int64)
        counts = np.bincount(mine, minlength=len(which))
        lost = int(inside.sum() - used.sum())
        note = f"{lost} of {int(inside.sum())} units have no value" if lost else ""
        about: dict[str, Any] = {"n_units": int(used.sum()), "note": note}
        if len(which) == 2:
            about |= {"n_a": int(counts[1]), "n_b": int(counts[0])}
        if (counts == 0).any() or used.sum() < 3:
            for column in columns:
                why = "; ".join(filter(None, [note, "too few units to compare"]))
                yield about | {"column": int(column), "p": math.nan, "note": why}
            continue
        test = Comparison(values[np.ix_(used, columns)], mine, block[used], options.permutations, seed)
        p, smallest, exact = test.p(), test.arranged.smallest, test.arranged.exact
        if len(which) == 2:
            difference, effect, name = test.difference(), test.hedges(), "hedges_g"
            low, high = test.interval(level, resamples, seed)
        else:
            empty = np.full(len(columns), np.nan)
            difference, effect, name, low, high = empty, test.eta(), "eta_squared", empty, empty
        for index, column in enumerate(columns):
            constant = bool(np.ptp(test.centred[:, index]) == 0)
            yield about | {
                "column": int(column),
                "value": float(difference[index]),
                "low": float(low[index]),
                "high": float(high[index]),
                "effect": name,
                "effect_size": float(effect[index]),
                "p": 1.0 if constant else float(p[index]),
                "smallest_p": smallest,
                "exact": exact,
                "note": "; ".join(filter(None, [note, "all values are equal" if constant else ""])),
            }
