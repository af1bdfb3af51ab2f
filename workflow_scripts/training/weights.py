"""Weights as safetensors, and files of PyTorch read without executing pickles."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from workflow_scripts.core import limits
from workflow_scripts.core.boundary import reading
from workflow_scripts.core.documents import require_plain
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.files import atomic_path


def save_weights(path: str | Path, state: Mapping[str, torch.Tensor]) -> None:
    """Write a state dict as safetensors, whole or not at all.

    Parameters
    ----------
    path : str or Path
    state : mapping of str to Tensor
        Tied weights are written once per name.
    """
    # A clone each: safetensors refuses two names for one memory.
    tensors = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in state.items()}
    with atomic_path(path) as part:
        save_file(tensors, part)


def load_weights(path: str | Path) -> dict[str, torch.Tensor]:
    """Read a state dict from safetensors.

    Raises
    ------
    InputError
        When the file is absent or damaged.
    """
    if not Path(path).exists():
        raise InputError(path, "the file does not exist", "run the training that makes it")
    limits.require_memory(path, "the file", require_plain(path))
    try:
        weights: dict[str, torch.Tensor] = load_file(path)
    except Exception as error:  # safetensors raises types of its own, outside one hierarchy
        raise InputError(path, "is no readable safetensors file", "delete it and run the training again") from error
    return weights


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint of plain tensors and values; code in it is never run.

    Raises
    ------
    InputError
        When the file is damaged or holds more than tensors and plain values.
    """
    checkpoint = load_plain(path, "a checkpoint of plain tensors", "delete it to train from the start")
    if not isinstance(checkpoint, dict) or not all(isinstance(key, str) for key in checkpoint):
        raise InputError(path, "is no checkpoint of plain tensors", "delete it to train from the start")
    return checkpoint


def load_plain(path: str | Path, expected: str, remedy: str) -> Any:
    """Read a file of PyTorch that holds tensors and plain values; whatever is wrong with it is one sentence.

    Parameters
    ----------
    path : str or Path
    expected, remedy : str
        For the sentence.

    Raises
    ------
    InputError
        When the file is absent, damaged, holds more than plain values, or claims more than it can hold.
    """
    size = require_plain(path)
    limits.require_memory(path, "the file", size)
    with reading(path, expected, remedy):
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:  # PyTorch stores members unpacked
                limits.require_memory(path, "the file, unpacked", sum(info.file_size for info in archive.infolist()))
                if sum(info.file_size for info in archive.infolist()) > 2 * size + 2**20:
                    raise InputError(path, "claims more bytes than it has", remedy)
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # the unpickler lets through whatever a pickle makes it stumble over
            problem = " ".join(str(error).split())[:160]
            raise InputError(path, f"is not {expected} ({problem})", remedy) from error
