"""What windows make of frames: stretches, windows merged as published, and the best that any such windows can do."""

from __future__ import annotations

import numpy as np

from workflow_scripts.core.typing import Float32Array, Int64Array
from workflow_scripts.formats.bouts import runs


def merge_windows(
    starts: Int64Array, probabilities: Float32Array, length: int, span: int, background: int
) -> Int64Array:
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
    truth: Int64Array, classes: int, span: int, hop: int, background: int, *, least: int | None = None
) -> Int64Array:
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
    held, found = np.zeros((len(starts), classes)), runs(truth)
    for code in range(classes):
        for first, last in zip(*found.of(code), strict=True):
            shared = np.maximum(np.minimum(starts + span, last) - np.maximum(starts, first), 0)
            enough = min(last - first, span) / 2 if least is None else min(least, last - first)
            if code != background:
                held[:, code] = np.maximum(held[:, code], np.where((shared > 0) & (shared >= enough), shared, 0))
    sure = np.zeros((len(starts), classes))
    best = np.where(held.max(axis=1) > 0, held.argmax(axis=1), background)
    sure[np.arange(len(starts)), best] = 1
    return merge_windows(starts, sure.astype(np.float32), len(truth), span, background)
