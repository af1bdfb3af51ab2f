"""Histograms of actions: targets from bins by prefix sums, and the distance of two histograms."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from workflow_scripts.training.distributed import over_processes


def window_cdf(
    bins: Tensor, valid: Tensor, frames: Tensor, windows: Sequence[int], n_bins: int
) -> tuple[Tensor, Tensor]:
    """Cumulative histograms of the bins in windows of frames after, or up to, each frame.

    Parameters
    ----------
    bins : Tensor of uint8, shape (sequence, time, target)
    valid : Tensor of bool, shape (sequence, time)
        Frames that count.
    frames : Tensor of int64, shape (frame,)
        The t of which histograms are wanted.
    windows : sequence of int
        W > 0: the frames t+1 … t+W, as the paper defines them. W < 0: the frames t+1+W … t, so that -1 is frame t
        alone.
    n_bins : int

    Returns
    -------
    cdf : Tensor, float32, shape (sequence, frame, window · target, bin)
        Share of a window's valid frames up to each bin; zero where none is. The targets of the first window come first.
    weight : Tensor, float32, shape (sequence, frame, window · target)
        Valid frames as a share of the window.
    """
    time, targets = bins.shape[1:]
    counter = torch.int16 if time < 2**15 else torch.int32
    below = bins.unsqueeze(-1) <= torch.arange(n_bins, device=bins.device, dtype=torch.uint8)
    below &= valid[:, :, None, None]
    # Sums over the frames before frame k stand at k.
    total = pad(below.cumsum(1, dtype=counter), (0, 0, 0, 0, 1, 0))
    known = pad(valid.cumsum(1, dtype=counter), (1, 0))
    cdfs, weights = [], []
    for window in windows:
        start, stop = ((frames + 1 + side).clamp(0, time) for side in (min(window, 0), max(window, 0)))
        seen = (known[:, stop] - known[:, start]).float()
        cdfs.append((total[:, stop] - total[:, start]).float() / seen.clamp(min=1)[:, :, None, None])
        weights.append((seen / abs(window))[:, :, None].expand(-1, -1, targets))
    return torch.cat(cdfs, dim=2), torch.cat(weights, dim=2)


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
