"""Counter-based randomness: every epoch's random numbers hang on (seed, epoch) alone, so a resumed run repeats them."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

COMPUTE, ORDER, WORKERS, VALIDATION = range(4)
"""Streams of random numbers that must not share a state."""


def derive(seed: int, epoch: int, stream: int) -> int:
    """Mix seed, epoch and stream into one 63-bit seed."""
    return int(np.random.SeedSequence([seed, epoch, stream]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def seed_all(seed: int, epoch: int = 0, stream: int = COMPUTE) -> None:
    """Seed torch (all devices), numpy's and Python's global generators."""
    value = derive(seed, epoch, stream)
    torch.manual_seed(value)
    np.random.seed(value % 2**32)
    random.seed(value)


def set_loader_epoch(loader: Any, seed: int, epoch: int) -> None:
    """Fix what a loader will draw in `epoch`.

    A `DataLoader` that shuffles gets generators of its own; samplers and datasets with ``set_epoch`` get the epoch.

    Parameters
    ----------
    loader : object
        A `DataLoader`, or any iterable of batches with ``set_epoch(epoch)``.
    seed, epoch : int
    """
    parts = [loader]
    if isinstance(loader, DataLoader):
        if loader.num_workers and loader.persistent_workers:
            raise ValueError("persistent workers cannot be known the epoch; use persistent_workers=False")
        loader.generator = torch.Generator().manual_seed(derive(seed, epoch, WORKERS))
        samplers: list[Any] = [loader.sampler, loader.batch_sampler, getattr(loader.batch_sampler, "sampler", None)]
        for sampler in samplers:
            # Not the loader's own generator: worker seeds are drawn from that when the iterator is made, which
            # happens at another moment in a resumed run.
            if hasattr(sampler, "generator"):
                sampler.generator = torch.Generator().manual_seed(derive(seed, epoch, ORDER))
        parts += [*samplers, loader.dataset]
    for part in parts:
        if hasattr(part, "set_epoch"):
            part.set_epoch(epoch)
