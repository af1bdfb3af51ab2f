"""Recordings cut into sequences that cover every frame, split into training and validation, drawn in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from workflow_scripts.methods.daart.losses import Batch
from workflow_scripts.training.seeds import ORDER, derive

SPLIT_DRAWS = 64
"""Random splits among which the one whose validation shows most classes is taken."""


@dataclass(frozen=True)
class Signals:
    """One recording as the network meets it.

    Attributes
    ----------
    id : str
    x : ndarray, float32, shape (time, inputs)
        Finite, normalised (or to be normalised by the model).
    strong, weak : ndarray, int64, shape (time,)
        Class or -1.
    targets : ndarray, float32, shape (time, n)
    """

    id: str
    x: npt.NDArray[np.float32]
    strong: npt.NDArray[np.int64]
    weak: npt.NDArray[np.int64]
    targets: npt.NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0), np.float32))


class SequenceStore:
    """Recordings laid end to end, each between enough zeros that any sequence and its padding is one slice.

    Parameters
    ----------
    recordings : sequence of Signals
    length, pad : int
        Frames of a sequence, and beside it.
    """

    def __init__(self, recordings: Sequence[Signals], length: int, pad: int) -> None:
        self.recordings, self.length, self.pad = list(recordings), length, pad
        starts, owners, offsets, place = [], [], [], 0
        for number, signals in enumerate(self.recordings):
            n = max(1, -(-len(signals.x) // length))
            starts += [place + k * length for k in range(n)]
            owners += [number] * n
            offsets.append(place + pad)
            place += n * length + 2 * pad
        self.starts, self.owners = np.array(starts), np.array(owners)
        inputs = self.recordings[0].x.shape[1]
        targets = self.recordings[0].targets.shape[1]
        self.x = torch.zeros(place, inputs)
        self.strong, self.weak = torch.full((2, place), -1)
        self.targets = torch.full((place, targets), float("nan"))
        self.valid = torch.zeros(place, dtype=torch.bool)
        self.slices = [slice(o, o + len(s.x)) for o, s in zip(offsets, self.recordings, strict=True)]
        for where, signals in zip(self.slices, self.recordings, strict=True):
            self.x[where] = torch.from_numpy(signals.x)
            self.strong[where] = torch.from_numpy(signals.strong)
            self.weak[where] = torch.from_numpy(signals.weak)
            self.valid[where] = True
            if targets:
                self.targets[where] = torch.from_numpy(signals.targets)
        core = torch.zeros(length + 2 * pad, dtype=torch.bool)
        core[pad : pad + length] = True
        self._core = core
        self._span = torch.arange(length + 2 * pad)

    def __len__(self) -> int:
        return len(self.starts)

    def batch(self, rows: npt.NDArray[np.integer]) -> Batch:
        """Gather sequences with their padding; labels in the padding are -1."""
        index = torch.from_numpy(self.starts[rows])[:, None] + self._span
        valid = self.valid[index] & self._core
        strong, weak = (torch.where(valid, labels[index], -1) for labels in (self.strong, self.weak))
        return Batch(self.x[index], strong, weak, self.targets[index], valid)

    def labels_of(self, row: int) -> npt.NDArray[np.int64]:
        """Hand labels of one sequence without its padding, -1 where none."""
        start = int(self.starts[row]) + self.pad
        labels: npt.NDArray[np.int64] = self.strong[start : start + self.length].numpy()
        return labels


def split_sequences(n: int, shares: tuple[int, int, int, int], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Assign the sequences of one recording: 0 train, 1 validation, 2 test, -1 gap.

    Blocks of train, gap, validation, gap, test, gap follow each other from a random place on, around the end. A block
    that does not fit whole trains, and where a wrapped or left-over part touches a held-out one, the gap is kept.

    Parameters
    ----------
    n : int
        Sequences; may be fewer than a block.
    shares : tuple of int
        Train, validation, test, gap.
    rng : Generator
    """
    train, validation, test, gap = shares
    held = [(1, validation), (2, test)]
    block = [0] * train
    for code, size in held:
        block += [-1] * (gap if size else 0) + [code] * size
    block += [-1] * (gap if validation or test else 0)
    kinds = np.zeros(n, dtype=np.int64)
    whole = n // len(block)
    if whole == 0:
        # Too short for a block: hold out one sequence of each kind at one end, as far as one is left to train.
        wanted = [code for code, size in held if size]
        wanted = wanted[: max(0, (n - 1) // (gap + 1))]
        for number, code in enumerate(wanted):
            kinds[n - 1 - number * (gap + 1)] = code
        if rng.random() < 0.5:
            kinds = kinds[::-1].copy()
    else:
        kinds[: whole * len(block)] = np.tile(block, whole)
        kinds = np.roll(kinds, int(rng.integers(n)) if n else 0)
    for code, _ in held:  # the seam and the left-overs keep their distance too
        near = np.zeros(n, dtype=bool)
        for at in np.flatnonzero(kinds == code):
            near[max(at - gap, 0) : at + gap + 1] = True
        kinds[near & (kinds == 0)] = -1
    return kinds


def split_store(
    store: SequenceStore, shares: tuple[int, int, int, int], train_frac: float, seed: int
) -> dict[str, npt.NDArray[np.int64]]:
    """Split all sequences, so that training and validation show as many classes as any of several draws.

    Returns
    -------
    dict of str to ndarray
        Rows of ``train``, ``validation``, ``test`` and ``gap``.
    """
    classes = [np.unique(labels[labels >= 0]) for labels in (store.labels_of(row) for row in range(len(store)))]
    best: npt.NDArray[np.int64] | None = None
    best_score = -1.0
    for draw in range(SPLIT_DRAWS if shares[1] else 1):
        rng = np.random.default_rng([seed, draw])
        kinds = np.concatenate(
            [split_sequences(int((store.owners == k).sum()), shares, rng) for k in range(len(store.recordings))]
        )
        shown = [{int(c) for row in np.flatnonzero(kinds == kind) for c in classes[row]} for kind in (0, 1)]
        # A class that only validation shows could not be learnt, so training counts first.
        score = 1000.0 * len(shown[0]) + len(shown[1])
        if score > best_score:
            best, best_score = kinds, score
    assert best is not None
    rows = {
        name: np.flatnonzero(best == kind) for name, kind in (("train", 0), ("validation", 1), ("test", 2), ("gap", -1))
    }
    rows["train"] = _fraction(store, rows["train"], train_frac, np.random.default_rng([seed, SPLIT_DRAWS]))
    return rows


def _fraction(
    store: SequenceStore, rows: npt.NDArray[np.int64], train_frac: float, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    if train_frac == 1:
        return rows
    kept = []
    for number in range(len(store.recordings)):
        own = rows[store.owners[rows] == number]
        wanted = int(train_frac) if train_frac > 1 else max(1, round(train_frac * len(own)))
        kept.append(np.sort(rng.permutation(own)[:wanted]))
    return np.concatenate(kept)


class Batches:
    """Batches of some sequences, in a new order each epoch or always in theirs.

    Parameters
    ----------
    store : SequenceStore
    rows : ndarray of int
    size : int
        Sequences of a batch.
    seed : int or None
        None keeps the order.
    """

    def __init__(self, store: SequenceStore, rows: npt.NDArray[np.int64], size: int, seed: int | None = None) -> None:
        self.store, self.rows, self.size, self.seed, self.epoch = store, rows, size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch's order comes next."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-len(self.rows) // self.size)

    def __iter__(self) -> Iterator[Batch]:
        rows = self.rows
        if self.seed is not None:
            rows = np.random.default_rng(derive(self.seed, self.epoch, ORDER)).permutation(rows)
        for start in range(0, len(rows), self.size):
            yield self.store.batch(rows[start : start + self.size])
