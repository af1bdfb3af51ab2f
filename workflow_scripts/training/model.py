"""What methods train, without Lightning: a model that only answers loads none of the libraries that train it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule

HOOKS = (
    "setup",
    "configure_optimizers",
    "configure_callbacks",
    "on_fit_start",
    "on_train_epoch_start",
    "on_train_batch_end",
    "on_train_epoch_end",
    "on_validation_epoch_start",
    "on_validation_epoch_end",
    "training_step",
    "validation_step",
)
"""Methods of a model that the training loop calls, under Lightning's names and with its arguments."""


class TrainedModel(nn.Module):
    """A module with the hooks of a LightningModule (`HOOKS`), as far as it defines them.

    While :func:`workflow_scripts.training.loop.fit` runs, `trainer`, `log` and the others below are those of the
    LightningModule that the loop puts around it. Its state dict is its own, before, during and after.
    """

    _fitting: LightningModule

    def fitted_by(self, module: LightningModule | None) -> None:
        """Take, or leave with None, the LightningModule that passes the loop's calls on."""
        # Not registered as a part: it holds this module as a part of its own.
        object.__setattr__(self, "_fitting", module)

    @property
    def trainer(self) -> Any:
        """Lightning's Trainer."""
        return self._fitting.trainer

    @property
    def logger(self) -> Any:
        """Logger of the training, or None."""
        return self._fitting.logger

    @property
    def current_epoch(self) -> int:
        """Epochs before this one."""
        return int(self._fitting.current_epoch)

    @property
    def global_step(self) -> int:
        """Optimiser steps so far."""
        return int(self._fitting.global_step)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.parameters()).device

    def log(self, name: str, value: Any, **how: Any) -> None:
        """Log a metric, see Lightning's ``LightningModule.log``."""
        self._fitting.log(name, value, **how)

    def log_dict(self, values: dict[str, Any], **how: Any) -> None:
        """Log several metrics."""
        self._fitting.log_dict(values, **how)


class TrainingData:
    """What the loop asks of a data module: loaders, and where wanted a batch's way to the device.

    A subclass defines `train_dataloader`, and as far as it needs them `val_dataloader`, `transfer_batch_to_device`,
    `on_after_batch_transfer` (Lightning's arguments) and `share(batch, rank, world)`.
    """

    trainer: Any = None
    """Lightning's Trainer while one runs."""

    def train_dataloader(self) -> Any:
        """Return the batches of training."""
        raise NotImplementedError

    def val_dataloader(self) -> Any:
        """Return the batches of validation; None where there are none."""
        return None
