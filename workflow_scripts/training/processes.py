"""How Lightning finds the processes of one training, and averages over them."""

from __future__ import annotations

import os

import torch
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch import Trainer

from workflow_scripts.training.options import LoopOptions


def environment(options: LoopOptions) -> ClusterEnvironment:
    """Tell how the processes of one training find each other: started by torchrun, by srun, or by ourselves."""
    if TorchElasticEnvironment.detect():
        return TorchElasticEnvironment()
    # Snakemake owns retries, so Lightning must not requeue a job behind its back.
    if options.devices * options.num_nodes > 1 and int(os.environ.get("SLURM_NTASKS", "1")) > 1:
        return SLURMEnvironment(auto_requeue=False)
    return LightningEnvironment()


def is_first_process(options: LoopOptions) -> bool:
    """Whether this process writes the files, asked before the processes know each other."""
    return options.devices * options.num_nodes == 1 or environment(options).global_rank() == 0


def mean_over_processes(trainer: Trainer, value: float) -> float:
    """Average a metric of this process's share over all processes."""
    if trainer.world_size == 1:
        return value
    tensor = torch.tensor(value, dtype=torch.float64, device=trainer.strategy.root_device)
    return float(trainer.strategy.reduce(tensor, reduce_op="mean"))
