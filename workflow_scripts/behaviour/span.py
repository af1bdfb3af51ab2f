"""The scored span: where an annotator leaves the beginning and the end of every recording as background.

Many protocols score a fixed time (ten minutes from the moment the second animal is put in) and call the rest
background. Frame by frame a model cannot see this; all frames together can: of all spans of about that length, one
explains the probabilities of background best. Whether the labels are of this kind, the training recordings tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from workflow_scripts.core.typing import Float64Array

SHARE = 0.9
"""Of the training recordings that must be scored in one span for the rest of the module to apply."""
FEWEST = 3
"""Training recordings below which nothing is concluded."""
SPREAD = 0.05
"""Standard deviation of the lengths, over their mean, above which the length is no part of the protocol."""
STEPS = 400
"""Begins (and lengths) that are tried; more would be finer than an annotator's start is."""
INDEPENDENT_S = 2.0
"""Seconds whose frames count as one observation."""
CLIP = 4.0
"""Largest log odds of one frame: a tree that is sure of a single frame must not outvote the others."""


def span_of(codes: npt.NDArray[np.integer], mask: npt.NDArray[np.bool_], background: int) -> tuple[int, int] | None:
    """Find the one stretch without background that begins and ends with background on both sides.

    Parameters
    ----------
    codes : ndarray of int, shape (time,)
    mask : ndarray of bool, shape (time,)
    background : int

    Returns
    -------
    (start, stop) or None
        None where background is also inside, or absent from a side.
    """
    known = np.flatnonzero(mask)
    inside = np.flatnonzero(mask & (codes != background))
    if not len(inside):
        return None
    start, stop = int(inside[0]), int(inside[-1]) + 1
    if start <= known[0] or stop > known[-1]:
        return None
    within = mask[start:stop]
    return (start, stop) if (codes[start:stop][within] != background).all() else None


class Span(NamedTuple):
    """What the training recordings say of the scored span; frames.

    Attributes
    ----------
    length, spread : float
        Mean and standard deviation of its length.
    start, start_spread : float
        Of its beginning.
    """

    length: float
    spread: float
    start: float
    start_spread: float


def learn_span(spans: Sequence[tuple[int, int] | None]) -> Span | None:
    """Learn length and beginning of the span; None where the labels are not of this kind.

    Parameters
    ----------
    spans : sequence of (start, stop) or None
        Of every training recording, see :func:`span_of`.
    """
    known = list(filter(None, spans))
    if len(spans) < FEWEST or len(known) < SHARE * len(spans):
        return None
    lengths = np.array([stop - start for start, stop in known], np.float64)
    starts = np.array([start for start, _ in known], np.float64)
    middle = float(np.median(lengths))
    spread = float(np.median(np.abs(lengths - middle))) * 1.4826  # as a standard deviation, blind to a few odd ones
    if spread > SPREAD * middle:
        return None
    return Span(middle, max(spread, 1.0), float(starts.mean()), max(float(starts.std()), 1.0))


def inside_span(background: Float64Array, span: Span, independent: float) -> Float64Array:
    """Probability of each frame to be within the span.

    Parameters
    ----------
    background : ndarray, shape (time,)
        Probability of background by frame.
    span : Span
    independent : float
        Frames that count as one observation: neighbours say the same thing.

    Returns
    -------
    ndarray, shape (time,)
        1 - background where the recording is no longer than the span.
    """
    time, length, spread = len(background), span.length, span.spread
    if time <= length:
        return 1 - background
    odds = np.log(np.maximum(background, 1e-6)) - np.log(np.maximum(1 - background, 1e-6))
    total = np.concatenate([[0.0], np.cumsum(np.clip(odds, -CLIP, CLIP))]) / independent
    # One length needs no grid; several are laid on a coarse one.
    step = max(1, time // STEPS) if spread > 1 else 1
    lengths = np.arange(-2, 3) * spread + length if spread > 1 else np.array([length])
    starts = np.arange(0, time - int(length) + 1, step)
    stops = np.minimum(starts[:, None] + np.rint(lengths).astype(int), time)
    # What a span explains is the background that it leaves outside; the sum over all frames is the same for every span.
    evidence = total[starts][:, None] - total[stops] - 0.5 * ((lengths - length) / spread) ** 2
    evidence = evidence - 0.5 * ((starts - span.start) / span.start_spread)[:, None] ** 2
    weight = np.exp(evidence - logsumexp(evidence))
    change = np.zeros(time + 1)
    np.add.at(change, starts, weight.sum(axis=1))
    np.add.at(change, stops.ravel(), -weight.ravel())
    inside: Float64Array = np.clip(np.cumsum(change)[:-1], 0, 1)
    return inside


def within(probabilities: Float64Array, background: int, inside: Float64Array) -> Float64Array:
    """Put class probabilities (time, classes) into the span: background outside, the other classes inside."""
    others = probabilities.copy()
    others[:, background] = 0
    others /= np.maximum(others.sum(axis=1, keepdims=True), 1e-12)
    found: Float64Array = others * inside[:, None]
    found[:, background] = 1 - inside
    return found
