"""Losses as sums over the frames that count, and how many those are: a batch without a label gives 0, never NaN."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from workflow_scripts.methods.daart.network import Output

Sums = dict[str, tuple[Tensor, Tensor]]
"""Term → weighted sum of the loss, sum of the weights."""


class Batch(NamedTuple):
    """Some sequences; time runs over the frames with their padding.

    Attributes
    ----------
    x : Tensor, float32, shape (batch, time, inputs)
    strong, weak : Tensor, int64, shape (batch, time)
        Class, or -1 where there is no label, in the padding too.
    targets : Tensor, float32, shape (batch, time, n)
        NaN where unknown; n may be 0.
    valid : Tensor of bool, shape (batch, time)
        Frames of the recording that belong to the sequence itself.
    """

    x: Tensor
    strong: Tensor
    weak: Tensor
    targets: Tensor
    valid: Tensor


def classification(logits: Tensor, labels: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Sum cross-entropy over the frames with a label; (…, classes) and (…)."""
    flat, wanted = logits.flatten(0, -2), labels.flatten()
    total = cross_entropy(flat, wanted, weight=weights, ignore_index=-1, reduction="sum")
    count = torch.where(wanted >= 0, weights[wanted.clamp(min=0)], 0.0).sum()
    return total, count


def squared_error(found: Tensor, wanted: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Sum squared errors where `counts` (…) is true and `wanted` (…, n) is no NaN."""
    known = counts[..., None] & ~torch.isnan(wanted)
    error = torch.where(known, found - torch.nan_to_num(wanted), 0.0)
    return (error**2).sum(), known.sum()


def loss_sums(output: Output, batch: Batch, weights: Tensor) -> Sums:
    """Every term that the network has a head for.

    Parameters
    ----------
    output : Output
    batch : Batch
    weights : Tensor, shape (classes,)
        Weight of each class.
    """
    sums: Sums = {}
    if output.strong is not None:
        sums["strong"] = classification(output.strong, batch.strong, weights)
    if output.weak is not None:
        unscored = torch.where(batch.strong < 0, batch.weak, -1)
        sums["weak"] = classification(output.weak, unscored, weights)
    if output.prediction is not None:
        both = batch.valid[:, :-1] & batch.valid[:, 1:]
        sums["pred"] = squared_error(output.prediction[:, :-1], batch.x[:, 1:], both)
    if output.task is not None:
        sums["task"] = squared_error(output.task, batch.targets, batch.valid)
    if output.mean is not None and output.log_variance is not None:
        mean, log_variance = output.mean, output.log_variance
        divergence = 0.5 * (log_variance.exp() + mean**2 - 1 - log_variance).sum(dim=-1)
        sums["kl"] = (divergence * batch.valid).sum(), batch.valid.sum()
    return sums
