"""From probabilities of frames to bouts: thresholds, gaps and shortest bouts, tuned on videos held out for that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax

from workflow_scripts.formats.bouts import runs

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

THRESHOLDS = tuple(k / 20 for k in range(2, 19))
DURATIONS = (0.0, 0.05, 0.1, 0.2, 0.4)
"""Shortest bouts and longest closed gaps that are tried, in seconds."""

LOWEST_KEPT = 0.25
"""Lowest threshold of a class whose best one is the lowest of all that are tried."""

LEARNT = 0.05
"""A class is learnt where its frame F1 on held-out videos is better than that of calling every frame by this."""

OVERLAP = 0.5
"""Least IoU of a predicted and a true bout that match."""


@dataclass(frozen=True)
class Rule:
    """How one class's probabilities become its bouts.

    Attributes
    ----------
    threshold : float
        Least probability.
    shortest : int
        Frames of a bout, at least.
    gap : int
        Frames between two bouts that are closed, at most.
    """

    threshold: float = 0.5
    shortest: int = 1
    gap: int = 0


@dataclass(frozen=True)
class Held:
    """A video held out for tuning.

    Attributes
    ----------
    probabilities : ndarray, shape (time, classes)
    truth : ndarray of int, shape (time,)
    mask : ndarray of bool, shape (time,)
        Where the truth is known.
    """

    probabilities: FloatArray
    truth: IntArray
    mask: Mask


def apply_rule(probability: FloatArray, rule: Rule) -> Mask:
    """Turn one class's probabilities (time,) into its frames: threshold, close gaps, drop short bouts."""
    start, stop = runs(probability >= rule.threshold).of(True)
    if rule.gap and len(start) > 1:
        apart = start[1:] - stop[:-1] > rule.gap
        start, stop = start[np.concatenate([[True], apart])], stop[np.concatenate([apart, [True]])]
    long = stop - start >= rule.shortest
    change = np.zeros(len(probability) + 1, np.int64)
    change[start[long]] += 1
    change[stop[long]] -= 1
    return np.cumsum(change[:-1]) > 0


def decide(probabilities: FloatArray, rules: Sequence[Rule], background: int | None) -> IntArray:
    """Choose one class a frame.

    Parameters
    ----------
    probabilities : ndarray, shape (time, classes)
    rules : sequence of Rule
        One a class; that of the background is not looked at.
    background : int or None
        The class where no other is active; without one, the most probable class wins everywhere.

    Returns
    -------
    ndarray of int, shape (time,)
    """
    if background is None:
        return np.asarray(probabilities.argmax(axis=1), np.int64)
    claims = np.zeros(probabilities.shape, np.float32)
    for code, rule in enumerate(rules):
        if code != background:
            active = apply_rule(probabilities[:, code], rule)
            # Where two claim a frame, the one further above its own threshold has it.
            claims[:, code] = np.where(active, 1e-6 + probabilities[:, code] / max(rule.threshold, 1e-6), 0)
    best = claims.argmax(axis=1)
    return np.asarray(np.where(claims.max(axis=1) > 0, best, background), np.int64)


def matched(said: Mask, truth: Mask, mask: Mask, overlap: float = OVERLAP) -> tuple[int, int, int]:
    """Count hits, false alarms and misses of bouts; each true bout is hit once, by the first that overlaps enough."""
    hits = alarms = misses = 0
    for low, high in zip(*runs(mask).of(True), strict=True):
        start, stop = runs(said[low:high]).of(True)
        first, last = runs(truth[low:high]).of(True)
        used = np.zeros(len(first), bool)
        for a, b in zip(start, stop, strict=True):
            shared = np.minimum(b, last) - np.maximum(a, first)
            iou = np.maximum(shared, 0) / np.maximum(np.maximum(b, last) - np.minimum(a, first), 1)
            best = int(iou.argmax()) if len(iou) else -1
            if best >= 0 and iou[best] >= overlap and not used[best]:
                used[best] = True
                hits += 1
            else:
                alarms += 1
        misses += int((~used).sum())
    return hits, alarms, misses


def f1(hits: float, alarms: float, misses: float) -> float:
    """F1, NaN where there is nothing to find and nothing found."""
    total = 2 * hits + alarms + misses
    return 2 * hits / total if total else float("nan")


def class_scores(held: Sequence[Held], said: Sequence[IntArray], code: int) -> tuple[float, float]:
    """Bout F1 and frame F1 of a class, counted over all videos."""
    bouts, frames = np.zeros(3), np.zeros(3)
    for video, codes in zip(held, said, strict=True):
        own, true = codes == code, video.truth == code
        bouts += matched(own, true, video.mask)
        seen = video.mask
        frames += (own & true & seen).sum(), (own & ~true & seen).sum(), (~own & true & seen).sum()
    return f1(*bouts), f1(*frames)


