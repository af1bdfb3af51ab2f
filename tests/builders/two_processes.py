"""Train a tiny model as one process or as one of two; run as a program by `test_distributed.py`."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from workflow_scripts.training.loop import LoopOptions, fit


class Data(LightningDataModule):
    def train_dataloader(self):
        x = torch.linspace(-1, 1, 44)[:, None]
        return DataLoader(TensorDataset(x, x**2), batch_size=8, shuffle=True)  # the last batch has four rows

    def val_dataloader(self):
        x = torch.linspace(-1, 1, 11)[:, None]
        return DataLoader(TensorDataset(x, x**2), batch_size=4)


class Net(LightningModule):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.net = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))

    def training_step(self, batch, batch_idx):
        loss = nn.functional.mse_loss(self.net(batch[0]), batch[1])
        self.log("train_loss", loss, on_epoch=True, on_step=False, batch_size=len(batch[0]))
        self.log("train_rows", float(len(batch[0])), on_epoch=True, on_step=False, reduce_fx="max", batch_size=1)
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", nn.functional.mse_loss(self.net(batch[0]), batch[1]), batch_size=len(batch[0]))

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=0.03)


if __name__ == "__main__":
    folder, devices, nodes = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    options = LoopOptions(max_epochs=4, accelerator="cpu", devices=devices, num_nodes=nodes)
    fit(Net(), Data(), folder=folder, options=options, seed=5, digest="d")
