"""Linear warm-up, then half a cosine."""

from __future__ import annotations

import math
from typing import Any

import torch


def warm_cosine(optimizer: torch.optim.Optimizer, trainer: Any, warmup_epochs: float, span: float) -> dict[str, Any]:
    """Return optimizer and schedule for Lightning.

    Parameters
    ----------
    optimizer : Optimizer
        With its peak rates.
    trainer : Trainer
    warmup_epochs : float
    span : float
        How many times the last rate is smaller than the peak.
    """
    total = int(trainer.estimated_stepping_batches)
    warm = min(total, max(1, round(warmup_epochs * total / (trainer.max_epochs or 1))))
    floor = 1 / span

    def factor(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        place = min(1.0, (step - warm) / max(1, total - warm))
        return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * place))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
