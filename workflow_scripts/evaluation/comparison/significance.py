"""Which method is better, by how much, and how sure that is: tests between all pairs, and intervals of ranks."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from workflow_scripts.core.multiplicity import holm
from workflow_scripts.core.typing import Float64Array
from workflow_scripts.evaluation.comparison.paired import Metric, swap_test
from workflow_scripts.evaluation.options import IntervalConfig
from workflow_scripts.evaluation.scores.intervals import over_seeds, percentile_interval, resample_counts, resample_sums
from workflow_scripts.evaluation.scores.pool import Pool, list_tasks, pool_task
from workflow_scripts.metrics.registry import tested_metric

TESTS = ["dataset", "split", "task", "metric", "family", "a", "b", "value_a", "value_b", "difference", "low", "high"]
TESTS += ["p", "p_holm", "smallest_p", "comparisons", "n_groups", "seeds_a", "seeds_b", "exact", "note"]
"""Columns of `tests.csv`. `difference` is a minus b, `smallest_p` the smallest p that so many groups allow."""
RANKS = ["scope", "dataset", "split", "task", "metric", "label", "chance", "rank", "low", "high"]
RANKS += ["n_methods", "n_tasks", "n_groups"]
"""Columns of `ranks.csv`. `scope` is task, dataset (mean over its tasks) or all (mean over datasets); 1 is best."""


@dataclass(frozen=True)
class Contender:
    """A method as it is in the comparison.

    Attributes
    ----------
    dataset, split, method, mode, setting : str
    chance : bool
    paths : dict of int to sequence of Path
        By seed: the predictions of all folds.
    """

    dataset: str
    split: str
    method: str
    mode: str
    setting: str
    chance: bool
    paths: Mapping[int, Sequence[Path]]


@dataclass(frozen=True)
class _Scored:
    """One contender in one task: sums by group, the value, and the value in every resample."""

    label: str
    chance: bool
    groups: tuple[str, ...]
    statistics: Float64Array  # (seed, group, …)
    value: float
    resampled: Float64Array


def labels(rows: Sequence[tuple[str, str, str, str, str]]) -> list[str]:
    """Name variants apart, as the report does.

    Parameters
    ----------
    rows : sequence of (method, mode, setting, readout, split)
        Of one dataset and task.

    Returns
    -------
    list of str
        The method, followed by whatever differs between the rows of that method.
    """
    named = []
    for row in rows:
        siblings = [other for other in rows if other[0] == row[0]]
        extra = [
            row[place]
            for place in range(1, 5)
            if len({other[place] for other in siblings}) > 1 and row[place] not in {"", "default"}
        ]
        named.append(" · ".join([row[0], *extra]))
    return named


def _score(label: str, who: Contender, pools: Sequence[Pool], metric: Metric, interval: IntervalConfig) -> _Scored:
    statistics = np.stack([pool.by_group() for pool in pools])
    counts = resample_counts(statistics.shape[1], interval)
    each = np.stack([metric(resample_sums(found, counts)) for found in statistics])
    value = float(np.mean([metric(found.sum(axis=0)) for found in statistics]))
    groups = tuple(sorted(pools[0].statistics))
    return _Scored(label, who.chance, groups, statistics, value, over_seeds(each, interval))


def _tasks(contenders: Sequence[Contender]) -> Iterator[tuple[tuple[str, str, str], list[tuple[Contender, str]]]]:
    """Yield (dataset, split, task) and who predicts it, with the readout."""
    found: dict[tuple[str, str, str], list[tuple[Contender, str]]] = {}
    for who in contenders:
        for task, readout in list_tasks(next(iter(who.paths.values()))):
            found.setdefault((who.dataset, who.split, task), []).append((who, readout))
    yield from found.items()


def significance(contenders: Sequence[Contender], interval: IntervalConfig) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare every pair of methods on every task, and rank them.

    Class tasks are compared by macro F1, continuous ones by MSE (:func:`.registry.tested_metric`); points have no sums
    by group and are left out.
    P-values are corrected (Holm) within a task, apart for comparisons between methods and with chance.

    Parameters
    ----------
    contenders : sequence of Contender
    interval : IntervalConfig

    Returns
    -------
    tests, ranks : DataFrame
        Columns :data:`TESTS` and :data:`RANKS`.
    """
    tests: list[dict[str, Any]] = []
    placed: list[tuple[dict[str, Any], list[_Scored], Float64Array]] = []
    splits: dict[tuple[str, str], list[tuple[str, str, str, str, str]]] = {}
    for (dataset, split, task), pairs in _tasks(contenders):
        rows = [(who.method, who.mode, who.setting, readout, split) for who, readout in pairs]
        splits.setdefault((dataset, task), []).extend(rows)
    for (dataset, split, task), pairs in _tasks(contenders):
        every = splits[dataset, task]
        named = dict(zip(every, labels(every), strict=True))
        scored: list[_Scored] = []
        metric = None
        for who, readout in pairs:
            pools = [pool_task(paths, task, readout, ranking=False) for paths in who.paths.values()]
            metric = tested_metric(pools[0].kind)
            if metric is None or not all(pool.n for pool in pools):
                continue
            label = named[who.method, who.mode, who.setting, readout, split]
            scored.append(_score(label, who, pools, metric.compute, interval))
        if not scored or metric is None:
            continue
        about = {"dataset": dataset, "split": split, "task": task, "metric": metric.name}
        tests += _compare(scored, metric.compute, about, interval)
        alike = [one for one in scored if one.groups == scored[0].groups]
        placed.append((about, alike, _ranks(alike, lower=metric.lower_is_better)))
    return pd.DataFrame(tests, columns=TESTS), pd.DataFrame(_rank_rows(placed, interval), columns=RANKS)


