"""The most probable course of classes: every change of class has its price, so that bouts do not fall to pieces.

Thresholds judge each class and frame by itself. Here a video's classes are found together, as the path through the
frames of which the sum of log-probabilities, less the prices of its changes, is largest (Viterbi 1967).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workflow_scripts.behaviour.thresholds import Held, class_scores, shown_classes

Floats = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

PRICE = 8.0
"""Price of a change before anything is tuned, in units of log-probability."""

PRICES = (1.0, 2.0, 3.0, 5.0, 8.0, 12.0)
BIASES = (-1.0, -0.5, 0.0, 0.5, 1.0, 1.5)
"""What is tried for each class."""

SWEEPS = 3
GAIN = 0.002
"""Least gain in the mean score for which a plainer value is left: a few bouts must not settle every number."""


@dataclass(frozen=True)
class Prices:
    """What a path pays.

    Attributes
    ----------
    bias : ndarray, shape (classes,)
        Added to each class's log-probability.
    enter : ndarray, shape (classes,)
        Paid where a class begins.
    """

    bias: Floats
    enter: Floats

    @classmethod
    def plain(cls, classes: int) -> Prices:
        """Return one price for all and no bias."""
        return cls(np.zeros(classes), np.full(classes, PRICE))


def best_paths(log_probabilities: Sequence[npt.NDArray[np.floating]], prices: Prices) -> list[IntArray]:
    """Find the best path through each video.

    Parameters
    ----------
    log_probabilities : sequence of ndarray, shape (time, classes)
        Of several videos; all are walked through at once.
    prices : Prices

    Returns
    -------
    list of ndarray of int, shape (time,)
    """
    lengths = [len(video) for video in log_probabilities]
    if not any(lengths):
        return [np.zeros(0, np.int64) for _ in lengths]
    videos, classes = np.arange(len(lengths)), len(prices.enter)
    # Behind its end a video gains nothing in any class, so that its path stays where it is.
    gains = np.zeros((max(lengths), len(lengths), classes))
    for k, video in enumerate(log_probabilities):
        gains[: lengths[k], k] = video + prices.bias
    came_from = np.empty(gains.shape, np.int16)
    total = gains[0].copy()
    for t in range(1, len(gains)):
        best = total.argmax(axis=1)
        change = total[videos, best][:, None] - prices.enter
        stay = total >= change
        came_from[t] = np.where(stay, np.arange(classes), best[:, None])
        total = np.where(stay, total, change) + gains[t]
    path = np.empty(gains.shape[:2], np.int64)
    path[-1] = total.argmax(axis=1)
    for t in range(len(gains) - 1, 0, -1):
        path[t - 1] = came_from[t, videos, path[t]]
    return [path[:length, k] for k, length in enumerate(lengths)]


def log_of(probabilities: npt.NDArray[np.floating]) -> Floats:
    """Return logarithms, of a probability of zero a large negative number."""
    return np.log(np.maximum(probabilities.astype(np.float64), 1e-12))


def tune_prices(held: Sequence[Held], classes: int, background: int | None) -> Prices:
    """Choose prices and biases, one class after the other, by the mean of bout F1 and frame F1 of all bouts' classes.

    Parameters
    ----------
    held : sequence of Held
        Videos that nothing was fitted on.
    classes : int
    background : int or None
        Its own scores do not count.
    """
    shown = shown_classes(held, classes, background)
    prices = Prices.plain(classes)
    if not shown:
        return prices
    logs = [log_of(video.probabilities) for video in held]

    def score(tried: Prices) -> float:
        said = best_paths(logs, tried)
        return float(np.mean([np.nan_to_num(class_scores(held, said, code)) for code in shown]))

    best = score(prices)
    for _ in range(SWEEPS):
        before = best
        for code in range(classes):
            # A bias of the background would be one of all other classes.
            biases = () if code == background else BIASES
            for name, value in [*(("enter", price) for price in PRICES), *(("bias", bias) for bias in biases)]:
                tried = Prices(prices.bias.copy(), prices.enter.copy())
                getattr(tried, name)[code] = value
                if (found := score(tried)) > best + GAIN:
                    best, prices = found, tried
        if best == before:
            break
    return prices
