"""A video vision transformer as MVD fine-tunes it (Wang et al. 2023, arXiv 2212.04500), with weights of its names.

Tubes of 2 frames × `patch` × `patch` pixels become tokens; a fixed 3D sine-cosine table says where they are; pre-norm
blocks follow; their mean, over the whole window or over one moment, is classified. There is no class token.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from workflow_scripts.methods.mvd.sizes import TUBELET

EPS = 1e-6
"""Of every LayerNorm; torch's own default is ten times that."""


def sincos(dim: int, places: Tensor) -> Tensor:
    """Sines, then cosines, of places at `dim / 2` wavelengths; (n, dim)."""
    rates = 10000.0 ** (-torch.arange(dim // 2, dtype=torch.float64) / (dim / 2))
    angles = places.double()[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def position_table_1d(dim: int, tokens: int) -> Tensor:
    """Return VideoMAE's table (tokens, dim): one index over all tokens, sine on even and cosine on odd columns."""
    columns = torch.arange(dim, dtype=torch.float64)
    angles = torch.arange(tokens, dtype=torch.float64)[:, None] / 10000 ** (2 * (columns // 2) / dim)
    return torch.where(columns % 2 == 0, angles.sin(), angles.cos()).float()


def position_table(dim: int, steps: int, rows: int, columns: int) -> Tensor:
    """Return the 3D table (steps · rows · columns, dim): a quarter for time, the rest for x and for y in equal parts.

    Parameters
    ----------
    dim : int
        A multiple of 16.
    steps, rows, columns : int
        Tokens along time, height and width; time is the slowest index, width the fastest.
    """
    if dim % 16:
        raise ValueError(f"the width must be a multiple of 16, not {dim}")
    grid = torch.cartesian_prod(torch.arange(steps), torch.arange(rows), torch.arange(columns)).view(-1, 3)
    t, y, x = grid.unbind(1)
    space = 3 * dim // 8
    return torch.cat([sincos(dim // 4, t), sincos(space, x), sincos(space, y)], dim=1).float()


class DropPath(nn.Module):
    """Leave out a residual branch for whole samples (Huang et al. 2016, stochastic depth)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Zero the branch of some samples and scale that of the others, while training."""
        if not self.training or self.rate == 0:
            return x
        keep = torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) >= self.rate
        return x * keep.to(x.dtype) / (1 - self.rate)


class Attention(nn.Module):
    """Multi-head self-attention; keys have no bias, since it would cancel in the softmax."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(dim))
        self.v_bias = nn.Parameter(torch.zeros(dim))
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens (n, token, dim) to the same shape."""
        n, tokens, dim = x.shape
        bias = torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias])
        qkv = functional.linear(x, self.qkv.weight, bias).view(n, tokens, 3, self.heads, dim // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.proj(mixed.transpose(1, 2).reshape(n, tokens, dim))
        return out


class Mlp(nn.Module):
    """Two layers around an exact GELU."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map the last dimension."""
        out: Tensor = self.fc2(functional.gelu(self.fc1(x)))
        return out


class Block(nn.Module):
    """Attention and MLP, each on normed tokens and added to them."""

    def __init__(self, dim: int, heads: int, drop_path: float = 0.0) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=EPS)
        self.attn = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, eps=EPS)
        self.mlp = Mlp(dim, 4 * dim)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens (n, token, dim) to the same shape."""
        x = x + self.drop_path(self.attn(self.norm1(x)))
        out: Tensor = x + self.drop_path(self.mlp(self.norm2(x)))
        return out


class PatchEmbed(nn.Module):
    """Tubes of pixels to tokens: the weights of a 3D convolution, computed as one product of matrices.

    Kernel and stride are equal, so both give the same; the product was faster, forwards and backwards.
    """

    def __init__(self, channels: int, dim: int, patch: int) -> None:
        super().__init__()
        self.patch = patch
        kernel = (TUBELET, patch, patch)
        self.proj = nn.Conv3d(channels, dim, kernel, stride=kernel)

    def forward(self, video: Tensor) -> Tensor:
        """Map (n, channel, time, height, width) to (n, token, dim), in the order time, y, x."""
        n, c, t, h, w = video.shape
        p = self.patch
        tubes = video.reshape(n, c, t // TUBELET, TUBELET, h // p, p, w // p, p).permute(0, 2, 4, 6, 1, 3, 5, 7)
        flat = tubes.reshape(n, (t // TUBELET) * (h // p) * (w // p), c * TUBELET * p * p)
        return functional.linear(flat, self.proj.weight.flatten(1), self.proj.bias)


class VideoTransformer(nn.Module):
    """The classifier.

    Parameters
    ----------
    dim, depth, heads : int
    classes : int
        Outputs; 0 for an encoder without a head.
    image_size, patch : int
        Pixels; the image is square.
    num_frames : int
        Sampled frames of a window; even.
    channels : int
        3, or 4 with a channel of motion.
    drop_path, head_dropout : float
        The rate of the last block (it grows from 0 with depth), and before the head.
    positions : {"3d", "1d"}
        The table of MVD, or that of VideoMAE.
    head : {"window", "tubelet"}
        One answer a window, or one for every two sampled frames.
    checkpointing : bool
        Compute the blocks again in the backward pass instead of keeping what is in them.
    """

    positions: Tensor

    def __init__(
        self,
        dim: int,
        depth: int,
        heads: int,
        classes: int,
        *,
        image_size: int = 224,
        patch: int = 16,
        num_frames: int = 16,
        channels: int = 3,
        drop_path: float = 0.0,
        head_dropout: float = 0.0,
        positions: Literal["3d", "1d"] = "3d",
        head: Literal["window", "tubelet"] = "window",
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        if image_size % patch or num_frames % TUBELET:
            raise ValueError(f"{num_frames} frames of {image_size} pixels cannot be cut into tubes of {patch} pixels")
        self.dim, self.head_kind, self.checkpointing = dim, head, checkpointing
        self.steps, self.side = num_frames // TUBELET, image_size // patch
        self.patch_embed = PatchEmbed(channels, dim, patch)
        grid = (self.steps, self.side, self.side)
        table = position_table(dim, *grid) if positions == "3d" else position_table_1d(dim, math.prod(grid))
        self.register_buffer("positions", table, persistent=False)
        rates = [drop_path * k / max(depth - 1, 1) for k in range(depth)]
        self.blocks = nn.ModuleList(Block(dim, heads, rate) for rate in rates)
        if classes:
            self.fc_norm = nn.LayerNorm(dim, eps=EPS)
            self.dropout = nn.Dropout(head_dropout)
            self.head = nn.Linear(dim, classes)
        self.apply(_initialise)
        if classes:
            # A head that starts near zero lets the imported layers below it see small gradients first.
            with torch.no_grad():
                self.head.weight.mul_(0.001)

    def spread(self) -> None:
        """Draw first weights by the layers' widths (Glorot & Bengio 2010), for training from nothing.

        What the constructor draws, standard deviation 0.02, suits the width of published checkpoints; in a narrow
        network it leaves the blocks next to silent for long.
        """
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv3d):
                nn.init.xavier_uniform_(module.weight.flatten(1))
        if hasattr(self, "head"):
            nn.init.normal_(self.head.weight, std=0.01)

    def encode(self, video: Tensor, visible: Tensor | None = None) -> Tensor:
        """Return the tokens (n, token, dim) after the last block.

        Parameters
        ----------
        video : Tensor, shape (n, channel, time, height, width)
            Normalised pixels; or tubes that `patch_embed` made of them, shape (n, steps, tokens of a step, dim).
        visible : Tensor of int, shape (n, k), or None
            Which tokens enter; None = all.
        """
        x = video.flatten(1, 2) if video.ndim == 4 else self.patch_embed(video)
        x = x + self.positions.to(x.dtype)
        if visible is not None:
            x = torch.gather(x, 1, visible[..., None].expand(-1, -1, x.shape[2]))
        for block in self.blocks:
            if self.checkpointing and self.training and torch.is_grad_enabled():
                x = checkpoint(block, x, use_reentrant=False)
            else:
                x = block(x)
        tokens: Tensor = x
        return tokens

    def moments(self, video: Tensor) -> Tensor:
        """Return normed features: (n, 1, dim) of the window, or (n, steps, dim) of its moments, as the head sees."""
        tokens = self.encode(video)
        n = len(tokens)
        kept = 1 if self.head_kind == "window" else self.steps
        features: Tensor = self.fc_norm(tokens.view(n, kept, -1, self.dim).mean(dim=2))
        return features

    def forward(self, video: Tensor) -> Tensor:
        """Return logits (n, 1, classes) or (n, steps, classes)."""
        logits: Tensor = self.head(self.dropout(self.moments(video)))
        return logits


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Conv3d):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
