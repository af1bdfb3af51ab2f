"""The state of a model as safetensors, whether it is held in tensors or in NumPy arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from workflow_scripts.core.files import atomic_path
from workflow_scripts.training.buffers import Buffers

Model = Any
"""A `torch.nn.Module`, or :class:`workflow_scripts.training.buffers.Buffers`, which needs no torch."""


def save_weights(path: str | Path, model: Model) -> None:
    """Write a model's state dict as safetensors, whole or not at all."""
    state = model.state_dict()
    with atomic_path(path) as part:
        if isinstance(model, Buffers):
            safetensors.numpy.save_file({name: np.asarray(array, order="C") for name, array in state.items()}, part)
        else:
            from safetensors.torch import save_file

            save_file({name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}, part)


def load_weights(path: Path, model: Model) -> dict[str, Any]:
    """Read a state dict for a model, as its kind of arrays."""
    if isinstance(model, Buffers):
        return dict(safetensors.numpy.load_file(path))
    from safetensors.torch import load_file

    return dict(load_file(path))


def count(model: Model) -> int:
    """Numbers in a model's state."""
    return sum(int(np.prod(tensor.shape)) for tensor in model.state_dict().values())
