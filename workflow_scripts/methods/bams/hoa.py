"""Histograms of future actions: targets from bins by prefix sums, and the distance of two histograms."""

from __future__ import annotations

import torch
from torch import Tensor

from workflow_scripts.training.distributed import over_processes


def future_cdf(bins: Tensor, valid: Tensor, frames: Tensor, window: int, n_bins: int) -> tuple[Tensor, Tensor]:
    """Cumulative histograms of the bins in the frames t+1 … t+window, as the paper defines them.

    Parameters
    ----------
    bins : Tensor of uint8, shape (sequence, time, target)
    valid : Tensor of bool, shape (sequence, time)
        Frames that count.
    frames : Tensor of int64, shape (frame,)
        The t of which histograms are wanted.
    window, n_bins : int

    Returns
    -------
    cdf : Tensor, float32, shape (sequence, frame, target, bin)
        Share of the valid future frames up to each bin; zero where none is.
    weight : Tensor, float32, shape (sequence, frame)
        Valid future frames as a share of the window.
    """
    time = bins.shape[1]
    counter = torch.int16 if time < 2**15 else torch.int32
    below = bins.unsqueeze(-1) <= torch.arange(n_bins, device=bins.device, dtype=torch.uint8)
    below &= valid[:, :, None, None]
    total = below.cumsum(1, dtype=counter)
    known = valid.cumsum(1, dtype=counter)
    last = (frames + window).clamp(max=time - 1)
    counts = (total[:, last] - total[:, frames]).float()
    seen = (known[:, last] - known[:, frames]).float()
    return counts / seen.clamp(min=1)[:, :, None, None], seen / window


def released_target(bins: Tensor, valid: Tensor, window: int, n_bins: int, warm_up: int) -> tuple[Tensor, Tensor]:
    """Targets and weights as the published code computes them, for all frames.

    Its histogram holds the bin of the current frame alone, with a mass that falls from 1 to 0 over the last frames;
    its weight is one minus the share of valid future frames, and is laid over the losses of other frames, since the
    weights of a sequence are repeated whole for every target while the losses run target by target within a frame.

    Parameters
    ----------
    bins : Tensor of uint8, shape (sequence, time, target)
    valid : Tensor of bool, shape (sequence, time)
    window, n_bins, warm_up : int

    Returns
    -------
    cdf : Tensor, float32, shape (sequence, time, target, bin)
    weight : Tensor, float32, shape (sequence, time, target)
    """
    sequences, time, targets = bins.shape
    t = torch.arange(time, device=bins.device)
    mass = ((time - 1 - t).clamp(max=window) / window).float()
    below = bins.unsqueeze(-1) <= torch.arange(n_bins, device=bins.device, dtype=torch.uint8)
    known = valid.cumsum(1)
    last = (t + window).clamp(max=time - 1)
    weight = 1 - (known[:, last] - known[:, t]).float() / window
    weight[:, :warm_up] = 0
    weight = weight.repeat(1, targets).reshape(sequences, time, targets)
    return below.float() * mass[None, :, None, None], weight


def emd(cdf: Tensor, logits: Tensor) -> Tensor:
    """Squared distance of cumulative histograms (Mallows), mean over bins.

    Parameters
    ----------
    cdf : Tensor, shape (…, bin)
    logits : Tensor, shape (…, bin)
        Softmax makes a histogram of them.
    """
    return (cdf - logits.softmax(-1).cumsum(-1)).square().mean(-1)


def weighted_mean(loss: Tensor, weight: Tensor) -> Tensor:
    """Mean of `loss` under `weight` of the same shape; 0 where no weight is left."""
    total = over_processes(weight.sum())
    return (loss * weight).sum() / total.clamp(min=1e-8)
