"""Embeddings beside labels, one recording at a time: the rows a readout is fitted on and scored with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.core.validation import nearest
from workflow_scripts.formats.embeddings import EmbeddingsReader
from workflow_scripts.formats.predictions import PredictionsWriter
from workflow_scripts.formats.splits import Split
from workflow_scripts.formats.tracks import Kind, Labels, Level, TracksReader

CHUNK = 8192
"""Frames read at a time."""

Rows = tuple[slice, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Target:
    """A task as the labels of a split define it.

    Attributes
    ----------
    name, kind, level : str
    vocabulary : tuple of str
    recordings : dict of str to list of str
        By side (``train``, ``validation``, ``test``): the recordings that hold labels of the task.
    background : str or None
        As in :class:`workflow_scripts.formats.tracks.Labels`.
    """

    name: str
    kind: Kind
    level: Level
    vocabulary: tuple[str, ...]
    recordings: dict[str, list[str]]
    background: str | None = None

    @property
    def n_classes(self) -> int:
        """Number of classes; 0 for ``continuous``."""
        return {"binary": 2, "continuous": 0}.get(self.kind, len(self.vocabulary))

    def declare(self, writer: PredictionsWriter, readout: str) -> None:
        """Declare the task in a file of predictions."""
        writer.task(
            self.name,
            kind=self.kind,
            level=self.level,
            vocabulary=self.vocabulary,
            background=self.background,
            readout=readout,
        )


def find_target(tracks: TracksReader, split: Split, task: str, needed: Sequence[str] = ("train", "test")) -> Target:
    """Describe a task, and check that it means the same everywhere and that both sides have labels of it.

    Parameters
    ----------
    tracks : TracksReader
    split : Split
    task : str
    needed : sequence of str
        Sides that must have labels; a split that holds nothing out has no test recordings.

    Raises
    ------
    ConfigError
        When no recording of the split has the task.
    InputError
        When two recordings define it differently, or a needed side has no label of it.
    """
    sides = {"train": split.train, "validation": split.validation, "test": split.test}
    first: Labels | None = None
    known: set[str] = set()
    recordings: dict[str, list[str]] = {side: [] for side in sides}
    labelled = dict.fromkeys(sides, 0)
    for side, ids in sides.items():
        for recording in ids:
            labels = tracks.labels(recording, task)
            if labels is None:
                known.update(tracks.tasks(recording))
                continue
            first = first or labels
            if _definition(labels) != _definition(first):
                raise InputError(
                    tracks.path,
                    f"recording {recording!r} has another kind, level, vocabulary or background for task {task!r} than "
                    "the others",
                    "convert all recordings with one card",
                )
            # A training recording without a label teaches nothing, and its group would make an empty inner fold.
            if side == "train" and not labels.mask.any():
                continue
            recordings[side].append(recording)
            labelled[side] += int(labels.mask.sum())
    if first is None:
        raise ConfigError(
            f"Task {task!r} is labelled in no recording of split {split.name!r} of {split.dataset!r}"
            f"{nearest(task, sorted(known))}."
        )
    for side in needed:
        if not labelled[side]:
            raise InputError(
                tracks.path,
                f"task {task!r} has no label in the {side} recordings of split {split.name!r}",
                "choose another split or leave the task out",
            )
    return Target(task, first.kind, first.level, first.vocabulary, recordings, first.background)


def _definition(labels: Labels) -> tuple[str, str, tuple[str, ...], str | None]:
    return labels.kind, labels.level, labels.vocabulary, labels.background


def read_labels(tracks: TracksReader, target: Target, recording: str) -> Labels:
    """Return the labels of a recording, checked.

    Raises
    ------
    InputError
        When a label is outside the vocabulary or is not finite.
    """
    labels = tracks.labels(recording, target.name)
    if labels is None:
        raise InputError(tracks.path, f"recording {recording!r} has no task {target.name!r}", "convert it again")
    values = labels.values[labels.mask]
    if target.n_classes:
        wrong = len(values) and not (int(values.min()) >= 0 and int(values.max()) < target.n_classes)
    else:
        wrong = not np.isfinite(values.astype(np.float64)).all()
    if wrong:
        raise InputError(
            tracks.path,
            f"recording {recording!r}: labels of task {target.name!r} are not finite or outside the vocabulary",
            "correct the label file and convert again",
        )
    return labels


def codes(labels: Labels, keep: npt.NDArray[np.bool_] | None = None) -> npt.NDArray[np.generic]:
    """Labels as :class:`workflow_scripts.evaluation.probe.ridge.GramAccumulator` takes them.

    Parameters
    ----------
    labels : Labels
    keep : ndarray of bool or None
        Rows to use beside the mask.

    Returns
    -------
    ndarray, shape (time,) or (1,)
        Class indices with -1, or float64 with NaN, where a row does not count.
    """
    mask = labels.mask if keep is None else labels.mask & keep
    if labels.kind == "continuous":
        return np.where(mask, labels.values.astype(np.float64), np.nan)
    return np.where(mask, labels.values.astype(np.int64), -1)


def rows(embeddings: EmbeddingsReader, recording: str, level: Level, n_labels: int) -> Iterator[Rows]:
    """Yield the rows of a recording that stand beside its labels.

    Parameters
    ----------
    embeddings : EmbeddingsReader
    recording : str
    level : str
        ``frame``: chunks of frames; ``sequence``: one row, the mean over frames.
    n_labels : int
        Length of the labels, to be checked against.

    Yields
    ------
    tuple of slice and ndarray, float32, shape (n, dim)
        Where the rows stand among the labels, and the rows.

    Raises
    ------
    InputError
        When the lengths differ, or an embedding is NaN or infinite.
    """
    n_frames = embeddings.n_frames(recording)
    if n_frames == 0 or (level == "frame" and n_frames != n_labels):
        raise InputError(
            embeddings.path,
            f"recording {recording!r} has {n_frames} embedded frames and {n_labels} labels",
            "run the embed rule again",
        )
    total = np.zeros(embeddings.dim)
    for start in range(0, n_frames, CHUNK):
        x = embeddings.read(recording, start, start + CHUNK)
        if not np.isfinite(x).all():
            bad = start + int(np.flatnonzero(~np.isfinite(x).all(axis=1))[0])
            raise InputError(
                embeddings.path,
                f"recording {recording!r} has a NaN or infinite embedding at frame {bad}",
                "embed again",
            )
        if level == "frame":
            yield slice(start, start + len(x)), x
        else:
            total += x.sum(axis=0, dtype=np.float64)
    if level == "sequence":
        yield slice(0, 1), (total / n_frames).astype(np.float32)[None]


class Draw:
    """Which labelled training rows are used: all, or `limit` of them drawn without replacement, seeded by task.

    Parameters
    ----------
    tracks : TracksReader
    target : Target
    recordings : sequence of str
    limit : int or None
    seed : int
    """

    def __init__(
        self, tracks: TracksReader, target: Target, recordings: Sequence[str], limit: int | None, seed: int
    ) -> None:
        counts = [int(read_labels(tracks, target, recording).mask.sum()) for recording in recordings]
        self.total = self.used = sum(counts)
        self._chosen: dict[str, npt.NDArray[np.int64]] | None = None
        if limit is not None and limit < self.total:
            # The task's name goes into the seed, so that adding a task changes no other.
            rng = np.random.default_rng([seed, *target.name.encode()])
            picked = np.sort(rng.choice(self.total, limit, replace=False))
            parts = np.split(picked, np.searchsorted(picked, np.cumsum(counts)[:-1]))
            offsets = np.cumsum([0, *counts[:-1]])
            self._chosen = {
                recording: part - offset for recording, part, offset in zip(recordings, parts, offsets, strict=True)
            }
            self.used = limit

    def mask(self, recording: str, labels: Labels) -> npt.NDArray[np.bool_]:
        """Rows of a recording that are used."""
        if self._chosen is None:
            return labels.mask
        mask = np.zeros_like(labels.mask)
        mask[np.flatnonzero(labels.mask)[self._chosen[recording]]] = True
        return mask
