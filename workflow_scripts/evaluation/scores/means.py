"""Means over the tasks of a dataset: rows `mean_f1` (of the positive class) and `mean_mse`, with joint intervals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from workflow_scripts.evaluation.options import IntervalConfig
from workflow_scripts.evaluation.scores.intervals import percentile_interval, resample_counts, resample_sums
from workflow_scripts.evaluation.scores.pool import Pool, list_tasks, pool_task
from workflow_scripts.evaluation.scores.score import COLUMNS
from workflow_scripts.metrics import frames as metrics

Array = npt.NDArray[np.float64]

MEANS = {"binary": ("mean_f1", "f1"), "continuous": ("mean_mse", "mse")}
"""Kind of the tasks → name of their mean and of its metric. Classes of other tasks are no question of their own."""


def _value(pool: Pool, sums: Array) -> Array:
    return metrics.class_f1(sums)[..., 1] if pool.n_classes else metrics.mse(sums)


def _drawn(pools: Sequence[Pool], interval: IntervalConfig) -> Array:
    """Scores of each resample, (resamples, task): a drawn group is drawn in all tasks at once."""
    groups = sorted({group for pool in pools for group in pool.statistics})
    if len(groups) < 2:
        return np.full((1, len(pools)), np.nan)
    counts = resample_counts(len(groups), interval)
    columns = []
    for pool in pools:
        blank = np.zeros_like(next(iter(pool.statistics.values())))
        statistics = np.stack([pool.statistics.get(group, blank) for group in groups])
        columns.append(_value(pool, resample_sums(statistics, counts)))
    return np.stack(columns, axis=-1)


def score_means(paths: Sequence[Path], interval: IntervalConfig) -> pd.DataFrame:
    """Average the scores of all binary and of all continuous tasks, where there are two or more of a kind.

    Parameters
    ----------
    paths : sequence of Path
        As for :func:`workflow_scripts.evaluation.scores.score.score_predictions`, whose columns the result has.
    interval : IntervalConfig
        Groups are drawn for all tasks together, so that the interval knows of what the tasks share. A task that a
        resample leaves without a positive counts in no mean of that resample.

    Returns
    -------
    DataFrame
        `n` counts the tasks' labelled frames and sequences together.
    """
    pools: dict[tuple[str, str], list[Pool]] = defaultdict(list)
    for task, readout in list_tasks(paths):
        pool = pool_task(paths, task, readout, ranking=False)
        if pool.n and pool.kind in MEANS:
            pools[readout, pool.kind].append(pool)
    rows = []
    for (readout, kind), found in pools.items():
        if len(found) < 2:
            continue
        task, metric = MEANS[kind]
        value = metrics.mean_defined(np.array([float(_value(pool, pool.by_group().sum(axis=0))) for pool in found]))
        low, high = percentile_interval(metrics.mean_defined(_drawn(found, interval)), interval.level)
        rows.append(
            {
                "task": task,
                "level": "frame" if any(pool.level == "frame" for pool in found) else "sequence",
                "metric": metric,
                "value": float(value),
                "low": low,
                "high": high,
                "n": sum(pool.n for pool in found),
                "n_groups": len({group for pool in found for group in pool.statistics}),
                "readout": readout,
            }
        )
    return pd.DataFrame(rows, columns=COLUMNS)
