"""Counter-based randomness: every epoch's random numbers hang on (seed, epoch) alone, so a resumed run repeats them."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from torch.utils.data import DataLoader

from workflow_scripts.training.distributed import share

COMPUTE, ORDER, WORKERS, VALIDATION = range(4)
"""Streams of random numbers that must not share a state."""


def derive(seed: int, epoch: int, stream: int) -> int:
    """Mix seed, epoch and stream into one 63-bit seed."""
    return int(np.random.SeedSequence([seed, epoch, stream]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def seed_all(seed: int, epoch: int = 0, stream: int = COMPUTE) -> None:
    """Seed torch (all devices), numpy's and Python's global generators."""
    value = derive(seed, epoch, stream)
    torch.manual_seed(value)
    np.random.seed(value % 2**32)
    random.seed(value)


def set_loader_epoch(loader: Any, seed: int, epoch: int) -> None:
    """Fix what a loader will draw in `epoch`.

    A `DataLoader` that shuffles gets generators of its own; samplers and datasets with ``set_epoch`` get the epoch.

    Parameters
    ----------
    loader : object
        A `DataLoader`, or any iterable of batches with ``set_epoch(epoch)``.
    seed, epoch : int
    """
    parts = [loader]
    if isinstance(loader, DataLoader):
        if loader.num_workers and loader.persistent_workers:
            raise ValueError("persistent workers cannot be known the epoch; use persistent_workers=False")
        loader.generator = torch.Generator().manual_seed(derive(seed, epoch, WORKERS))
        samplers: list[Any] = [loader.sampler, loader.batch_sampler, getattr(loader.batch_sampler, "sampler", None)]
        for sampler in samplers:
            # Not the loader's own generator: worker seeds are drawn from that when the iterator is made, which
            # happens at another moment in a resumed run.
            if hasattr(sampler, "generator"):
                sampler.generator = torch.Generator().manual_seed(derive(seed, epoch, ORDER))
        parts += [*samplers, loader.dataset]
    for part in parts:
        if hasattr(part, "set_epoch"):
            part.set_epoch(epoch)


class EpochSeeds(Callback):
    """Seed every epoch, and validation always alike, so that validation draws the same numbers each time."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Seed what the coming epoch draws."""
        set_loader_epoch(trainer.train_dataloader, self.seed, trainer.current_epoch)
        seed_all(self.seed, trainer.current_epoch)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Seed validation."""
        seed_all(self.seed, 0, VALIDATION)


class SeededData(LightningDataModule):
    """Wrap a data module so that the first epoch's loader is seeded before Lightning makes its iterator.

    Parameters
    ----------
    inner : LightningDataModule
    seed : int
    first_epoch : int
        Epoch the run starts (or resumes) with.
    """

    def __init__(self, inner: LightningDataModule, seed: int, first_epoch: int) -> None:
        super().__init__()
        self.inner = inner
        self._seed = seed
        self._first_epoch = first_epoch

    def prepare_data(self) -> None:
        """Pass on."""
        self.inner.prepare_data()

    def setup(self, stage: str) -> None:
        """Pass on."""
        self.inner.trainer = self.trainer
        self.inner.setup(stage)

    def train_dataloader(self) -> Any:
        """Return the inner loader, seeded for the first epoch."""
        loader = self.inner.train_dataloader()
        set_loader_epoch(loader, self._seed, self._first_epoch)
        seed_all(self._seed, self._first_epoch)
        return loader

    def val_dataloader(self) -> Any:
        """Return the inner loader, or none where the data module validates on nothing."""
        if type(self.inner).val_dataloader is LightningDataModule.val_dataloader:
            return []
        loader = self.inner.val_dataloader()
        return [] if loader is None else loader

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Pass on; of a training batch, each of several processes gets its share."""
        trainer = self.trainer
        if trainer is not None and trainer.world_size > 1 and trainer.training:
            own = getattr(self.inner, "share", share)
            batch = own(batch, trainer.global_rank, trainer.world_size)
        return self.inner.on_before_batch_transfer(batch, dataloader_idx)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Pass on."""
        return self.inner.transfer_batch_to_device(batch, device, dataloader_idx)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Pass on."""
        return self.inner.on_after_batch_transfer(batch, dataloader_idx)

    def teardown(self, stage: str) -> None:
        """Pass on."""
        self.inner.teardown(stage)
