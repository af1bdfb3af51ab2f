"""Causal temporal convolutions at two time scales, the HoA head and the latent predictors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, pad
from torch.nn.utils.parametrizations import weight_norm

SHORT, LONG = "short_term", "long_term"
BASES = {SHORT: 2, LONG: 4}
"""Dilations grow by this factor from block to block."""


class _Leaky(torch.autograd.Function):
    """A leaky rectifier with one learnt slope.

    PyTorch's own backward pass of PReLU writes the slope's gradient of every value before it adds them up, which on a
    processor is most of the layer's time.
    """

    @staticmethod
    def forward(context: Any, x: Tensor, slope: Tensor) -> Tensor:
        context.save_for_backward(x, slope)
        return leaky_relu(x, slope.item())

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        x, slope = context.saved_tensors
        below = x.clamp_max(0).mul_(gradient).sum(dtype=slope.dtype).reshape(slope.shape)
        return torch.ops.aten.leaky_relu_backward(gradient, x, slope.item(), False), below


class PReLU(nn.PReLU):
    """PyTorch's layer of one slope, with a backward pass that is fast on a processor."""

    def forward(self, x: Tensor) -> Tensor:
        """Map any shape to itself."""
        if x.device.type != "cpu" or not torch.is_grad_enabled():
            return super().forward(x)
        rectified: Tensor = _Leaky.apply(x, self.weight)  # type: ignore[no-untyped-call]
        return rectified


class Dropout(nn.Dropout):
    """PyTorch's layer, with a mask that is drawn fast on a processor."""

    def forward(self, x: Tensor) -> Tensor:
        """Map any shape to itself."""
        if x.device.type != "cpu" or not self.training or not 0 < self.p < 1:
            return super().forward(x)
        # PyTorch draws a value at a time; numpy's generator, begun by one draw of PyTorch's, gives two for each number.
        generator = np.random.SFC64(int(torch.randint(2**62, ())))
        drawn = generator.random_raw(x.numel() // 2 + 1).view(np.int32)[: x.numel()]
        kept = torch.from_numpy(drawn) >= round(self.p * 2**32) - 2**31
        return x * kept.view(x.shape).to(x.dtype).mul_(1 / (1 - self.p))


class Block(nn.Module):
    """Two causal convolutions with a residual; the second one is weight-normalised."""

    def __init__(
        self, n_inputs: int, n_outputs: int, kernel: int, dilation: int, dropout: float, *, linear: bool
    ) -> None:
        super().__init__()
        self.reach = (kernel - 1) * dilation
        self.conv1 = nn.Conv1d(n_inputs, n_outputs, kernel, dilation=dilation)
        self.relu1 = PReLU(init=0.1)
        self.conv2 = weight_norm(nn.Conv1d(n_outputs, n_outputs, kernel, dilation=dilation))
        self.relu2 = PReLU(init=0.1)
        self.dropout = Dropout(dropout)
        self.downsample = nn.Conv1d(n_inputs, n_outputs, 1) if n_inputs != n_outputs else None
        self.relu = PReLU(init=1.0 if linear else 0.1)
        nn.init.normal_(self.conv1.weight, 0, 0.01)
        if linear:
            # The convolutions begin at nothing, so that the block passes on its input, or a rotation of it.
            nn.init.zeros_(self.conv2.parametrizations.weight.original0)
            nn.init.zeros_(self.conv2.bias)
        if self.downsample is not None:
            nn.init.normal_(self.downsample.weight, 0, 0.01)
            if linear:
                nn.init.orthogonal_(self.downsample.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map (sequence, channel, time) to the same time, looking back only."""
        out = self.dropout(self.relu1(self.conv1(pad(x, (self.reach, 0)))))
        out = self.dropout(self.relu2(self.conv2(pad(out, (self.reach, 0)))))
        rest = x if self.downsample is None else self.downsample(x)
        activated: Tensor = self.relu(out + rest)
        return activated


class TemporalConvNet(nn.Module):
    """Blocks whose dilation grows by `base`.

    Parameters
    ----------
    n_inputs : int
    channels : sequence of int
        Width of each block.
    base, kernel : int
    dropout : float
    linear : bool
        Before training the network is a rotation of each frame's inputs; else weights are small, as the original's.
    """

    def __init__(
        self, n_inputs: int, channels: Sequence[int], base: int, kernel: int, dropout: float, *, linear: bool = False
    ) -> None:
        super().__init__()
        widths = [n_inputs, *channels]
        self.network = nn.Sequential(
            *(Block(widths[i], width, kernel, base**i, dropout, linear=linear) for i, width in enumerate(channels))
        )
        self.receptive_field = 1 + 2 * (kernel - 1) * sum(base**i for i in range(len(channels)))

    def forward(self, x: Tensor) -> Tensor:
        """Map (sequence, time, input) to (sequence, time, channel)."""
        mapped: Tensor = self.network(x.transpose(1, 2)).transpose(1, 2)
        return mapped


class Head(nn.Module):
    """Multi-layer perceptron with one-parameter PReLUs."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), PReLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor) -> Tensor:
        """Map (…, input) to (…, output)."""
        mapped: Tensor = self.layers(x)
        return mapped


def predictor(width: int) -> nn.Sequential:
    """Return the predictor of one latent: the only thing between a latent and its target."""
    return nn.Sequential(
        nn.Linear(width, 4 * width, bias=False), nn.BatchNorm1d(4 * width), nn.ReLU(), nn.Linear(4 * width, width)
    )


def original_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the original checkpoint's entries to ours.

    Parameters
    ----------
    state : dict of str to Tensor
        ``encoders.<name>.network.<i>.…``, ``predictor.layers.…``, ``byol_predictors.…``. Each block lists its layers
        a second time under ``net.…``; those are left out.

    Returns
    -------
    dict of str to Tensor
    """
    renamed = {}
    for name, tensor in state.items():
        if ".net." in name:
            continue
        name = name.replace(".conv2.weight_g", ".conv2.parametrizations.weight.original0")
        name = name.replace(".conv2.weight_v", ".conv2.parametrizations.weight.original1")
        renamed[name] = tensor
    return renamed


def cosine_distance(a: Tensor, b: Tensor) -> Tensor:
    """One minus the mean cosine of rows."""
    return 1 - torch.nn.functional.cosine_similarity(a, b, dim=-1).mean()
