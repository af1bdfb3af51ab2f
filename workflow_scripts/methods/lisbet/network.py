"""Backbones and heads, with the parameter names of the original's checkpoints."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from workflow_scripts.methods.lisbet.config import BackboneOptions


class PositionTable(nn.Module):
    """Adds a learned position to each token.

    Parameters
    ----------
    length, width : int
        The table starts uniform in ±1/√width; the first rows serve shorter windows.
    """

    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        self.pos_emb = nn.Parameter(torch.empty(length, width).uniform_(-1 / math.sqrt(width), 1 / math.sqrt(width)))

    def forward(self, tokens: Tensor) -> Tensor:
        """Add positions to (windows, token, width)."""
        return tokens + self.pos_emb[: tokens.shape[1]]


class TransformerBackbone(nn.Module):
    """Linear embedding of frames, positions, encoder layers, final norm (pre-norm alone).

    The layers are copies of one another, hence alike before the first step, as in the original.

    Parameters
    ----------
    features : int
        Columns of the input.
    shape : BackboneOptions
        With nothing left empty.
    """

    def __init__(self, features: int, shape: BackboneOptions) -> None:
        super().__init__()
        width, heads, hidden = shape.embedding_dim, shape.num_heads, shape.hidden_dim
        assert width and heads and hidden and shape.num_layers and shape.max_length
        self.frame_embedder = nn.Linear(features, width)
        self.pos_embedder = PositionTable(shape.max_length, width)
        layer = nn.TransformerEncoderLayer(
            width,
            heads,
            hidden,
            dropout=shape.dropout,
            activation="gelu",
            batch_first=True,
            norm_first=shape.norm == "pre",
        )
        self.transformer_encoder = nn.TransformerEncoder(layer, shape.num_layers, enable_nested_tensor=False)
        self.layer_norm = nn.LayerNorm(width) if shape.norm == "pre" else nn.Identity()
        self.width = width

    def forward(self, windows: Tensor, valid: Tensor | None = None) -> Tensor:
        """Encode windows.

        Parameters
        ----------
        windows : Tensor, shape (windows, token, features)
        valid : Tensor of bool, shape (windows, token), or None
            False = padding, hidden from attention.

        Returns
        -------
        Tensor, shape (windows, token, width)
        """
        tokens = self.pos_embedder(self.frame_embedder(windows))
        encoded: Tensor = self.transformer_encoder(tokens, src_key_padding_mask=None if valid is None else ~valid)
        normed: Tensor = self.layer_norm(encoded)
        return normed


class LSTMBackbone(nn.Module):
    """Linear embedding, causal LSTM, linear projection (parameters as :class:`TransformerBackbone`)."""

    def __init__(self, features: int, shape: BackboneOptions) -> None:
        super().__init__()
        assert shape.embedding_dim and shape.hidden_dim and shape.num_layers
        self.frame_embedder = nn.Linear(features, shape.embedding_dim)
        self.lstm = nn.LSTM(shape.embedding_dim, shape.hidden_dim, shape.num_layers, batch_first=True)
        self.projection = nn.Linear(shape.hidden_dim, shape.embedding_dim)
        self.width = shape.embedding_dim

    def forward(self, windows: Tensor, valid: Tensor | None = None) -> Tensor:
        """Encode windows; padding is not hidden, since it comes first and fades."""
        encoded: Tensor = self.projection(self.lstm(self.frame_embedder(windows))[0])
        return encoded


class CausalBlock(nn.Module):
    """Two causal dilated convolutions with ReLU, a residual and a last ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.reach = (kernel - 1) * dilation
        self.conv1 = nn.Conv1d(inputs, outputs, kernel, dilation=dilation)
        self.conv2 = nn.Conv1d(outputs, outputs, kernel, dilation=dilation)
        self.residual = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Filter (windows, channel, token)."""
        y = torch.relu(self.conv1(nn.functional.pad(x, (self.reach, 0))))
        y = torch.relu(self.conv2(nn.functional.pad(y, (self.reach, 0))))
        return torch.relu(y + self.residual(x))


class TCNBackbone(nn.Module):
    """Blocks of causal dilated convolutions; block i has the dilation base**i (parameters as above)."""

    def __init__(self, features: int, shape: BackboneOptions) -> None:
        super().__init__()
        assert shape.embedding_dim and shape.hidden_dim and shape.num_layers
        channels = [features, *[shape.hidden_dim] * (shape.num_layers - 1), shape.embedding_dim]
        self.blocks = nn.Sequential(
            *[
                CausalBlock(channels[i], channels[i + 1], shape.kernel_size, shape.dilation_base**i)
                for i in range(shape.num_layers)
            ]
        )
        self.width = shape.embedding_dim

    def forward(self, windows: Tensor, valid: Tensor | None = None) -> Tensor:
        """Encode windows; padding is zero, as the convolutions' own."""
        encoded: Tensor = self.blocks(windows.transpose(1, 2))
        return encoded.transpose(1, 2)


