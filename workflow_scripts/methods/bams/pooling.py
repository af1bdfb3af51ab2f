"""From the latents of single animals to one embedding of their group."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Pooling: TypeAlias = Literal["mean_range", "concat"]


def pool(latents: npt.NDArray[np.float32], present: npt.NDArray[np.bool_], how: Pooling) -> npt.NDArray[np.float32]:
    """Bring the latents of a group together.

    Parameters
    ----------
    latents : ndarray, shape (individual, time, dim)
    present : ndarray of bool, shape (individual,)
        Only these count (all, should none be).
    how : {"mean_range", "concat"}
        ``mean_range``: mean, then largest minus smallest; blind to who is who. ``concat``: side by side.

    Returns
    -------
    ndarray, float32, shape (time, 2 dim or individual · dim)
    """
    if how == "concat":
        return np.ascontiguousarray(np.concatenate(list(latents), axis=-1), dtype=np.float32)
    chosen = latents[present] if present.any() else latents
    return np.concatenate([chosen.mean(0), chosen.max(0) - chosen.min(0)], axis=-1).astype(np.float32)


def pool_groups(values: Tensor, group: Tensor, animals: int, how: Pooling) -> Tensor:
    """Bring values of animals together as :func:`pool` does, for several groups at once and with gradients.

    Parameters
    ----------
    values : Tensor, shape (sequence, time, dim)
    group : Tensor of int64, shape (sequence,)
        Ascending from 0.
    animals : int
        Largest size of a group.
    how : {"mean_range", "concat"}
        For ``concat`` a group that lacks animals, whose places stay 0, has them last.

    Returns
    -------
    Tensor, shape (group, time, 2 dim or individual · dim)
    """
    sizes = group.bincount()
    place = torch.arange(len(group), device=group.device) - (sizes.cumsum(0) - sizes)[group]
    laid = values.new_zeros(len(sizes), animals, *values.shape[1:]).index_put((group, place), values)
    if how == "concat":
        return laid.transpose(1, 2).flatten(2)
    there = (torch.arange(animals, device=group.device) < sizes[:, None])[:, :, None, None]
    high = laid.masked_fill(~there, -torch.inf).amax(1)
    low = laid.masked_fill(~there, torch.inf).amin(1)
    return torch.cat([laid.sum(1) / sizes[:, None, None], high - low], dim=-1)
