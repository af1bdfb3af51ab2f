"""Scores of predictions: values, intervals over groups, one row a task and metric.

Several files (folds) are pooled: every held-out recording counts once, and each metric is computed on all of them
together. Scores behind AP and AUROC are then those of several fitted models, as they come.

Confusion counts and sums are kept by group, whatever the number of frames; for AP and AUROC the truth and scores of
one task at a time are held in memory (4 bytes a frame and class, and 2 for the truth).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from workflow_scripts.evaluation.options import IntervalConfig
from workflow_scripts.evaluation.scores.intervals import (
    bootstrap,
    percentile_interval,
    resample_counts,
    resample_sums,
)
from workflow_scripts.evaluation.scores.points import point_rows
from workflow_scripts.evaluation.scores.pool import Pool, list_tasks, pool_task
from workflow_scripts.metrics import frames as metrics
from workflow_scripts.metrics import segments

COLUMNS = ["task", "level", "metric", "value", "low", "high", "n", "n_groups", "readout"]

Array: TypeAlias = npt.NDArray[np.float64]
MetricRow: TypeAlias = tuple[str, float, float, float]
UNKNOWN = (float("nan"), float("nan"))
BY_CLASS = {"precision": segments.class_precision, "recall": metrics.class_recall, "iou": segments.class_iou}
FOREGROUND = {"f1": metrics.class_f1, "precision": segments.class_precision, "recall": metrics.class_recall}


class _Drawn:
    """Statistics by group, their sum, and their sums over resampled groups, which many metrics share."""

    def __init__(self, statistics: Array, interval: IntervalConfig) -> None:
        self.statistics, self.level = statistics, interval.level
        self.total = statistics.sum(axis=0)
        enough = len(statistics) > 1
        self.sums = resample_sums(statistics, resample_counts(len(statistics), interval)) if enough else None

    def row(self, name: str, metric: Callable[[Array], Array], *, spread: bool = True) -> MetricRow:
        """Value and interval of a metric of summed statistics; without spread over groups there is no interval."""
        bounds = UNKNOWN
        if self.sums is not None and spread:
            bounds = percentile_interval(metric(self.sums), self.level)
        return (name, float(metric(self.total)), *bounds)


def _of(values: Callable[[Array], Array], code: int) -> Callable[[Array], Array]:
    return lambda sums: values(sums)[..., code]


def _foreground(values: Callable[[Array], Array], background: int) -> Callable[[Array], Array]:
    """Mean over the other classes that the truth shows, frames of the background left out; undefined counts as 0."""

    def mean(sums: Array) -> Array:
        kept = segments.without_background(sums, background)
        return metrics.mean_defined(np.where(kept.sum(axis=-1) > 0, np.nan_to_num(values(kept)), np.nan))

    return mean


def _bouts(number: int) -> Callable[[Array], Array]:
    return lambda sums: segments.segment_f1(sums[..., number, :])


def _class_rows(pool: Pool, interval: IntervalConfig) -> list[MetricRow]:
    drawn = _Drawn(pool.by_group(), interval)
    rows = [drawn.row("macro_f1", metrics.macro_f1), drawn.row("balanced_accuracy", metrics.balanced_accuracy)]
    # A class that one group alone shows says nothing about its spread over groups.
    shown = (drawn.statistics.sum(axis=-1) > 0).sum(axis=0)
    for code, label in enumerate(pool.names):
        rows.append(drawn.row(f"f1/{label}", _of(metrics.class_f1, code), spread=shown[code] > 1))
    if not pool.said:
        return rows
    frames, n_groups = pool.frames(), len(drawn.statistics)
    background = pool.no_bout
    hits = segments.overlaps_by_owner(frames, n_groups, pool.n_classes)
    if background is not None:
        hits[:, :, background] = 0
    by_class = _Drawn(hits[:, -1], interval)
    bouts = _Drawn(hits.sum(axis=2), interval)
    rows += [bouts.row(f"bout_f1@{least:g}", _bouts(number)) for number, least in enumerate(segments.OVERLAPS)]
    rows.append(_Drawn(segments.edits_by_owner(frames, n_groups), interval).row("edit", segments.edit_score))
    if background is not None and pool.kind != "binary":
        for name, values in FOREGROUND.items():
            rows.append(drawn.row(f"macro_{name}_foreground", _foreground(values, background)))
    for code in map(int, np.flatnonzero(shown)):
        if pool.kind != "binary" or code:
            rows += [
                drawn.row(f"{name}/{pool.names[code]}", _of(values, code), spread=shown[code] > 1)
                for name, values in BY_CLASS.items()
            ]
            if code != background:
                label = f"bout_f1@{segments.OVERLAPS[-1]:g}/{pool.names[code]}"
                rows.append(by_class.row(label, _of(segments.segment_f1, code), spread=shown[code] > 1))
    return rows


def _ranking_rows(pool: Pool, interval: IntervalConfig) -> list[MetricRow]:
    """Rows of AP and AUROC: of the positive class, or the mean over classes (one against the rest) in the truth."""
    truth, scores = np.concatenate(pool.truth), np.concatenate(pool.scores)
    names = sorted(pool.statistics)
    index = np.concatenate(
        [np.full(len(part), names.index(group), np.int32) for part, group in zip(pool.truth, pool.groups, strict=True)]
    )
    columns = [(1, scores)] if scores.ndim == 1 else [(code, scores[:, code]) for code in range(pool.n_classes)]
    draws = resample_counts(len(names), interval) if len(names) > 1 else np.zeros((0, len(names)))
    functions = {"average_precision": metrics.average_precision, "auroc": metrics.auroc}
    values: dict[str, list[float]] = {name: [] for name in functions}
    resampled: dict[str, list[Array]] = {name: [] for name in functions}
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
        for name, metric in functions.items():
            values[name].append(float(metric(exact)))
            # Resamples see at most MAX_THRESHOLDS levels; what that costs the value is added back to each.
            rest = values[name][-1] - float(metric(pooled))
            parts = [metric((draw @ flat).reshape(-1, *pooled.shape)) for draw in np.array_split(draws, 20)]
            resampled[name].append(np.concatenate(parts) + rest)
    rows = []
    for name in functions:
        bounds = UNKNOWN
        if len(names) > 1 and values[name] and spread:
            bounds = percentile_interval(metrics.mean_defined(np.stack(resampled[name], axis=-1)), interval.level)
        rows.append((name, float(metrics.mean_defined(np.array(values[name]))), *bounds))
    return rows


def _value_rows(pool: Pool, interval: IntervalConfig) -> list[MetricRow]:
    statistics = pool.by_group()
    total = statistics.sum(axis=0)
    return [
        (name, float(metric(total)), *bootstrap(statistics, metric, interval))
        for name, metric in (("mse", metrics.mse), ("r2", metrics.r2))
    ]


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=COLUMNS)


def _rows(pool: Pool, found: Sequence[MetricRow], task: str, readout: str) -> list[dict[str, Any]]:
    about = {"task": task, "level": pool.level, "n": pool.n, "n_groups": len(pool.statistics), "readout": readout}
    return [about | {"metric": name, "value": value, "low": low, "high": high} for name, value, low, high in found]


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
    rows: list[dict[str, Any]] = []
    for task, readout in list_tasks(paths):
        pool = pool_task(paths, task, readout)
        if not pool.n:
            continue
        if pool.kind == "points":
            found = point_rows(pool, interval)
        elif not pool.n_classes:
            found = _value_rows(pool, interval)
        else:
            found = _class_rows(pool, interval)
            if pool.scores:
                found += _ranking_rows(pool, interval)
        rows += _rows(pool, found, task, readout)
    return _table(rows)


def score_all_positive(paths: Sequence[Path], interval: IntervalConfig) -> pd.DataFrame:
    """Score what saying "yes" everywhere would give each class, one against the rest: F1 = 2p/(1+p) for a share p.

    No single prediction says "yes" to every class of a multiclass task, so this needs the truth alone: any
    predictions file of the same held-out recordings.

    Parameters
    ----------
    paths : sequence of Path
    interval : IntervalConfig

    Returns
    -------
    DataFrame
        As :func:`score_predictions`, with `f1/<class>` and their mean `macro_f1`, readout ``chance``; continuous
        tasks give no rows.
    """
    rows: list[dict[str, Any]] = []
    done: set[str] = set()
    for task, readout in list_tasks(paths):
        pool = pool_task(paths, task, readout, ranking=False)
        if task in done or not pool.n or not pool.n_classes:
            continue
        done.add(task)
        support = pool.by_group().sum(axis=-1)
        found = [("macro_f1", *_all_positive(support, metrics.mean_defined, interval))]
        for code, label in enumerate(pool.names):
            spread = (support[:, code] > 0).sum() > 1
            value, *bounds = _all_positive(support, lambda f1, code=code: f1[..., code], interval)  # type: ignore[misc]
            found.append((f"f1/{label}", value, *(bounds if spread else UNKNOWN)))
        rows += _rows(pool, found, task, "chance")
    return _table(rows)


def _all_positive(
    support: Array, choose: Callable[[Array], Array], interval: IntervalConfig
) -> tuple[float, float, float]:
    def metric(sums: Array) -> Array:
        return choose(metrics.f1(sums, sums.sum(axis=-1, keepdims=True), sums))

    return float(metric(support.sum(axis=0))), *bootstrap(support, metric, interval)
