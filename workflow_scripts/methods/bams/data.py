"""The data module: the sequences of single animals in one array, batches drawn by (seed, epoch)."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.formats.tracks import open_tracks
from workflow_scripts.methods.bams.config import Config
from workflow_scripts.methods.bams.features import Layout, compute
from workflow_scripts.methods.bams.statistics import Statistics, fit, quantise
from workflow_scripts.training.model import TrainingData
from workflow_scripts.views.tracks import TrackView

log = logging.getLogger("ethomake.bams")

TRAIN, VALIDATE = range(2)


@dataclass(frozen=True)
class Store:
    """Sequences one after another; 67 inputs of ten million frames take 2.7 GB.

    Attributes
    ----------
    inputs : ndarray, float32, shape (rows, input)
        Normalised.
    bins : ndarray, uint8, shape (rows, target)
    valid : ndarray of bool, shape (rows,)
        Frames that rest on no missing point.
    starts, lengths : ndarray of int, shape (sequence,)
    recordings : ndarray of int, shape (sequence,)
        Number of the recording a sequence is an animal of; ascending.
    """

    inputs: npt.NDArray[np.float32]
    bins: npt.NDArray[np.uint8]
    valid: npt.NDArray[np.bool_]
    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    recordings: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """Crops of sequences, and the frames that the losses look at.

    Attributes
    ----------
    inputs : Tensor, float32, shape (sequence, time, input)
    bins : Tensor, uint8, shape (sequence, time, target)
    valid : Tensor of bool, shape (sequence, time)
        False where a shorter sequence is filled up, too.
    frames : Tensor, int64, shape (frame,)
        Frames of the HoA head, the same in all sequences.
    short, long : Tensor, int64, shape (2, sequence, pair)
        Frames of the latents to predict from and to predict.
    group : Tensor, int64, shape (sequence,)
        Sequences of one number are the animals of one recording over the same frames; ascending from 0.
    """

    inputs: Tensor
    bins: Tensor
    valid: Tensor
    frames: Tensor
    short: Tensor
    long: Tensor
    group: Tensor

    def to(self, device: torch.device) -> Batch:
        """Move all tensors."""
        return Batch(**{name: value.to(device, non_blocking=True) for name, value in vars(self).items()})

    def __len__(self) -> int:
        return len(self.inputs)


class Batches:
    """Iterates over an epoch; the same for the same (seed, epoch).

    Parameters
    ----------
    store : Store
    config : Config
        Settled.
    stream : int
        `TRAIN`, or `VALIDATE`, whose batches are the same in every epoch.
    warm_up : int
        First frames that the histogram loss skips.
    """

    def __init__(self, store: Store, config: Config, stream: int, warm_up: int = 60) -> None:
        self.store, self.config, self.stream, self.warm_up, self.epoch = store, config, stream, warm_up, 0
        longest = int(store.lengths.max())
        self.length = min(config.crop, longest) if config.crop else longest
        # What is drawn: recordings with all their animals where the reconstruction needs them, else single animals.
        numbers = store.recordings if config.reconstruct else np.arange(len(store.lengths))
        _, first, count = np.unique(numbers, return_index=True, return_counts=True)
        self.members = [np.arange(start, start + n) for start, n in zip(first, count, strict=True)]
        # A long sequence gives as many crops as fit, so that an epoch sees about every frame.
        copies = np.maximum(np.ceil(store.lengths[first] / self.length), 1).astype(np.int64)
        self.items = np.repeat(np.arange(len(first)), copies)
        self.size = min(max(1, config.batch_size // int(count.max())), len(self.items))

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose batches are drawn next."""
        self.epoch = epoch if self.stream == TRAIN else 0

    def __len__(self) -> int:
        # Training leaves an incomplete batch out, as the original does.
        return len(self.items) // self.size if self.stream == TRAIN else math.ceil(len(self.items) / self.size)

    def __iter__(self) -> Iterator[Batch]:
        rng = np.random.default_rng([self.config.seed, self.epoch, self.stream])
        order = rng.permutation(self.items) if self.stream == TRAIN else self.items
        for step in range(len(self)):
            yield self._batch(order[step * self.size : (step + 1) * self.size], rng)

    def _batch(self, chosen: npt.NDArray[np.int64], rng: np.random.Generator) -> Batch:
        store, config, length = self.store, self.config, self.length
        members = [self.members[item] for item in chosen]
        group = np.repeat(np.arange(len(members)), [len(one) for one in members])
        first = np.array([one[0] for one in members])
        offsets = rng.integers(0, np.maximum(store.lengths[first] - length, 0) + 1)
        chosen = np.concatenate(members)
        lengths = np.minimum(store.lengths[chosen], length)
        starts = store.starts[chosen] + offsets[group]
        inputs = np.zeros((len(chosen), length, store.inputs.shape[1]), np.float32)
        bins = np.zeros((len(chosen), length, store.bins.shape[1]), np.uint8)
        valid = np.zeros((len(chosen), length), bool)
        for k, (start, n) in enumerate(zip(starts, lengths, strict=True)):
            rows = slice(start, start + n)
            inputs[k, :n], bins[k, :n], valid[k, :n] = store.inputs[rows], store.bins[rows], store.valid[rows]
        # The released weights fall on the losses of other frames, so that every frame counts there.
        skip = 0 if config.hoa_target == "released" else min(self.warm_up, length // 4)
        count = max(1, round((config.hoa_sample or 1) * (length - skip)))
        frames = skip + np.sort(rng.choice(length - skip, count, replace=False))
        size = (len(chosen), int(config.pairs or 1))
        ends = lengths[:, None]
        # Sequences too short for the frames to skip skip a quarter of themselves.
        low = np.minimum(config.short_skip, ends // 4)
        t1 = rng.integers(low, np.maximum(ends - config.short_delta, low + 1), size)
        t2 = np.minimum(t1 + rng.integers(0, config.short_delta + 1, size), ends - 1)
        far = rng.integers(np.minimum(config.long_skip, ends // 4)[None], ends[None], (2, *size))
        arrays = (inputs, bins, valid, frames, np.stack([t1, t2]), far, group)
        return Batch(*(torch.from_numpy(array) for array in arrays))


class BamsData(TrainingData):
    """Training and validation sequences of one split.

    Parameters
    ----------
    view : TrackView
    config : Config

    Attributes
    ----------
    statistics : Statistics
        From the training sequences.
    trained_on : list of str
        The training recordings, and the test ones where the options say `transductive`.
    view : TrackView

    Raises
    ------
    EthoMakeError
        When no animal was ever seen, or recordings are of another kind than the first.
    """

    def __init__(self, view: TrackView, config: Config) -> None:
        self.config = config = config.resolved()
        self.view, self.spec = view, view.spec()
        self.layout = Layout.of(self.spec, config)
        split = view.split
        self.trained_on = [*split.train, *split.test] if config.transductive else list(split.train)
        inputs, targets, store = self._load(view, self.trained_on)
        # The bins' range comes from frames that rest on no missing point (the original's from all of them).
        counted = targets if config.mode == "faithful" else np.where(store.valid[:, None], targets, np.float32(np.nan))
        self.statistics: Statistics = fit(inputs, counted, config)
        warm_up = config.skipped(self.layout.kind)
        short = int((store.lengths <= warm_up).sum())
        if config.hoa_target == "released" and short:
            log.warning(
                "%d of %d sequences have at most the %d frames that the histogram loss skips, which is 0 for them; set "
                "methods.bams.warm_up lower, or use longer recordings",
                short,
                len(store.lengths),
                warm_up,
            )
        self._train = Batches(self._finish(inputs, targets, store), config, TRAIN, warm_up)
        self._validation = None
        if split.validation:
            held = self._finish(*self._load(view, split.validation))
            self._validation = Batches(held, config, VALIDATE, warm_up)
        log.info(
            "%d sequences of one animal, %d frames; %d steps an epoch",
            len(store.starts),
            len(store.valid),
            len(self._train),
        )

    def _load(self, view: TrackView, ids: list[str]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.floating], Store]:
        """Return inputs and targets of all sequences, and a store that lacks them."""
        lengths: list[int] = []
        recordings: list[int] = []
        end = 0
        with open_tracks(view.path) as reader:
            # One allocation that is filled: pieces put together in the end would need the memory twice.
            total = sum(reader.n_frames(identifier) for identifier in ids) * len(self.spec.individuals)
            inputs = np.empty((total, len(self.layout.inputs)), np.float32)
            targets = np.empty((total, len(self.layout.targets)), self.config.target_type)
            valid = np.empty(total, bool)
            for number, identifier in enumerate(ids):
                recording = reader.read(identifier, ())
                self.spec.check(recording)
                found = compute(recording.position, self.layout, self.config)
                for animal in range(len(found.present)):
                    # The original trains on absent animals as well, at full weight.
                    if found.present[animal] or self.config.mode == "faithful":
                        rows = slice(end, end := end + recording.n_frames)
                        inputs[rows], targets[rows] = found.inputs[:, animal], found.targets[:, animal]
                        valid[rows] = ~found.ignore[:, animal]
                        lengths.append(recording.n_frames)
                        recordings.append(number)
        if not lengths:
            raise EthoMakeError("Not one animal of the training recordings was ever seen; check the tracks.")
        starts = np.cumsum([0, *lengths[:-1]])
        empty = np.empty((0, 0), np.float32), np.empty((0, 0), np.uint8)
        store = Store(*empty, valid[:end], starts, np.asarray(lengths, np.int64), np.asarray(recordings, np.int64))
        return inputs[:end], targets[:end], store

    def _finish(self, inputs: npt.NDArray[np.float32], targets: npt.NDArray[np.floating], store: Store) -> Store:
        bins = quantise(targets, self.statistics.edges)
        return replace(store, inputs=self.statistics.normalise(inputs), bins=bins)

    def train_dataloader(self) -> Batches:
        """Return the batches of training."""
        return self._train

    def val_dataloader(self) -> Batches | None:
        """Return the batches of validation, or None where the split validates on nothing."""
        return self._validation

    @staticmethod
    def share(batch: Batch, rank: int, world: int) -> Batch:
        """Return the sequences that one of several processes computes on; animals of a recording stay together."""
        sizes = batch.group.bincount()
        if len(sizes) % world or not bool((sizes == sizes[0]).all()):
            return batch
        mine = batch.group % world == rank
        rows = {name: getattr(batch, name)[mine] for name in ("inputs", "bins", "valid")}
        group = batch.group[mine] // world
        return replace(batch, **rows, short=batch.short[:, mine], long=batch.long[:, mine], group=group)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Move a batch; bins travel as bytes, histograms are made beside the model."""
        return batch.to(device)
