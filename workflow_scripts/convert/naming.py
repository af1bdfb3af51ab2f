"""From the names and length of a file to those of the card: rename, choose, pad, and say what was decided."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from workflow_scripts.cards.card import Card
from workflow_scripts.cards.patterns import LabelSource
from workflow_scripts.cards.sheet import Rename
from workflow_scripts.core.arrays import any_nan
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.typing import Float32Array
from workflow_scripts.formats.tracks import Labels, Recording
from workflow_scripts.sources import LABEL_SOURCES


def label_options(source: LabelSource) -> dict[str, Any]:
    """Return the options of a label source, with the observation under the name that the source gives it."""
    if source.observation is None or source.source not in LABEL_SOURCES:
        return source.options
    module = importlib.import_module(f"workflow_scripts.sources.{LABEL_SOURCES[source.source]}")
    return {getattr(module, "SELECTS", "observation"): source.observation} | source.options


def _renamed(tracks: Path, what: str, names: Sequence[str], rename: Mapping[str, str]) -> list[str]:
    new = [rename.get(name, name) for name in names]
    twice = next((name for name in new if new.count(name) > 1), None)
    if twice is not None:
        raise InputError(tracks, f"rename gives two {what} the name {twice!r}", "correct rename")
    return new


def _order(
    tracks: Path, what: str, found: Sequence[str], wanted: Sequence[str], card: Card, occupied: Sequence[float]
) -> tuple[list[int | None], tuple[str, ...], list[str]]:
    """Return the place in the file of each wanted name (None = it has none), the names, and what is left out."""
    if not wanted:
        return list(range(len(found))), tuple(found), []
    if what == "individuals" and len(wanted) == len(found) == 1:
        return [0], tuple(wanted), []  # files of one animal mostly leave it unnamed
    extra = [name for name in found if name not in wanted]
    lacking = [name for name in wanted if name not in found]
    if (extra and card.unlisted == "refuse") or (lacking and card.absent == "refuse"):
        shown = [f"{name} ({share:.0%} of frames)" for name, share in zip(found, occupied, strict=True)]
        remedy = f"map names under rename, or list the {what} to read in the card"
        if extra and card.unlisted == "refuse":
            remedy += " with unlisted: leave_out"
        if lacking and card.absent == "refuse":
            remedy += " (absent: empty fills a missing one with NaN)"
        names = shown if what == "individuals" else list(found)
        raise InputError(tracks, f"has the {what} {', '.join(names)}, and the card says {', '.join(wanted)}", remedy)
    return [list(found).index(name) if name in found else None for name in wanted], tuple(wanted), extra


def by_card(tracks: Path, raw: Recording, card: Card, rename: Rename, warn: list[str]) -> Recording:
    """Rename individuals and keypoints, and sort and choose them by the card.

    Parameters
    ----------
    tracks : Path
        For messages.
    raw : Recording
    card : Card
    rename : Rename
        The card's, with the recording's own laid over it.
    warn : list of str
        What is left out or filled with NaN is appended.

    Raises
    ------
    InputError
        When the names or the number of axes do not fit the card; lists how often each individual is there.
    """
    space = raw.position.shape[3]
    if card.space is not None and space != card.space:
        raise InputError(tracks, f"has {space} coordinates a point, and the card says space: {card.space}", "fix space")
    seen: npt.NDArray[np.bool_] = np.asarray(~any_nan(raw.position))
    animals = _renamed(tracks, "individuals", raw.individuals, rename.individuals)
    points = _renamed(tracks, "keypoints", raw.keypoints, rename.keypoints)
    there = np.asarray(seen.any(axis=2))
    occupied = [float(share) for share in there.mean(axis=0)] if len(seen) else [0.0] * len(animals)
    rows, individuals, more = _order(tracks, "individuals", animals, card.individuals, card, occupied)
    columns, keypoints, rest = _order(tracks, "keypoints", points, card.keypoints, card, [1.0] * len(points))
    if more or rest:
        warn.append(f"left out, because the card does not list them: {', '.join([*more, *rest])}")
    lacking = [name for name, place in zip((*individuals, *keypoints), (*rows, *columns), strict=True) if place is None]
    if lacking:
        warn.append(f"filled with NaN, because the file lacks them: {', '.join(lacking)}")
    return dataclasses.replace(
        raw,
        position=_take(_take(raw.position, rows, 1), columns, 2),
        confidence=_take(_take(raw.confidence, rows, 1), columns, 2),
        individuals=individuals,
        keypoints=keypoints,
    )


def _take(values: Float32Array, places: Sequence[int | None], axis: int) -> Float32Array:
    taken = np.take(values, [place or 0 for place in places], axis=axis)
    gone = [number for number, place in enumerate(places) if place is None]
    if gone:
        index: list[Any] = [slice(None)] * taken.ndim
        index[axis] = gone
        taken[tuple(index)] = np.nan
    return taken


def padded(tracks: Path, recording: Recording, frames: int | None, warn: list[str]) -> Recording:
    """Fill the end with NaN up to the stated number of frames.

    Raises
    ------
    InputError
        When the table is longer than that.
    """
    if frames is None or frames == recording.n_frames:
        return recording
    more = frames - recording.n_frames
    if more < 0:
        raise InputError(
            tracks, f"has {recording.n_frames} frames, and the sheet says {frames}", "correct frames in the sheet"
        )
    warn.append(f"the table ends after {recording.n_frames} frames; {more} frames without a point are added")

    def fill(values: Float32Array) -> Float32Array:
        return np.concatenate([values, np.full((more, *values.shape[1:]), np.nan, values.dtype)])

    return dataclasses.replace(
        recording, position=fill(recording.position), confidence=fill(recording.confidence), filled=None
    )


def longer(labels: Labels, frames: int) -> Labels:
    """Add unlabelled frames to labels that came with tracks that were padded."""
    more = frames - len(labels.values)
    if labels.level != "frame" or more <= 0:
        return labels
    values = np.concatenate([labels.values, np.zeros(more, labels.values.dtype)])
    return dataclasses.replace(labels, values=values, mask=np.concatenate([labels.mask, np.zeros(more, bool)]))


def later(labels: Labels, start: int) -> Labels:
    """Cut the first `start` frames, which the table of tracks does not have."""
    if start == 0 or labels.level != "frame":
        return labels
    spans = tuple((max(a - start, 0), b - start, code) for a, b, code in labels.spans if b > start)
    return dataclasses.replace(labels, values=labels.values[start:], mask=labels.mask[start:], spans=spans)
