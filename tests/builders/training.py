"""A tiny model with every kind of randomness a method may use, trained in processes that can be killed."""

import os
import random
import signal
from pathlib import Path

import numpy as np
import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import nn
from torch.utils.data import DataLoader, Dataset

from workflow_scripts.training.loop import LoopOptions, fit


class Noisy(Dataset):
    """Draws from torch, numpy and Python while it reads, and receives the epoch."""

    def __init__(self, n=40):
        self.x = torch.linspace(-1, 1, n)[:, None]
        self.epoch = 0

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        noise = 0.1 * torch.randn(1) + 0.1 * float(np.random.normal()) + 0.1 * random.random()
        return self.x[index] + noise + 0.01 * self.epoch, self.x[index] ** 2


class Data(LightningDataModule):
    def __init__(self, workers=0):
        super().__init__()
        self.workers = workers

    def train_dataloader(self):
        # Forked, so that a killed run's worker sees its parent die and ends too; a process of a fork server would stay.
        context = "fork" if self.workers else None
        return DataLoader(
            Noisy(), batch_size=8, shuffle=True, num_workers=self.workers, multiprocessing_context=context
        )

    def val_dataloader(self):
        return DataLoader(Noisy(12), batch_size=5)


class Net(LightningModule):
    def __init__(self, signal_at=None, signal_number=signal.SIGKILL, lr=0.05, hurt_at=None):
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(1, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 1))
        self.signal_at, self.signal_number, self.lr, self.hurt_at = signal_at, signal_number, lr, hurt_at

    def training_step(self, batch, batch_idx):
        if self.global_step == self.signal_at:
            os.kill(os.getpid(), self.signal_number)
        loss = nn.functional.mse_loss(self.net(batch[0]), batch[1])
        if self.global_step == self.hurt_at:
            loss = loss * float("nan")
        self.log("train_loss", loss, on_epoch=True, on_step=True, batch_size=len(batch[0]))
        return loss

    def on_train_epoch_end(self):
        self.log("train_weight", self.net[0].weight.abs().sum())

    def validation_step(self, batch, batch_idx):
        loss = nn.functional.mse_loss(self.net(batch[0]), batch[1])
        self.log("val_loss", loss, batch_size=len(batch[0]))

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.lr)
        schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 4], gamma=0.3)
        return {"optimizer": optimizer, "lr_scheduler": schedule}


def run(folder, *, epochs=5, workers=0, seed=3, digest=None, net=None, **options):
    options = LoopOptions(max_epochs=epochs, accelerator="cpu", **options)
    return fit(net or Net(), Data(workers), folder=Path(folder), options=options, seed=seed, digest=digest)


def run_and_send(folder, name, at, workers=0, every=1, epochs=5):
    """Train until the process sends itself a signal at a step."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a runner in the background hands on that it ignores it
    run(folder, epochs=epochs, workers=workers, net=Net(at, getattr(signal, name)), checkpoint_every=every)
