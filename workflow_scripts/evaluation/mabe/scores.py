"""Scores of a MABe evaluation from counts per clip, so that any set of clips can be scored, or drawn again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workflow_scripts.evaluation.mabe.tasks import MabeTask, Vote
from workflow_scripts.evaluation.options import IntervalConfig
from workflow_scripts.evaluation.scores.intervals import percentile_interval, resample_counts, resample_sums

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ClipCounts:
    """What each clip adds to the scores.

    The last axis holds, for a binary task, the frames rightly called positive, called positive, and truly positive;
    for a continuous one the frames, their squared errors, and 0.

    Attributes
    ----------
    merged : ndarray, shape (clip, task, alpha, 3)
        Of the seeds' common prediction.
    single : ndarray, shape (clip, task, seed, alpha, 3)
        Of each seed's.
    """

    merged: Array
    single: Array


def merge(decisions: Array, continuous: npt.NDArray[np.bool_], vote: Vote) -> Array:
    """Merge the seeds' predictions.

    Parameters
    ----------
    decisions : ndarray, shape (task, seed, alpha, frame)
        Above 0 = positive, or the value itself.
    continuous : ndarray of bool, shape (task,)
    vote : {"any", "majority", "mean"}
        ``any``: positive if one seed says so (what the published evaluator computes); ``majority``: if more than half
        do; ``mean``: if the mean decision is above 0.

    Returns
    -------
    ndarray, shape (task, alpha, frame)
        0 or 1, or the mean value.
    """
    if vote == "any":
        positive = decisions.max(axis=1) > 0
    elif vote == "majority":
        positive = 2 * (decisions > 0).sum(axis=1) > decisions.shape[1]
    else:
        positive = decisions.sum(axis=1) > 0
    merged: Array = positive.astype(np.float64)
    merged[continuous] = decisions[continuous].mean(axis=1)
    return merged


def count_clip(
    decisions: Array, y: npt.NDArray[np.floating], continuous: npt.NDArray[np.bool_], vote: Vote
) -> ClipCounts:
    """Count one clip; shapes without the clip axis.

    Parameters
    ----------
    decisions : ndarray, shape (task, seed, alpha, frame)
    y : ndarray, shape (task, frame)
        NaN = unlabelled.
    continuous : ndarray of bool, shape (task,)
    vote : str
    """
    known = ~np.isnan(y)
    truth = np.where(known, y, 0).astype(np.float64)
    sides = np.stack([truth, known], axis=-1)
    frames, positives = known.sum(1), truth.sum(1)

    def count(prediction: Array) -> Array:
        """Sum (task, case, frame) over frames: (task, case, 3)."""
        found = np.empty((*prediction.shape[:2], 3))
        found[..., :2] = prediction @ sides  # a product of matrices sums far faster than masks do
        found[..., 2] = positives[:, None]
        for k in np.flatnonzero(continuous):
            found[k, :, 0] = frames[k]
            found[k, :, 1] = ((prediction[k] - truth[k]) ** 2) @ known[k]
            found[k, :, 2] = 0
        return found

    tasks, seeds, alphas, _ = decisions.shape
    merged = merge(decisions, continuous, vote)
    single = (decisions > 0).astype(np.float64)
    single[continuous] = decisions[continuous]
    apart = count(single.reshape(tasks, seeds * alphas, -1)).reshape(tasks, seeds, alphas, 3)
    return ClipCounts(count(merged), apart)


def stack(counts: list[ClipCounts]) -> ClipCounts:
    """Put the counts of clips together."""
    return ClipCounts(np.stack([c.merged for c in counts]), np.stack([c.single for c in counts]))


def score(sums: Array, continuous: bool, *, empty: float = 0.0) -> Array:
    """F1 or MSE from summed counts (..., 3); `empty` is the F1 where nothing is or is called positive."""
    first, second, third = np.moveaxis(sums, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        if continuous:
            return np.asarray(np.where(first > 0, second / first, np.nan))
        return np.asarray(np.where(second + third > 0, 2 * first / (second + third), empty))


def pooled_counts(pooled: Array, continuous: bool) -> Array:
    """Counts per clip (clip, ..., 3) of the clips' mean labels and predictions (clip, ..., 2)."""
    known = ~np.isnan(pooled[..., 0])
    label, said = np.nan_to_num(pooled[..., 0]), np.nan_to_num(pooled[..., 1])
    if continuous:
        parts = [np.ones_like(label), (label - said) ** 2, np.zeros_like(label)]
    else:
        positive, called = (label >= 0.5).astype(np.float64), (said >= 0.5).astype(np.float64)
        parts = [positive * called, called, positive]
    return np.stack([np.where(known, part, 0) for part in parts], axis=-1)