BACKBONES = {"transformer": TransformerBackbone, "lstm": LSTMBackbone, "tcn": TCNBackbone}


class MLP(nn.Module):
    """Linear, GELU, linear."""

    def __init__(self, inputs: int, outputs: int, hidden: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(inputs, hidden)
        self.linear2 = nn.Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Apply to (…, inputs)."""
        logits: Tensor = self.linear2(nn.functional.gelu(self.linear1(x)))
        return logits


class ClassificationHead(nn.Module):
    """Logits of a window (maximum over its tokens) or of its target frame.

    Parameters
    ----------
    width, outputs : int
    hidden : int or None
        None = one linear layer.
    token : int or None
        Target token, counted from the end; None = the whole window.
    both : bool
        Target token and the maximum over the window, side by side.
    """

    def __init__(self, width: int, outputs: int, hidden: int | None, token: int | None, *, both: bool = False) -> None:
        super().__init__()
        self.token, self.both = token, both
        width = 2 * width if both else width
        self.logits: nn.Module = nn.Linear(width, outputs) if hidden is None else MLP(width, outputs, hidden)

    def forward(self, encoded: Tensor, valid: Tensor | None = None, windows: Tensor | None = None) -> Tensor:
        """Return logits (windows, outputs) of (windows, token, width)."""
        parts = [] if self.token is None else [encoded[:, self.token]]
        if self.token is None or self.both:
            parts.append(pool(encoded, valid))
        logits: Tensor = self.logits(torch.cat(parts, dim=1))
        return logits


class SummaryHead(nn.Module):
    """Logits of the encoded target frame, maximum and mean over the window, and a summary of what went in.

    The summary is the input at the target frame, and mean and deviation of the input over the quarter of the window
    about it and over all of it: what hand features hand to a linear model. Where there are quantities, it is of them.

    Parameters
    ----------
    width, features, outputs : int
        `features` counts the columns summarised.
    hidden : int or None
        None = one linear layer.
    token : int
        Target token, counted from the end.
    dropout : float
    columns : Tensor of int, optional
        Columns of the input that are summarised; default all.
    """

    def __init__(
        self,
        width: int,
        features: int,
        outputs: int,
        hidden: int | None,
        token: int,
        *,
        dropout: float,
        columns: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.token = token
        self.columns: Tensor | None
        self.register_buffer("columns", columns, persistent=False)
        # Inputs have units of their own; the running moments are those of the training windows.
        self.scale = nn.BatchNorm1d(5 * features, affine=False)
        self.dropout = nn.Dropout(dropout)
        inputs = 3 * width + 5 * features
        self.logits: nn.Module = nn.Linear(inputs, outputs) if hidden is None else MLP(inputs, outputs, hidden)

    def forward(self, encoded: Tensor, valid: Tensor | None, windows: Tensor) -> Tensor:
        """Return logits (windows, outputs) of encoded (windows, token, width) and input (windows, token, features)."""
        tokens = windows.shape[1]
        if self.columns is not None:
            windows = windows[..., self.columns]
        target = tokens + self.token
        first = min(max(0, target - tokens // 8), tokens - 1)
        near = slice(first, max(first + 1, min(tokens, target + tokens // 8 + 1)))
        parts = [windows[:, target]]
        parts += moments(windows[:, near], None if valid is None else valid[:, near])
        parts += moments(windows, valid)
        summary = self.scale(torch.cat(parts, dim=1))
        mean, _ = moments(encoded, valid)
        seen = torch.cat([encoded[:, self.token], pool(encoded, valid), mean, summary], dim=1)
        logits: Tensor = self.logits(self.dropout(seen))
        return logits


def moments(values: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
    """Mean and deviation over the tokens that are no padding, each (windows, columns)."""
    if valid is None:
        return values.mean(dim=1), values.var(dim=1, unbiased=False).clamp_min(1e-12).sqrt()
    weight = valid[..., None].to(values.dtype)
    count = weight.sum(dim=1).clamp_min(1)
    mean = (values * weight).sum(dim=1) / count
    variance = ((values - mean[:, None]).square() * weight).sum(dim=1) / count
    return mean, variance.clamp_min(1e-12).sqrt()


def pool(encoded: Tensor, valid: Tensor | None) -> Tensor:
    """Maximum over the tokens that are no padding."""
    if valid is not None:
        encoded = encoded.masked_fill(~valid[..., None], float("-inf"))
    return encoded.amax(dim=1)


class ProjectionHead(nn.Module):
    """Unit vectors for the contrastive task: maximum over tokens, then two layers with batch norm."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(width, hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden // 2),
            nn.BatchNorm1d(hidden // 2),
        )

    def forward(self, encoded: Tensor, valid: Tensor | None = None, windows: Tensor | None = None) -> Tensor:
        """Return unit vectors (windows, hidden // 2)."""
        return nn.functional.normalize(self.layers(pool(encoded, valid)), dim=1)