def _compare(
    scored: Sequence[_Scored], metric: Metric, about: dict[str, Any], interval: IntervalConfig
) -> list[dict[str, Any]]:
    rows = []
    for one, other in itertools.combinations(scored, 2):
        if one.chance and other.chance:
            continue
        first, second = (other, one) if one.chance else (one, other)  # chance is always b
        row = about | {
            "family": "chance" if second.chance else "methods",
            "a": first.label,
            "b": second.label,
            "value_a": first.value,
            "value_b": second.value,
            "difference": first.value - second.value,
            "n_groups": len(first.groups),
            "seeds_a": len(first.statistics),
            "seeds_b": len(second.statistics),
        }
        if first.groups != second.groups:
            rows.append(row | {"p": float("nan"), "note": "they predict different groups"})
            continue
        found = swap_test(first.statistics, second.statistics, metric, interval.seed)
        low, high = float("nan"), float("nan")
        if len(first.groups) > 1:
            low, high = percentile_interval(first.resampled - second.resampled, interval.level)
        row |= {"low": low, "high": high, "p": found.p, "smallest_p": found.smallest, "exact": found.exact, "note": ""}
        rows.append(row)
    for family in ("methods", "chance"):
        mine = [row for row in rows if row["family"] == family]
        corrected = holm(np.array([row["p"] for row in mine]))
        for row, p in zip(mine, corrected, strict=True):
            row |= {"p_holm": float(p), "comparisons": len(mine)}
    return rows


def _ranks(scored: Sequence[_Scored], *, lower: bool) -> Float64Array:
    """Rank the contenders, shape (1 + resamples, n_contenders): by value, then in every resample; NaN with NaN."""
    values = np.stack([np.concatenate([[one.value], one.resampled]) for one in scored], axis=1)
    ranks: Float64Array = rankdata(values if lower else -values, axis=1, nan_policy="propagate")
    return ranks


def _rank_rows(
    placed: Sequence[tuple[dict[str, Any], list[_Scored], Float64Array]], interval: IntervalConfig
) -> list[dict[str, Any]]:
    rows = []
    scopes: dict[tuple[str, str], list[tuple[dict[str, Any], list[_Scored], Float64Array]]] = {}
    for about, scored, ranks in placed:
        rows += _about_ranks(about | {"scope": "task"}, scored, ranks, 1, len(scored[0].groups), interval)
        scopes.setdefault((about["dataset"], about["split"]), []).append((about, scored, ranks))
    means = []
    for (dataset, split), parts in scopes.items():
        mean = _mean_rank(parts)
        if mean is None:
            continue
        means.append(mean)
        if len(parts) > 1:
            about = {"scope": "dataset", "dataset": dataset, "split": split, "task": "", "metric": ""}
            groups = len(mean[0][0].groups)
            rows += _about_ranks(about, mean[0], mean[1], len(parts), groups, interval)
    if len(means) > 1:
        common = _mean_rank([({}, *mean) for mean in means], interval)
        if common is not None:
            about = {"scope": "all", "dataset": "", "split": "", "task": "", "metric": ""}
            n_tasks = len(placed)
            rows += _about_ranks(
                about, common[0], common[1], n_tasks, sum(len(m[0][0].groups) for m in means), interval
            )
    return rows


def _mean_rank(
    parts: Sequence[tuple[dict[str, Any], list[_Scored], Float64Array]], interval: IntervalConfig | None = None
) -> tuple[list[_Scored], Float64Array] | None:
    """Mean rank over parts, among the contenders that are in all of them; with `interval`, parts are drawn too."""
    names = [one.label for one in parts[0][1] if all(one.label in [s.label for s in part[1]] for part in parts)]
    if len(names) < 2:
        return None
    each = []
    for _, scored, ranks in parts:
        places = [[one.label for one in scored].index(name) for name in names]
        each.append(rankdata(ranks[:, places], axis=1, nan_policy="propagate"))
    stacked = np.stack(each)
    mean: Float64Array = stacked.mean(axis=0)
    if interval is not None:
        rng = np.random.default_rng([interval.seed, len(parts), 2])
        drawn = rng.integers(0, len(parts), size=(len(parts), stacked.shape[1] - 1, 1))
        mean[1:] = np.take_along_axis(stacked[:, 1:], drawn, axis=0).mean(axis=0)
    chosen = [next(one for one in parts[0][1] if one.label == name) for name in names]
    return chosen, mean


def _about_ranks(
    about: dict[str, Any],
    scored: Sequence[_Scored],
    ranks: Float64Array,
    n_tasks: int,
    n_groups: int,
    interval: IntervalConfig,
) -> list[dict[str, Any]]:
    rows = []
    for place, one in enumerate(scored):
        low, high = float("nan"), float("nan")
        if n_groups > 1:
            low, high = percentile_interval(ranks[1:, place], interval.level)
        row = about | {
            "label": one.label,
            "chance": one.chance,
            "rank": float(ranks[0, place]),
            "low": low,
            "high": high,
        }
        rows.append(row | {"n_methods": len(scored), "n_tasks": n_tasks, "n_groups": n_groups})
    return rows
