"""Means over the tasks of a dataset: rows `mean_f1` (of the positive class) and `mean_mse`, with joint intervals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from workflow_scripts.core.typing import Float64Array
from workflow_scripts.evaluation.options import IntervalConfig
from workflow_scripts.evaluation.scores.estimate import Estimate, Row
from workflow_scripts.evaluation.scores.intervals import resample_counts, resample_sums
from workflow_scripts.evaluation.scores.pool import Pool, list_tasks, pool_task
from workflow_scripts.metrics.entry import Metric
from workflow_scripts.metrics.frames import mean_defined
from workflow_scripts.metrics.registry import mean_metric


def _drawn(pools: Sequence[Pool], metric: Metric, interval: IntervalConfig) -> Float64Array | None:
    """Scores of each resample, (resamples, task): a drawn group is drawn in all tasks at once; None of one group."""
    groups = sorted({group for pool in pools for group in pool.statistics})
    if len(groups) < 2:
        return None
    counts = resample_counts(len(groups), interval)
    columns = []
    for pool in pools:
        blank = np.zeros_like(next(iter(pool.statistics.values())))
        statistics = np.stack([pool.statistics.get(group, blank) for group in groups])
        columns.append(metric.compute(resample_sums(statistics, counts)))
    return np.stack(columns, axis=-1)


def mean_rows(paths: Sequence[Path], interval: IntervalConfig) -> list[Row]:
    """Average the scores of all binary and of all continuous tasks, where there are two or more of a kind.

    Parameters
    ----------
    paths : sequence of Path
        As for :func:`workflow_scripts.evaluation.scores.score.score_predictions`.
    interval : IntervalConfig
        Groups are drawn for all tasks together, so that the interval knows of what the tasks share. A task that a
        resample leaves without a positive counts in no mean of that resample.

    Returns
    -------
    list of Row
        `n` counts the tasks' labelled frames and sequences together.
    """
    pools: dict[tuple[str, str], list[Pool]] = defaultdict(list)
    for task, readout in list_tasks(paths):
        pool = pool_task(paths, task, readout, ranking=False)
        if pool.n and mean_metric(pool.kind) is not None:
            pools[readout, pool.kind].append(pool)
    rows = []
    for (readout, kind), found in pools.items():
        metric = mean_metric(kind)
        if len(found) < 2 or metric is None:
            continue
        values = np.array([float(metric.compute(pool.by_group().sum(axis=0))) for pool in found])
        drawn = _drawn(found, metric, interval)
        draws = None if drawn is None else mean_defined(drawn)
        rows.append(
            Row(
                task=metric.mean,
                level="frame" if any(pool.level == "frame" for pool in found) else "sequence",
                readout=readout,
                n=sum(pool.n for pool in found),
                n_groups=len({group for pool in found for group in pool.statistics}),
                estimate=Estimate(metric.name, float(mean_defined(values)), draws, interval.level),
            )
        )
    return rows
