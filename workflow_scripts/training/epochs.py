"""Seeding of every epoch of a training, and of its loaders, in Lightning's terms."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer

from workflow_scripts.training.distributed import share
from workflow_scripts.training.model import TrainingData
from workflow_scripts.training.seeds import VALIDATION, seed_all, set_loader_epoch


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
    inner : TrainingData or LightningDataModule
    seed : int
    first_epoch : int
        Epoch the run starts (or resumes) with.
    """

    def __init__(self, inner: TrainingData | LightningDataModule, seed: int, first_epoch: int) -> None:
        super().__init__()
        self.inner = inner
        self._seed = seed
        self._first_epoch = first_epoch

    def prepare_data(self) -> None:
        """Pass on."""
        self._inner_hook("prepare_data")()

    def setup(self, stage: str) -> None:
        """Pass on."""
        self.inner.trainer = self.trainer
        self._inner_hook("setup")(stage)

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
        return self._inner_hook("on_before_batch_transfer")(batch, dataloader_idx)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Pass on."""
        return self._inner_hook("transfer_batch_to_device")(batch, device, dataloader_idx)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Pass on."""
        return self._inner_hook("on_after_batch_transfer")(batch, dataloader_idx)

    def teardown(self, stage: str) -> None:
        """Pass on."""
        self._inner_hook("teardown")(stage)

    def _inner_hook(self, name: str) -> Any:
        """Return the inner data module's hook, or Lightning's own where it has none."""
        return getattr(self.inner, name, None) or getattr(super(), name)
