"""How much labels help: the score of every method against the number of labelled training groups.

All draws of a number of groups are judged on the same held-out groups. The interval is a bootstrap over both: in each
resample the held-out groups are drawn, then the draws of labelled groups (and within a draw its seeds are averaged).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.core.typing import Float64Array
from workflow_scripts.evaluation.comparison.significance import labels
from workflow_scripts.evaluation.options import IntervalConfig
from workflow_scripts.evaluation.scores.intervals import over_seeds, percentile_interval, resample_counts, resample_sums
from workflow_scripts.evaluation.scores.pool import list_tasks, pool_task
from workflow_scripts.metrics.registry import tested_metric

COLUMNS = ["dataset", "family", "task", "metric", "label", "method", "setting", "readout", "labelled"]
COLUMNS += ["value", "low", "high", "share", "share_low", "share_high", "draws", "seeds", "n_groups"]
"""Columns of `label_efficiency.csv`. `share` is the value over that of the largest number of labelled groups."""


@dataclass(frozen=True)
class Labelled:
    """The predictions of one method with some labelled groups.

    Attributes
    ----------
    dataset, family, method, mode, setting : str
    labelled : int
        Training groups with labels.
    draw : int
    paths : sequence of Path
        Predictions of the held-out recordings, one file a seed.
    """

    dataset: str
    family: str
    method: str
    mode: str
    setting: str
    labelled: int
    draw: int
    paths: Sequence[Path]


Curve = tuple[str, str, str, str, str, str, str]
"""Dataset, family, task, method, mode, setting, readout."""


def label_efficiency(runs: Sequence[Labelled], interval: IntervalConfig) -> pd.DataFrame:
    """Score every number of labelled groups.

    Parameters
    ----------
    runs : sequence of Labelled
    interval : IntervalConfig

    Returns
    -------
    DataFrame
        Columns :data:`COLUMNS`; a row a method, task and number of labelled groups.
    """
    curves: dict[Curve, dict[int, list[Labelled]]] = {}
    for run in runs:
        for task, readout in list_tasks(run.paths):
            curve = (run.dataset, run.family, task, run.method, run.mode, run.setting, readout)
            curves.setdefault(curve, {}).setdefault(run.labelled, []).append(run)
    alike: dict[tuple[str, str, str], list[Curve]] = {}
    for curve in curves:
        alike.setdefault(curve[:3], []).append(curve)
    rows = []
    for group in alike.values():
        named = labels([(*curve[3:], "") for curve in group])
        for curve, label in zip(group, named, strict=True):
            rows += _curve(curve, label, curves[curve], interval)
    return pd.DataFrame(rows, columns=COLUMNS)


def _curve(
    curve: Curve, label: str, by_number: Mapping[int, Sequence[Labelled]], interval: IntervalConfig
) -> list[dict[str, Any]]:
    dataset, family, task, method, _, setting, readout = curve
    values: dict[int, tuple[float, Float64Array]] = {}
    rows: dict[int, dict[str, Any]] = {}
    for number in sorted(by_number):
        draws = [[pool_task([path], task, readout, ranking=False) for path in run.paths] for run in by_number[number]]
        metric = tested_metric(draws[0][0].kind)
        if metric is None or not all(pool.n for draw in draws for pool in draw):
            continue
        counts = resample_counts(len(draws[0][0].statistics), interval)
        sums = [np.stack([pool.by_group() for pool in draw]) for draw in draws]
        value = float(np.mean([metric.compute(draw.sum(axis=1)).mean() for draw in sums]))
        each = np.stack(
            [np.mean([metric.compute(resample_sums(seed, counts)) for seed in draw], axis=0) for draw in sums]
        )
        values[number] = value, over_seeds(each, interval)
        low, high = percentile_interval(values[number][1], interval.level)
        rows[number] = {
            "dataset": dataset,
            "family": family,
            "task": task,
            "metric": metric.name,
            "label": label,
            "method": method,
            "setting": setting,
            "readout": readout,
            "labelled": number,
            "value": value,
            "low": low,
            "high": high,
            "draws": len(draws),
            "seeds": len(draws[0]),
            "n_groups": len(draws[0][0].statistics),
        }
    if rows:
        whole, resampled = values[max(values)]
        for number, row in rows.items():
            with np.errstate(invalid="ignore", divide="ignore"):
                row["share"] = values[number][0] / whole if whole else float("nan")
                # The same resamples of held-out groups on both sides, so that the share's interval is a paired one.
                low, high = percentile_interval(values[number][1] / resampled, interval.level)
            row |= {"share_low": low, "share_high": high}
    return list(rows.values())
