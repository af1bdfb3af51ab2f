"""Training on several devices or nodes: every process makes the same batch and keeps its share of it.

Each process draws the whole batch from the same random numbers and computes on its rows alone; DDP averages the
gradients. So the same batches make the same steps, however many processes share them, and a data module needs no
sampler of its own for it. What a loss divides by must be counted over all shares (`over_processes`), and batch norms
see the whole batch (`share_batch_norms`; on GPUs Lightning does it). Dropout draws again in every process: with it, two
processes make steps of the same kind and not the same steps. Validation is done whole by every process, so all see
the same metric and choose the same best epoch.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from workflow_scripts.core.errors import EthoMakeError


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


def processes() -> int:
    """How many processes train together."""
    together = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_world_size() if together else 1


def over_processes(count: Tensor) -> Tensor:
    """Average a count or a sum of weights over the shares of a batch.

    DDP averages what the processes find. Where shares hold different numbers of frames that count, the mean of their
    means is not the mean of the batch; their sums divided by this are, averaged.

    Parameters
    ----------
    count : Tensor
        Without a gradient.

    Returns
    -------
    Tensor
        `count` itself where one process trains.
    """
    if processes() == 1:
        return count
    total = count.detach().clone()
    torch.distributed.all_reduce(total)
    return total / processes()


class _Sum(torch.autograd.Function):
    """Sum over all processes; gradients are summed likewise, since every process's loss hangs on each part."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        total = value.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        torch.distributed.all_reduce(total)
        return total


def _sum(value: Tensor) -> Tensor:
    total: Tensor = _Sum.apply(value)  # type: ignore[no-untyped-call]
    return total


class _WholeBatch(nn.modules.batchnorm._BatchNorm):
    """A batch norm that sees all shares of a batch; `SyncBatchNorm` does it on GPUs alone."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise by mean and variance over all processes."""
        if not self.training or processes() == 1:
            return super().forward(x)
        axes = [axis for axis in range(x.ndim) if axis != 1]
        shape = [1, -1] + [1] * (x.ndim - 2)
        rows = _sum(x.new_tensor(x.numel() / x.shape[1]))
        mean = _sum(x.sum(axes)) / rows
        centred = x - mean.view(shape)
        variance = _sum((centred**2).sum(axes)) / rows
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            self.num_batches_tracked += 1
            weight = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean.detach(), weight)
            self.running_var.lerp_((variance * rows / (rows - 1)).detach(), weight)
        out: Tensor = centred / (variance + self.eps).sqrt().view(shape)
        return out * self.weight.view(shape) + self.bias.view(shape) if self.affine else out


class _WholeBatch1d(_WholeBatch, nn.BatchNorm1d):
    pass


class _WholeBatch2d(_WholeBatch, nn.BatchNorm2d):
    pass


def share_batch_norms(module: nn.Module) -> None:
    """Let the batch norms of a model see the whole batch though processes on CPUs share it; weights stay theirs."""
    for part in module.modules():
        if type(part) is nn.BatchNorm1d:
            part.__class__ = _WholeBatch1d
        elif type(part) is nn.BatchNorm2d:
            part.__class__ = _WholeBatch2d