def shown_classes(held: Sequence[Held], classes: int, background: int | None) -> list[int]:
    """Classes of bouts that labelled frames of some video show."""
    labelled = [video.truth[video.mask] for video in held]
    return [code for code in range(classes) if code != background and any((truth == code).any() for truth in labelled)]


def tune(
    held: Sequence[Held],
    classes: int,
    background: int | None,
    fps: float,
    *,
    durations: Sequence[float] = DURATIONS,
    thresholds: Sequence[float] = THRESHOLDS,
) -> list[Rule]:
    """Choose each class's rule by the mean of its bout F1 and its frame F1.

    The bout F1 alone is a coarse staircase where the held-out bouts are few; frames break its ties.

    Parameters
    ----------
    held : sequence of Held
        Videos that nothing was fitted on.
    classes : int
    background : int or None
    fps : float
        Frames per second: durations are tried in seconds.
    durations, thresholds : sequence of float
        What is tried.
    """
    rules = [Rule() for _ in range(classes)]
    if background is None:
        return rules
    lengths = sorted({max(1, round(seconds * fps)) for seconds in durations})
    gaps = sorted({round(seconds * fps) for seconds in durations})
    for code in shown_classes(held, classes, background):
        best = -1.0
        for rule in _grid(lengths, gaps, thresholds):
            said = [np.where(apply_rule(video.probabilities[:, code], rule), code, -1) for video in held]
            bout, frame = class_scores(held, said, code)
            if bout + frame > best + 1e-9:
                best, rules[code] = bout + frame, rule
    return rules


def guarded(
    held: Sequence[Held],
    rules: Sequence[Rule],
    background: int | None,
    fps: float,
    shown: Sequence[int],
    *,
    durations: Sequence[float] = DURATIONS,
    thresholds: Sequence[float] = THRESHOLDS,
) -> list[Rule]:
    """Return the rules to be kept, which must not call every frame of another recording.

    A class whose frame F1 is hardly better than that of calling every frame was not learnt, and keeps the plain rule.
    One whose best threshold is the lowest that is tried is tuned again without the low ones: the best threshold is half
    of the best F1 (Lipton et al. 2014), so that so low a one fits the few held-out recordings and nothing else.

    Parameters
    ----------
    held : sequence of Held
    rules : sequence of Rule
        Of :func:`tune`.
    background : int or None
    fps : float
    shown : sequence of int
        Classes that were tuned.
    durations, thresholds : sequence of float
        What was tried.
    """
    kept = list(rules)
    lowest = min(thresholds)
    if any(kept[code].threshold <= lowest for code in shown):
        higher = tune(
            held,
            len(rules),
            background,
            fps,
            durations=durations,
            thresholds=[value for value in thresholds if value >= LOWEST_KEPT],
        )
        kept = [higher[code] if rule.threshold <= lowest else rule for code, rule in enumerate(kept)]
    for code in shown:
        found, chance = skill(held, [apply_rule(video.probabilities[:, code], kept[code]) for video in held], code)
        if found < chance + LEARNT:
            kept[code] = Rule()
    return kept


def skill(held: Sequence[Held], said: Sequence[Mask], code: int) -> tuple[float, float]:
    """Return the frame F1 of a class on held-out videos, and that of calling every labelled frame by it."""
    own = [np.where(active, code, -1) for active in said]
    every = [np.full(len(video.truth), code) for video in held]
    return class_scores(held, own, code)[1], class_scores(held, every, code)[1]


def _grid(lengths: Sequence[int], gaps: Sequence[int], thresholds: Sequence[float]) -> Iterator[Rule]:
    # In the order of plainness: of equal rules the first is kept.
    for gap in gaps:
        for shortest in lengths:
            for threshold in sorted(thresholds, key=lambda value: abs(value - 0.5)):
                yield Rule(threshold, shortest, gap)


def fit_temperature(logits: npt.NDArray[np.floating], truth: IntArray) -> float:
    """Return the temperature by which logits (n, classes) explain the truth best (Guo et al. 2017)."""
    if not len(truth):
        return 1.0
    temperatures = np.logspace(-1, 1, 61)
    rows = np.arange(len(truth))
    losses = [-log_softmax(logits.astype(np.float64) / t, axis=1)[rows, truth].mean() for t in temperatures]
    return float(temperatures[int(np.argmin(losses))])
