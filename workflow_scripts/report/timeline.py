"""Ethograms as the page shows them: one SVG path a class, so that zooming is a change of the view box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from workflow_scripts.core.typing import IntArray
from workflow_scripts.formats.bouts import runs
from workflow_scripts.plotting.style import PAGE_COLOURS, class_colours


@dataclass(frozen=True)
class Stretch:
    """All runs of one class in one row: name, colour, and the SVG path of unit-high boxes, in frames."""

    name: str
    colour: str
    path: str


@dataclass(frozen=True)
class Band:
    """One row of an ethogram, with its shares in words for those who cannot see it."""

    name: str
    stretches: tuple[Stretch, ...]
    spoken: str


def frames(bouts: pd.DataFrame, vocabulary: Sequence[str], length: int) -> IntArray:
    """Write bouts out frame by frame.

    Parameters
    ----------
    bouts : DataFrame
        Columns ``start``, ``stop`` (frame after the last) and ``label``.
    vocabulary : sequence of str
    length : int
        Frames.

    Returns
    -------
    ndarray of int64, shape (length,)
        Index into `vocabulary`; -1 outside all bouts.
    """
    values = np.full(length, -1, dtype=np.int64)
    for start, stop, label in zip(bouts["start"], bouts["stop"], bouts["label"], strict=True):
        values[start:stop] = vocabulary.index(label)
    return values


def clock(seconds: float) -> str:
    """Return ``3:07`` or ``1:02:09``."""
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def band(name: str, values: IntArray, vocabulary: Sequence[str], background: str | None = None) -> Band:
    """Turn one row of labels into paths.

    Parameters
    ----------
    name : str
    values : ndarray of int, shape (time,)
        Index into `vocabulary`; -1 where nobody labelled.
    vocabulary : sequence of str
    background : str, optional
        Class drawn in grey.
    """
    cut = runs(values)
    stretches, words = [], []
    for state, fill in enumerate(class_colours(vocabulary, background)):
        starts, stops = cut.of(state)
        if not len(starts):
            continue
        lengths = stops - starts
        boxes = zip(starts.tolist(), lengths.tolist(), strict=True)
        path = "".join(f"M{start} 0h{length}v1h-{length}z" for start, length in boxes)
        stretches.append(Stretch(vocabulary[state], PAGE_COLOURS.get(fill, fill), path))
        words.append(f"{vocabulary[state]} {100 * float(lengths.sum()) / len(values):.0f} %")
    return Band(name, tuple(stretches), f"{name}: {', '.join(words) or 'no labels'}")
