"""Which images train, which validate, and the batches of both."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.formats.images import ImageSet
from workflow_scripts.methods.rat_direction.augment import augment
from workflow_scripts.methods.rat_direction.config import Config
from workflow_scripts.training.model import TrainingData


class Batches:
    """Batches of images held in memory, in an order that hangs on (seed, epoch) alone.

    Parameters
    ----------
    images : ImageSet
    batch : int
    draws : int
        Times each image is seen in an epoch.
    seed : int or None
        Of the order; None = file order.
    """

    def __init__(self, images: ImageSet, batch: int, *, draws: int = 1, seed: int | None = None) -> None:
        self.images = torch.from_numpy(np.ascontiguousarray(images.images))
        self.points = torch.from_numpy(np.ascontiguousarray(images.points))
        self.batch, self.draws, self.seed = batch, draws, seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order (called by the training loop)."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-len(self.images) * self.draws // self.batch)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        n = len(self.images)
        if self.seed is None:
            order = np.arange(n)
        else:
            rng = np.random.default_rng([self.seed, self.epoch])
            order = np.concatenate([rng.permutation(n) for _ in range(self.draws)])
        for start in range(0, len(order), self.batch):
            rows = torch.from_numpy(order[start : start + self.batch])
            yield self.images[rows], self.points[rows]


def divide(images: ImageSet, config: Config, copies: ImageSet | None = None) -> tuple[ImageSet, ImageSet]:
    """Divide training images into those that train and those that validate, as `config.holdout` says.

    Parameters
    ----------
    images : ImageSet
        Single frames.
    config : Config
    copies : ImageSet, optional
        Their stored copies, where they were made before.

    Returns
    -------
    train, validation : ImageSet
        The 64 copies where `config.augment` is ``stored``, else the frames.

    Raises
    ------
    EthoMakeError
        When one animal or too few frames leave nothing to hold out.
    """
    rng = np.random.default_rng([config.seed, 1])
    stored = config.augment == "stored"
    whole = images
    if stored:
        whole = augment(images, config.copies, config.seed) if copies is None else copies
    if config.holdout == "copy":
        # The published order: copies first, then a draw with replacement, then the cut. Copies of one frame, and even
        # one copy twice, end up on both sides.
        n = len(whole)
        order = rng.integers(0, n, n) if config.bootstrap else rng.permutation(n)
        cut = round(config.validation_fraction * n)
        return whole.take(order[cut:]), whole.take(order[:cut])
    if config.holdout == "animal":
        animals = np.unique(images.animal)
        if len(animals) < 2:
            raise EthoMakeError(f"All training images are of {str(animals[0])!r}; hold out frames instead of animals.")
        held = whole.animal == rng.choice(animals)
    else:
        frames = np.unique(images.source_frame)
        count = max(1, round(config.validation_fraction * len(frames)))
        if count >= len(frames):
            raise EthoMakeError(f"{len(frames)} source frames are too few to hold some out; label more.")
        held = np.isin(whole.source_frame, rng.choice(frames, count, replace=False))
    train = np.flatnonzero(~held)
    if config.bootstrap:
        train = rng.choice(train, len(train))
    return whole.take(train), whole.take(np.flatnonzero(held))


class DirectionData(TrainingData):
    """Batches of (images uint8 (n, size, size), points float32 (n, 3, 2)).

    Parameters
    ----------
    train, validation : ImageSet
    config : Config
    """

    def __init__(self, train: ImageSet, validation: ImageSet, config: Config) -> None:
        self.train, self.validation, self.config = train, validation, config

    def train_dataloader(self) -> Batches:
        """Return the training batches; what is drawn on the fly is drawn in the training step, on the device."""
        draws = 1 if self.config.augment in ("stored", "given") else self.config.draws
        return Batches(self.train, self.config.batch, draws=draws, seed=self.config.seed)

    def val_dataloader(self) -> Batches:
        """Return the validation batches, not augmented but where the copies are stored."""
        return Batches(
            self.validation, max(self.config.batch, 256) if self.config.mode == "sound" else self.config.batch
        )
