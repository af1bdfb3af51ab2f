"""From the latents of single animals to one embedding of their group."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

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
