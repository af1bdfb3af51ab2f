"""Scores of predictions: values, intervals over groups, one row a task and metric.

Several files (folds) are pooled: every held-out recording counts once, and each metric is computed on all of them
together. Scores behind AP and AUROC are then those of several fitted models, as they come.

Confusion counts and sums are kept by group, whatever the number of frames; for AP and AUROC the truth and scores of
one task at a time are held in memory (4 bytes a frame and class, and 2 for the truth).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from workflow_scripts.core.typing import Float64Array
from workflow_scripts.evaluation.options import IntervalConfig
from workflow_scripts.evaluation.scores.estimate import Estimate, Row, table_of
from workflow_scripts.evaluation.scores.intervals import resample_counts, resample_sums
from workflow_scripts.evaluation.scores.points import point_estimates
from workflow_scripts.evaluation.scores.pool import Pool, list_tasks, pool_task
from workflow_scripts.metrics import chance, registry, segments
from workflow_scripts.metrics import frames as metrics
from workflow_scripts.metrics.entry import Metric, Statistic

Function = Callable[[Float64Array], Float64Array]


class _Drawn:
    """Statistics by group, their sum, and their sums over resampled groups, which many metrics share."""

    def __init__(self, statistics: Float64Array, interval: IntervalConfig) -> None:
        self.statistics, self.level = statistics, interval.level
        self.total = statistics.sum(axis=0)
        enough = len(statistics) > 1
        self.sums = resample_sums(statistics, resample_counts(len(statistics), interval)) if enough else None

    def estimate(self, name: str, metric: Function, *, spread: bool = True) -> Estimate:
        """Value and draws of a metric of summed statistics; without spread over groups there are no draws."""
        draws = metric(self.sums) if self.sums is not None and spread else None
        return Estimate(name, float(metric(self.total)), draws, self.level)


def _of(values: Function, code: int) -> Function:
    return lambda sums: values(sums)[..., code]


def _foreground(values: Function, background: int) -> Function:
    """Mean over the other classes that the truth shows, frames of the background left out; undefined counts as 0."""

    def mean(sums: Float64Array) -> Float64Array:
        kept = segments.without_background(sums, background)
        return metrics.mean_defined(np.where(kept.sum(axis=-1) > 0, np.nan_to_num(values(kept)), np.nan))

    return mean


def _class_statistics(pool: Pool, interval: IntervalConfig) -> dict[Statistic, _Drawn]:
    """Statistics of a class task by name; those of bouts where it is labelled frame by frame."""
    found: dict[Statistic, _Drawn] = {"confusion": _Drawn(pool.by_group(), interval)}
    if not pool.said:
        return found
    frames, n_groups = pool.frames(), len(pool.statistics)
    hits = segments.overlaps_by_owner(frames, n_groups, pool.n_classes)
    if pool.no_bout is not None:
        hits[:, :, pool.no_bout] = 0
    found["bouts"] = _Drawn(hits.sum(axis=2), interval)
    found["class_bouts"] = _Drawn(hits[:, -1], interval)
    found["edits"] = _Drawn(segments.edits_by_owner(frames, n_groups), interval)
    return found


def _class_estimates(pool: Pool, interval: IntervalConfig) -> list[Estimate]:
    found = []
    drawn = _class_statistics(pool, interval)
    # A class that one group alone shows says nothing about its spread over groups.
    shown = (drawn["confusion"].statistics.sum(axis=-1) > 0).sum(axis=0)
    for metric in registry.METRICS:
        if metric.statistic in drawn and pool.kind in metric.kinds and pool.level in metric.levels:
            source = drawn[metric.statistic]
            if metric.per == "task":
                found.append(source.estimate(metric.name, metric.compute))
            elif metric.per == "foreground" and pool.no_bout is not None:
                found.append(source.estimate(metric.name, _foreground(metric.compute, pool.no_bout)))
            found += [
                source.estimate(metric.row(pool.names[code]), _of(metric.compute, code), spread=shown[code] > 1)
                for code in _classes(metric, pool, shown > 0)
            ]
    return found


def _classes(metric: Metric, pool: Pool, shown: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> list[int]:
    """Classes that a metric has a row of."""
    if metric.per == "class":
        return list(range(pool.n_classes))
    if metric.per not in ("shown", "bout"):
        return []
    left_out = pool.no_bout if metric.per == "bout" or pool.kind == "binary" else None
    return [code for code in map(int, np.flatnonzero(shown)) if code != left_out]


def _ranking_estimates(pool: Pool, interval: IntervalConfig) -> list[Estimate]:
    """AP and AUROC: of the positive class, or the mean over classes (one against the rest) in the truth."""
    truth, scores = np.concatenate(pool.truth), np.concatenate(pool.scores)
    names = sorted(pool.statistics)
    index = np.concatenate(
        [np.full(len(part), names.index(group), np.int32) for part, group in zip(pool.truth, pool.groups, strict=True)]
    )
    columns = [(1, scores)] if scores.ndim == 1 else [(code, scores[:, code]) for code in range(pool.n_classes)]
    draws = resample_counts(len(names), interval) if len(names) > 1 else np.zeros((0, len(names)))
    wanted = registry.of_statistic("ranking", pool.kind, pool.level)
    values: dict[str, list[float]] = {metric.name: [] for metric in wanted}
    resampled: dict[str, list[Float64Array]] = {metric.name: [] for metric in wanted}
    spread = True
    for code, column in columns:
        positive = truth == code
        if not positive.any():
            continue
        if scores.ndim == 1:
            spread = len(np.unique(index[positive])) > 1
        exact = metrics.score_histograms(positive, column, np.zeros_like(index), 1, max_thresholds=len(column))[0]
        histogram = metrics.score_histograms(positive, column, index, len(names))
        pooled = histogram.sum(axis=0)
        flat = histogram.reshape(len(names), -1)
        for metric in wanted:
            values[metric.name].append(float(metric.compute(exact)))
            # Resamples see at most MAX_THRESHOLDS levels; what that costs the value is added back to each.
            rest = values[metric.name][-1] - float(metric.compute(pooled))
            parts = [metric.compute((draw @ flat).reshape(-1, *pooled.shape)) for draw in np.array_split(draws, 20)]
            resampled[metric.name].append(np.concatenate(parts) + rest)
    found = []
    for name in values:
        value = float(metrics.mean_defined(np.array(values[name])))
        known = len(names) > 1 and values[name] and spread
        each = metrics.mean_defined(np.stack(resampled[name], axis=-1)) if known else None
        found.append(Estimate(name, value, each, interval.level))
    return found


def _value_estimates(pool: Pool, interval: IntervalConfig) -> list[Estimate]:
    drawn = _Drawn(pool.by_group(), interval)
    wanted = registry.of_statistic("regression", pool.kind, pool.level)
    return [drawn.estimate(metric.name, metric.compute) for metric in wanted]


def score_rows(paths: Sequence[Path], interval: IntervalConfig) -> list[Row]:
    """Score as :func:`score_predictions`, with the draws behind every interval."""
    rows = []
    for task, readout in list_tasks(paths):
        pool = pool_task(paths, task, readout)
        if not pool.n:
            continue
        if pool.kind == "points":
            found = point_estimates(pool, interval)
        elif not pool.n_classes:
            found = _value_estimates(pool, interval)
        else:
            found = _class_estimates(pool, interval)
            if pool.scores:
                found += _ranking_estimates(pool, interval)
        rows += [Row.of(pool, task, readout, estimate) for estimate in found]
    return rows


def score_predictions(paths: Sequence[Path], interval: IntervalConfig) -> pd.DataFrame:
    """Score the pooled predictions of one or several files (the folds of one split family).

    Parameters
    ----------
    paths : sequence of Path
        Files of :mod:`workflow_scripts.formats.predictions` that hold out different recordings.
    interval : IntervalConfig

    Returns
    -------
    DataFrame
        Columns task, level, metric, value, low, high, n (labelled frames or sequences), n_groups, readout. A metric
        that is undefined (a class without a true frame) has a NaN value; with fewer than two groups, or for a class
        that only one group shows, `low` and `high` are NaN. A task without any labelled row gives no rows. Tasks that
        label frames also have rows of their bouts (:mod:`workflow_scripts.metrics.segments`).

    Raises
    ------
    InputError
        When two files predict one recording, or define a task differently.
    """
    return table_of(score_rows(paths, interval))


def all_positive_rows(paths: Sequence[Path], interval: IntervalConfig) -> list[Row]:
    """Score what saying "yes" everywhere would give each class, one against the rest: F1 = 2p/(1+p) for a share p.

    No single prediction says "yes" to every class of a multiclass task, so this needs the truth alone: any
    predictions file of the same held-out recordings.

    Parameters
    ----------
    paths : sequence of Path
    interval : IntervalConfig

    Returns
    -------
    list of Row
        `f1/<class>` and their mean `macro_f1`, readout ``chance``; continuous tasks give no rows.
    """
    rows: list[Row] = []
    done: set[str] = set()
    for task, readout in list_tasks(paths):
        pool = pool_task(paths, task, readout, ranking=False)
        if task in done or not pool.n or not pool.n_classes:
            continue
        done.add(task)
        support = _Drawn(pool.by_group().sum(axis=-1), interval)
        shown = (support.statistics > 0).sum(axis=0)
        found = [support.estimate("macro_f1", lambda sums: metrics.mean_defined(_yes_everywhere(sums)))]
        for code, label in enumerate(pool.names):
            found.append(support.estimate(f"f1/{label}", _of(_yes_everywhere, code), spread=shown[code] > 1))
        rows += [Row.of(pool, task, "chance", estimate, chance.ALL_POSITIVE.name) for estimate in found]
    return rows


def _yes_everywhere(support: Float64Array) -> Float64Array:
    return metrics.f1(support, support.sum(axis=-1, keepdims=True), support)
