"""Where a trained model answers, and in batches of what size: the GPU where there is one, smaller where it is full."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import torch

log = logging.getLogger("ethomake.devices")

Result = TypeVar("Result")

_divisor: ContextVar[int] = ContextVar("divisor", default=1)

HALVINGS = 10
"""A batch is halved this often before a full memory ends the job."""


def _torch() -> Any:
    """Return torch where a model has loaded it, else None: for the others nothing is to be set up."""
    return sys.modules.get("torch")


def inference_device() -> torch.device:
    """Return the device on which a trained model answers: the GPU where one is there, else the CPU."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def set_up(seed: int | None = None) -> None:
    """Choose one thread on a CPU (two were several times slower for models of this size), and seed torch."""
    if torch := _torch():
        torch.set_num_threads(1)
        if seed is not None:
            torch.manual_seed(seed)


def answering() -> AbstractContextManager[object]:
    """Return the context in which models answer: without gradients."""
    torch = _torch()
    return nullcontext() if torch is None else torch.inference_mode()


def batch_of(size: int) -> int:
    """Return the batch to use where `size` was configured: less, once the device's memory was full."""
    return max(1, size // _divisor.get())


def sparing(work: Callable[[], Result]) -> Result:
    """Run a piece of work, again with batches of half the size whenever the device's memory is full.

    Parameters
    ----------
    work : callable
        Takes the size of its batches from :func:`batch_of`, and can be run twice.

    Raises
    ------
    torch.cuda.OutOfMemoryError
        When even the smallest batches do not fit.
    """
    torch = _torch()
    if torch is None:
        return work()
    for _ in range(HALVINGS):
        try:
            return work()
        except torch.cuda.OutOfMemoryError:
            _divisor.set(2 * _divisor.get())
            log.warning("the device's memory is full; going on with batches of 1/%d of their size", _divisor.get())
            torch.cuda.empty_cache()
    return work()
