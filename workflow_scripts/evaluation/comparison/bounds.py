"""What bounds the scores of tasks with classes by frame: borders of labels, missing points, agreement of people.

A border is where the label changes from one labelled frame to the next. Frames closer to one than a given time are left
out, and the score is computed again on the rest: what it gains is at most what is lost to people and models that begin
and end bouts a little apart. Spearman's rho is that of the score by recording and the share of its points that tracking
did not find.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import rankdata

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.typing import Float64Array
from workflow_scripts.evaluation.comparison.significance import Contender, labels
from workflow_scripts.evaluation.options import IntervalConfig
from workflow_scripts.evaluation.scores.intervals import over_seeds, percentile_interval, resample_counts, resample_sums
from workflow_scripts.evaluation.scores.pool import list_tasks
from workflow_scripts.formats.predictions import Prediction, open_predictions
from workflow_scripts.metrics import frames as metrics

METRIC = "macro_f1"
COLUMNS = ["dataset", "split", "task", "metric", "label", "method", "mode", "setting", "readout"]
COLUMNS += [
    "value",
    "low",
    "high",
    "inner",
    "inner_low",
    "inner_high",
    "gain",
    "gain_low",
    "gain_high",
    "left_out",
    "lost",
]
COLUMNS += ["rho", "rho_low", "rho_high", "n_recordings", "n_groups", "seeds", "human"]
"""Columns of `bounds.csv`. `inner` and `gain` are of classes that occur away from borders; `lost` names the others."""

Key = tuple[str, str, str, str, str, str, str]
"""Dataset, split, task, method, mode, setting, readout."""


@dataclass(frozen=True)
class _Counted:
    """Confusion counts of one recording: of all labelled frames, and of those away from borders."""

    group: str
    whole: Float64Array
    inner: Float64Array


def near_border(truth: npt.NDArray[np.generic], mask: npt.NDArray[np.bool_], reach: int) -> npt.NDArray[np.bool_]:
    """Frames at most `reach` frames before or after a change of the label.

    Parameters
    ----------
    truth : ndarray, shape (time,)
    mask : ndarray of bool, shape (time,)
        Where the truth is known; a change is between two frames that follow each other and are both known.
    reach : int
        1 = the two frames on both sides of a change.

    Returns
    -------
    ndarray of bool, shape (time,)
    """
    changes = np.flatnonzero(mask[1:] & mask[:-1] & (truth[1:] != truth[:-1])) + 1
    edges = np.zeros(len(truth) + 1, np.int64)
    np.add.at(edges, np.maximum(changes - reach, 0), 1)
    np.add.at(edges, np.minimum(changes + reach, len(truth)), -1)
    near: npt.NDArray[np.bool_] = np.cumsum(edges)[:-1] > 0
    return near


def score_bounds(
    runs: Sequence[Contender],
    quality: Mapping[str, pd.DataFrame],
    interval: IntervalConfig,
    *,
    border_s: float = 0.5,
    human: Mapping[tuple[str, str], float] | None = None,
) -> pd.DataFrame:
    """Score every method again without the frames near borders, and beside the share of missing points.

    Parameters
    ----------
    runs : sequence of Contender
    quality : mapping of str to DataFrame
        `quality.csv` by dataset: recording, fps, and the shares of points that are missing and that are filled.
    interval : IntervalConfig
    border_s : float
        Seconds before and after each border that are left out.
    human : mapping of (str, str) to float, optional
        Agreement of people in macro F1, by dataset and task.

    Returns
    -------
    DataFrame
        Columns :data:`COLUMNS`; a row a method, task and readout. Intervals are bootstraps over groups (and seeds),
        that of `gain` a paired one.

    Raises
    ------
    InputError
        When a predicted recording is not in `quality`.
    """
    found: dict[Key, dict[str, Any]] = {}
    for run in runs:
        about = quality[run.dataset].set_index(quality[run.dataset]["recording"].astype(str))
        for task, readout in list_tasks(next(iter(run.paths.values()))):
            counted = {seed: _count(paths, task, readout, about["fps"], border_s) for seed, paths in run.paths.items()}
            names, first = _classes(run.paths, task), next(iter(counted.values()))
            if names and first:
                lost = about["missing"] + about["filled"]
                key = (run.dataset, run.split, task, run.method, run.mode, run.setting, readout)
                found[key] = _row(list(counted.values()), names, lost, interval)
                found[key]["human"] = (human or {}).get((run.dataset, task), np.nan)
    alike: dict[tuple[str, str, str], list[Key]] = {}
    for key in found:
        alike.setdefault(key[:3], []).append(key)
    rows = []
    for (dataset, split, task), keys in alike.items():
        for key, label in zip(keys, labels([(*key[3:], "") for key in keys]), strict=True):
            named = dict(zip(("method", "mode", "setting", "readout"), key[3:], strict=True))
            rows.append(
                {"dataset": dataset, "split": split, "task": task, "metric": METRIC, "label": label}
                | named
                | found[key]
            )
    return pd.DataFrame(rows, columns=COLUMNS)


def _classes(paths: Mapping[int, Sequence[Path]], task: str) -> tuple[str, ...]:
    """Class names of a task by frame; none of other tasks."""
    for path in next(iter(paths.values())):
        with open_predictions(path) as reader:
            if task in reader.tasks:
                kind, level, _, _ = reader.info(task)
                return reader.classes(task) if level == "frame" and kind in {"multiclass", "binary"} else ()
    return ()


def _count(
    paths: Sequence[Path], task: str, readout: str, fps: pd.Series[float], border_s: float
) -> dict[str, _Counted]:
    found = {}
    for path in paths:
        with open_predictions(path) as reader:
            if task not in reader.tasks or reader.info(task)[3] != readout:
                continue
            kind, level, _, _ = reader.info(task)
            if level != "frame" or kind not in {"multiclass", "binary"}:
                continue
            for said in reader.iterate(task):
                if said.recording not in fps.index:
                    raise InputError(
                        path,
                        f"predicts {said.recording!r}, which quality.csv does not list",
                        "convert the dataset again",
                    )
                reach = round(border_s * float(fps[said.recording]))
                found[said.recording] = _counted(said, len(reader.classes(task)), reach)
    return found


def _counted(said: Prediction, n_classes: int, reach: int) -> _Counted:
    inner = said.mask & ~near_border(said.truth, said.mask, reach)
    truth, predicted = said.truth.astype(np.int64), said.prediction.astype(np.int64)
    whole, less = (metrics.confusion(truth[mask], predicted[mask], n_classes) for mask in (said.mask, inner))
    return _Counted(said.group, whole, less)


def _row(
    seeds: Sequence[Mapping[str, _Counted]], names: Sequence[str], lost: pd.Series[float], interval: IntervalConfig
) -> dict[str, Any]:
    groups = sorted({each.group for each in seeds[0].values()})
    place = {group: k for k, group in enumerate(groups)}
    whole, inner = (np.zeros((len(seeds), len(groups), len(names), len(names))) for _ in range(2))
    for k, counted in enumerate(seeds):
        for each in counted.values():
            whole[k, place[each.group]] += each.whole
            inner[k, place[each.group]] += each.inner
    support, away = whole[0].sum((0, 2)), inner[0].sum((0, 2))
    kept = away > 0
    counts = resample_counts(len(groups), interval)

    def scored(statistics: Float64Array, classes: npt.NDArray[np.bool_]) -> tuple[float, Float64Array]:
        def macro(matrix: Float64Array) -> Float64Array:
            return metrics.mean_defined(metrics.class_f1(matrix)[..., classes])

        draws = np.stack([macro(resample_sums(seed, counts)) for seed in statistics])
        return float(np.mean(macro(statistics.sum(1)))), over_seeds(draws, interval)

    every = np.ones(len(names), bool)
    scores = {"": scored(whole, every), "inner": scored(inner, kept), "same": scored(whole, kept)}
    row: dict[str, Any] = {"value": scores[""][0], "inner": scores["inner"][0]}
    row["gain"] = scores["inner"][0] - scores["same"][0]
    drawn = {"": scores[""][1], "inner_": scores["inner"][1], "gain_": scores["inner"][1] - scores["same"][1]}
    for name, draws in drawn.items():
        enough = len(groups) > 1
        row[f"{name}low"], row[f"{name}high"] = percentile_interval(draws, interval.level) if enough else (np.nan,) * 2
    row["left_out"] = 1 - away.sum() / support.sum()
    row["lost"] = ", ".join(name for name, n, m in zip(names, support, away, strict=True) if n and not m)
    row |= _by_missing(seeds, lost, groups, counts, interval)
    return row | {"n_groups": len(groups), "seeds": len(seeds)}


def _by_missing(
    seeds: Sequence[Mapping[str, _Counted]],
    lost: pd.Series[float],
    groups: Sequence[str],
    counts: Float64Array,
    interval: IntervalConfig,
) -> dict[str, Any]:
    """Rank correlation of the score by recording with its share of missing points, over recordings of two classes."""
    recordings = [name for name, each in seeds[0].items() if (each.whole.sum(1) > 0).sum() > 1]
    score = np.array([np.mean([metrics.macro_f1(seed[name].whole) for seed in seeds]) for name in recordings])
    missing = np.array([float(lost[name]) for name in recordings])
    owner = np.array([groups.index(seeds[0][name].group) for name in recordings], dtype=np.int64)
    draws = []
    for drawn in counts:
        times = drawn[owner].astype(np.int64) if len(owner) else owner
        draws.append(_spearman(np.repeat(score, times), np.repeat(missing, times)))
    low, high = percentile_interval(np.array(draws), interval.level)
    return {"rho": _spearman(score, missing), "rho_low": low, "rho_high": high, "n_recordings": len(recordings)}


def _spearman(x: Float64Array, y: Float64Array) -> float:
    """Spearman's rho; NaN of fewer than three values, or where all are equal."""
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(x), rankdata(y))[0, 1])
