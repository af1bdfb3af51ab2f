"""From probabilities of frames to bouts: thresholds, gaps and shortest bouts, tuned on videos held out for that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

THRESHOLDS = tuple(k / 20 for k in range(2, 19))
DURATIONS = (0.0, 0.05, 0.1, 0.2, 0.4)
"""Shortest bouts and longest closed gaps that are tried, in seconds."""

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


def runs(active: Mask) -> tuple[IntArray, IntArray]:
    """Return first frames and frames after the last of the stretches of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], active, [False]]).astype(np.int8)))
    return edges[::2], edges[1::2]


def apply_rule(probability: FloatArray, rule: Rule) -> Mask:
    """Turn one class's probabilities (time,) into its frames: threshold, close gaps, drop short bouts."""
    start, stop = runs(probability >= rule.threshold)
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
    for low, high in zip(*runs(mask), strict=True):
        start, stop = runs(said[low:high])
        first, last = runs(truth[low:high])
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


def tune(held: Sequence[Held], classes: int, background: int | None, fps: float) -> list[Rule]:
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
    """
    rules = [Rule() for _ in range(classes)]
    if background is None:
        return rules
    lengths = sorted({max(1, round(seconds * fps)) for seconds in DURATIONS})
    gaps = sorted({round(seconds * fps) for seconds in DURATIONS})
    for code in range(classes):
        if code == background or not any((video.truth[video.mask] == code).any() for video in held):
            continue
        best = -1.0
        for rule in _grid(lengths, gaps):
            said = [np.where(apply_rule(video.probabilities[:, code], rule), code, -1) for video in held]
            bout, frame = class_scores(held, said, code)
            if bout + frame > best + 1e-9:
                best, rules[code] = bout + frame, rule
    return rules


def _grid(lengths: Sequence[int], gaps: Sequence[int]) -> Iterator[Rule]:
    # In the order of plainness: of equal rules the first is kept.
    for gap in gaps:
        for shortest in lengths:
            for threshold in sorted(THRESHOLDS, key=lambda value: abs(value - 0.5)):
                yield Rule(threshold, shortest, gap)


def fit_temperature(logits: Tensor, truth: Tensor) -> float:
    """Return the temperature by which logits (n, classes) explain the truth best (Guo et al. 2017)."""
    if not len(truth):
        return 1.0
    temperatures = torch.logspace(-1, 1, 61, dtype=torch.float64)
    losses = [float(functional.cross_entropy(logits.double() / t, truth)) for t in temperatures]
    return float(temperatures[int(np.argmin(losses))])


def merge_windows(starts: IntArray, probabilities: FloatArray, length: int, span: int, background: int) -> IntArray:
    """Turn windows into frames as the published tool does.

    Each window says its most probable class; windows of a class that touch or overlap become one segment, with the
    largest of their probabilities; background is dropped. Where segments of two classes lie over each other, the
    tool keeps both: here the more confident one gets the frame.

    Parameters
    ----------
    starts : ndarray of int, shape (windows,)
        First frames, ascending.
    probabilities : ndarray, shape (windows, classes)
    length : int
        Frames of the video.
    span : int
        Frames of a window.
    background : int
    """
    said, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    codes = np.full(length, background, np.int64)
    confidence = np.zeros(length)
    for code in range(probabilities.shape[1]):
        if code == background:
            continue
        segments: list[tuple[int, int, float]] = []
        for start, p in zip(starts[said == code], sure[said == code], strict=True):
            if segments and start <= segments[-1][1]:
                segments[-1] = (segments[-1][0], int(start) + span, max(segments[-1][2], float(p)))
            else:
                segments.append((int(start), int(start) + span, float(p)))
        for start, stop, p in segments:
            over = np.zeros(length, bool)
            over[start:stop] = True
            over &= p > confidence
            codes[over], confidence[over] = code, p
    return codes


def window_ceiling(
    truth: IntArray, classes: int, span: int, hop: int, background: int, *, least: int | None = None
) -> IntArray:
    """Return what a classifier that never errs about a window makes of a video, merged as published.

    A window is of the class whose bout it holds enough of, the one with most frames of several: at least half of the
    bout or, where the bout is longer, half of the window; or, with `least`, that many frames (or the whole bout).

    Parameters
    ----------
    truth : ndarray of int, shape (time,)
    classes : int
    span, hop : int
        Frames of a window, and between windows.
    background : int
    least : int or None

    Returns
    -------
    ndarray of int, shape (time,)
    """
    starts = np.arange(0, max(1, len(truth) - span + 1), hop)
    held = np.zeros((len(starts), classes))
    for code in range(classes):
        for first, last in zip(*runs(truth == code), strict=True):
            shared = np.maximum(np.minimum(starts + span, last) - np.maximum(starts, first), 0)
            enough = min(last - first, span) / 2 if least is None else min(least, last - first)
            if code != background:
                held[:, code] = np.maximum(held[:, code], np.where((shared > 0) & (shared >= enough), shared, 0))
    sure = np.zeros((len(starts), classes))
    best = np.where(held.max(axis=1) > 0, held.argmax(axis=1), background)
    sure[np.arange(len(starts)), best] = 1
    return merge_windows(starts, sure.astype(np.float32), len(truth), span, background)
