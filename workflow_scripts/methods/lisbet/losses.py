"""Losses, and metrics that add up on the device without waiting for it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's name

from workflow_scripts.methods.lisbet.labels import Head


def info_nce(vectors: Tensor, temperature: float) -> Tensor:
    """Symmetric InfoNCE over all 2n views (van den Oord et al. 2018; Chen et al. 2020, NT-Xent).

    Parameters
    ----------
    vectors : Tensor, shape (2n, dim)
        Unit vectors; row i and row n + i are two views of one window.
    temperature : float
    """
    n = len(vectors) // 2
    similarity = (vectors @ vectors.T) / temperature
    similarity = similarity.masked_fill(torch.eye(2 * n, dtype=torch.bool, device=vectors.device), float("-inf"))
    partner = torch.arange(2 * n, device=vectors.device).roll(n)
    return F.cross_entropy(similarity, partner)


def alignment(vectors: Tensor) -> Tensor:
    """Mean squared distance of the two views of a window (Wang and Isola 2020)."""
    n = len(vectors) // 2
    return (vectors[:n] - vectors[n:]).square().sum(dim=1).mean()


def uniformity(vectors: Tensor) -> Tensor:
    """Logarithm of the mean Gaussian potential, exp(−2 d²), over pairs of first views (Wang and Isola 2020)."""
    first = vectors[: len(vectors) // 2]
    return torch.pdist(first).square().mul(-2).exp().mean().log()


def head_loss(head: Head, logits: Tensor, label: Tensor, weight: Tensor | None, temperature: float) -> Tensor:
    """Loss of one head, a mean over its windows.

    Parameters
    ----------
    head : Head
    logits : Tensor, shape (windows, outputs)
        Unit vectors for ``geom``.
    label : Tensor
    weight : Tensor or None
        Class weights of a supervised head. ``multilabel`` weighs both terms with them, as the original does.
    temperature : float
        Of ``geom``.
    """
    if head.kind == "geom":
        return info_nce(logits, temperature)
    if head.kind == "binary":
        return F.binary_cross_entropy_with_logits(logits[:, 0], label)
    if head.kind == "multiclass":
        return F.cross_entropy(logits, label, weight=weight)
    return F.binary_cross_entropy_with_logits(logits, label.float(), weight=weight)


class Tally(nn.Module):
    """Adds up a head's loss and counts on the device; read once per epoch.

    Parameters
    ----------
    head : Head
    """

    loss: Tensor
    windows: Tensor
    counts: Tensor

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.head = head
        shape = {"binary": (2,), "geom": (3,)}.get(head.kind, (head.outputs, 3))
        # Not persistent: sums of an unfinished epoch are no weights.
        for name, size in (("loss", ()), ("windows", ()), ("counts", shape)):
            self.register_buffer(name, torch.zeros(size, dtype=torch.float64), persistent=False)

    @torch.no_grad()
    def add(self, loss: Tensor, logits: Tensor, label: Tensor) -> None:
        """Add one batch."""
        n = len(label)
        self.loss += loss.detach() * n
        self.windows += n
        logits = logits.detach().float()
        kind = self.head.kind
        if kind == "binary":
            self.counts[0] += ((logits[:, 0] > 0) == (label > 0.5)).sum()
            self.counts[1] += n
        elif kind == "geom":
            self.counts += torch.stack([alignment(logits) * n, uniformity(logits) * n, logits.new_tensor(n)])
        else:
            truth = F.one_hot(label, self.head.outputs).bool() if kind == "multiclass" else label > 0.5
            said = F.one_hot(logits.argmax(1), self.head.outputs).bool() if kind == "multiclass" else logits > 0
            self.counts += torch.stack([(truth & said).sum(0), truth.sum(0), said.sum(0)], dim=1)

    def read(self) -> dict[str, Tensor]:
        """Return the epoch's means by name, NaN where nothing was added, and start again."""
        n = self.windows
        found = {"loss": (self.loss / n).float()}
        if self.head.kind == "binary":
            found["accuracy_score"] = (self.counts[0] / self.counts[1]).float()
        elif self.head.kind == "geom":
            found["alignment"], found["uniformity"] = (self.counts[:2] / self.counts[2]).float().unbind()
        else:
            hits, truth, said = self.counts.unbind(1)
            scores = (2 * hits / (truth + said).clamp_min(1)).mean()
            found["macro_f1_score"] = torch.where(n > 0, scores, torch.nan).float()
        for buffer in (self.loss, self.windows, self.counts):
            buffer.zero_()
        return found


def lr_reference(epoch: int, warm_up: int = 5, period: int = 10) -> float:
    """Learning rate of an epoch as a share of the peak: linear warm-up from 1 %, then ever longer cosine restarts.

    Parameters
    ----------
    epoch : int
    warm_up : int
        Epochs of warm-up.
    period : int
        Epochs of the first cosine; each further one is twice as long.
    """
    if epoch < warm_up:
        return 0.01 + 0.99 * epoch / warm_up
    place = epoch - warm_up
    while place >= period:
        place, period = place - period, period * 2
    return 0.5 * (1 + math.cos(math.pi * place / period))


def lr_one_cycle(step: int, total: int, warm_up: float = 0.1) -> float:
    """Learning rate of a step as a share of the peak: linear rise over the first tenth, then a cosine down to 0."""
    rise = max(1, round(warm_up * total))
    if step < rise:
        return (step + 1) / (rise + 1)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rise) / max(1, total - rise))))
