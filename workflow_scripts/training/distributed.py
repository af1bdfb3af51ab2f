"""Training on several devices or nodes: every process makes the same batch and keeps its share of it.

Each process draws the whole batch from the same random numbers and computes on its rows alone; DDP averages the
gradients. So the same batches make the same steps, however many processes share them, and a data module needs no
sampler of its own for it. Validation is done whole by every process, so all see the same metric and choose the same
best epoch.
"""

from __future__ import annotations

import os
from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch import Trainer

from workflow_scripts.errors import EthoMakeError
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


def _rows(value: Any) -> set[int]:
    """Leading sizes of all tensors in a batch."""
    if isinstance(value, torch.Tensor):
        return {len(value)} if value.ndim else {-1}
    if isinstance(value, dict):
        return set().union(*(_rows(item) for item in value.values()))
    if isinstance(value, list | tuple):
        return set().union(*(_rows(item) for item in value))
    if is_dataclass(value):
        return set().union(*(_rows(getattr(value, field.name)) for field in fields(value)))
    return set() if value is None or isinstance(value, str | bool | int | float) else {-1}


def _take(value: Any, rank: int, world: int) -> Any:
    if isinstance(value, torch.Tensor):
        return value[rank::world]
    if isinstance(value, dict):
        return {key: _take(item, rank, world) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_take(item, rank, world) for item in value))
    if isinstance(value, list | tuple):
        return type(value)(_take(item, rank, world) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: _take(getattr(value, field.name), rank, world) for field in fields(value)})
    return value


def share(batch: Any, rank: int, world: int) -> Any:
    """Return the rows of a batch that one process computes on.

    Parameters
    ----------
    batch : tensor, or dict, list, tuple or dataclass of such
        All with the same number of rows.
    rank, world : int
        Which of how many processes.

    Returns
    -------
    same type
        Every `world`-th row. The whole batch where it cannot be cut evenly: then all processes compute the same
        gradient, whose mean is that of the batch.

    Raises
    ------
    EthoMakeError
        When the batch's tensors do not have rows in common.
    """
    rows = _rows(batch)
    if len(rows) != 1 or -1 in rows:
        raise EthoMakeError(
            "This method's batches cannot be shared between processes, because their tensors have different numbers of "
            "rows; set training.devices and training.num_nodes to 1."
        )
    return batch if rows.pop() % world else _take(batch, rank, world)


def mean_over_processes(trainer: Trainer, value: float) -> float:
    """Average a metric of this process's share over all processes."""
    if trainer.world_size == 1:
        return value
    tensor = torch.tensor(value, dtype=torch.float64, device=trainer.strategy.root_device)
    return float(trainer.strategy.reduce(tensor, reduce_op="mean"))