@dataclass(frozen=True)
class SoundScores:
    """Counts behind the `sound` scores, kept for intervals and for comparing two submissions.

    Attributes
    ----------
    tasks : list of MabeTask
    clips : list of str
    counts : ndarray, shape (clip, task, 3)
    alphas : list of float
        The penalty chosen for each task.
    """

    tasks: list[MabeTask]
    clips: list[str]
    counts: Array
    alphas: list[float]

    def values(self, sums: Array) -> Array:
        """Scores (..., task) from summed counts (..., task, 3); NaN where the positive class does not occur."""
        columns = []
        for k, task in enumerate(self.tasks):
            value = score(sums[..., k, :], task.continuous)
            there = sums[..., k, 0] > 0 if task.continuous else sums[..., k, 2] > 0
            columns.append(np.where(there, value, np.nan))
        return np.stack(columns, axis=-1)

    def means(self, values: Array) -> dict[str, Array]:
        """Mean F1 and mean MSE over the tasks that have a value, from (..., task)."""
        found = {}
        continuous = np.array([task.continuous for task in self.tasks])
        for name, which in (("mean_f1", ~continuous), ("mean_mse", continuous)):
            chosen = values[..., which]
            if which.any():
                known = ~np.isnan(chosen)
                with np.errstate(invalid="ignore", divide="ignore"):
                    found[name] = np.where(known, chosen, 0).sum(-1) / known.sum(-1)
        return found

    def resampled(self, interval: IntervalConfig) -> Array:
        """Scores of each bootstrap draw of clips, shape (resamples, task)."""
        return self.values(resample_sums(self.counts, resample_counts(len(self.clips), interval)))

    def rows(self, interval: IntervalConfig) -> list[dict[str, object]]:
        """One row a task, then the means, with intervals over clips."""
        value, drawn = self.values(self.counts.sum(0)), self.resampled(interval)
        rows: list[dict[str, object]] = []
        for k, task in enumerate(self.tasks):
            low, high = percentile_interval(drawn[:, k], interval.level)
            rows.append(
                {
                    "task": task.name,
                    "level": "sequence" if task.clipwise else "frame",
                    "metric": "mse" if task.continuous else "f1/yes",
                    "value": float(value[k]),
                    "low": low,
                    "high": high,
                    "n_clips": len(self.clips),
                    "alpha": self.alphas[k],
                }
            )
        together = self.means(drawn)
        for name, mean in self.means(value).items():
            low, high = percentile_interval(together[name], interval.level)
            metric = name.removeprefix("mean_")
            rows.append({"task": name, "metric": metric, "value": float(mean), "low": low, "high": high})
        return rows


def paired_rows(first: SoundScores, second: SoundScores, interval: IntervalConfig) -> list[dict[str, object]]:
    """Differences of two submissions on the same clips, with paired bootstrap intervals and p values.

    The p value is two-sided: twice the smaller share of draws on either side of no difference, one draw added to each
    so that it is never 0 (Davison & Hinkley 1997).

    Raises
    ------
    ValueError
        When clips or tasks differ.
    """
    if first.clips != second.clips or first.tasks != second.tasks:
        raise ValueError("the two submissions were scored on other clips or tasks")
    sides = []
    for scores in (first, second):
        value, drawn = scores.values(scores.counts.sum(0)), scores.resampled(interval)
        means, drawn_means = scores.means(value), scores.means(drawn)
        sides.append((np.r_[value, list(means.values())], np.column_stack([drawn, *drawn_means.values()])))
    names = [task.name for task in first.tasks] + list(first.means(first.values(first.counts.sum(0))))
    rows = []
    for k, name in enumerate(names):
        difference = sides[0][1][:, k] - sides[1][1][:, k]
        defined = difference[~np.isnan(difference)]
        low, high = percentile_interval(difference, interval.level)
        share = [(np.count_nonzero(side) + 1) / (len(defined) + 1) for side in (defined <= 0, defined >= 0)]
        a, b = float(sides[0][0][k]), float(sides[1][0][k])
        row = {"task": name, "first": a, "second": b, "difference": a - b, "low": low, "high": high}
        rows.append(row | {"p": min(1.0, 2 * min(share))})
    return rows
