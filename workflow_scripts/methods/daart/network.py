"""Encoders, their mirror images that predict the next frame, and the heads on the embedding between them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from workflow_scripts.methods.daart.config import NetworkOptions


def activation(name: str) -> nn.Module:
    """Make the non-linearity of that name."""
    made: dict[str, nn.Module] = {
        "linear": nn.Identity(),
        "relu": nn.ReLU(),
        "lrelu": nn.LeakyReLU(0.05),
        "sigmoid": nn.Sigmoid(),
        "tanh": nn.Tanh(),
    }
    return made[name]


def _later_activation(options: NetworkOptions) -> nn.Module:
    """Return what follows a hidden layer after the first.

    The original registers one activation under several names and walks its parts by `named_children`, which yields
    each part once, so that only the first activation acts. An identity keeps the places, and so the tensors' names.
    """
    return activation(options.activation) if options.activations == "every" else nn.Identity()


class TemporalMLP(nn.Module):
    """One convolution over time, then layers within each frame; (batch, time, in) → (batch, time, out)."""

    def __init__(self, inputs: int, options: NetworkOptions) -> None:
        super().__init__()
        width = options.n_hid_units
        self.convolution = nn.Conv1d(inputs, width, 2 * options.n_lags + 1, padding="same")
        layers: list[nn.Module] = [activation(options.activation)] if options.n_hid_layers else []
        for k in range(options.n_hid_layers):
            layers.append(nn.Linear(width, width))
            if k < options.n_hid_layers - 1:
                layers.append(_later_activation(options))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Encode."""
        encoded: Tensor = self.layers(self.convolution(x.transpose(1, 2)).transpose(1, 2))
        return encoded


class FrameDecoder(nn.Sequential):
    """Layers within each frame, from the embedding back to the inputs."""

    def __init__(self, outputs: int, options: NetworkOptions) -> None:
        width, layers = options.n_hid_units, []
        for k in range(options.n_hid_layers):
            layers += [nn.Linear(width, width), _later_activation(options) if k else activation(options.activation)]
        super().__init__(*layers, nn.Linear(width, outputs))


class DilationBlock(nn.Module):
    """Two dilated convolutions with dropout, and what went in added; (batch, channel, time)."""

    def __init__(self, inputs: int, hidden: int, outputs: int, dilation: int, options: NetworkOptions) -> None:
        super().__init__()
        kernel, pad = 2 * options.n_lags + 1, options.n_lags * dilation
        self.first = weight_norm(nn.Conv1d(inputs, hidden, kernel, padding=pad, dilation=dilation))
        self.second = weight_norm(nn.Conv1d(hidden, outputs, kernel, padding=pad, dilation=dilation))
        self.act, self.drop = activation(options.activation), nn.Dropout1d(options.dropout)
        self.residual = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else None
        if self.residual is not None:
            nn.init.normal_(self.residual.weight, 0.0, 0.01)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, inputs, time) to (batch, outputs, time)."""
        y = self.drop(self.act(self.second(self.drop(self.act(self.first(x))))))
        added: Tensor = self.act(y + (x if self.residual is None else self.residual(x)))
        return added


class DilatedTCN(nn.Module):
    """Blocks of growing dilation; with `outputs` it is the mirror image, which ends in a 1×1 convolution."""

    def __init__(self, inputs: int, options: NetworkOptions, outputs: int | None = None) -> None:
        super().__init__()
        n, width = options.n_hid_layers, options.n_hid_units
        blocks = []
        for k in range(n):
            last = outputs if outputs is not None and k == n - 1 else width
            dilation = 2**k if outputs is None else 2 ** (n - 1 - k)
            blocks.append(DilationBlock(inputs if k == 0 else width, width, last, dilation, options))
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Identity() if outputs is None else nn.Conv1d(outputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, time, in) to (batch, time, out)."""
        # Laid out once: each convolution would make its own copy, forwards and backwards.
        mapped: Tensor = self.last(self.blocks(x.transpose(1, 2).contiguous())).transpose(1, 2)
        return mapped


class Recurrent(nn.Module):
    """LSTM or GRU with a linear layer; (batch, time, in) → (batch, time, out)."""

    def __init__(self, inputs: int, options: NetworkOptions, outputs: int | None = None) -> None:
        super().__init__()
        kind = nn.LSTM if options.backbone == "lstm" else nn.GRU
        width = options.n_hid_units
        self.rnn = kind(inputs, width, options.n_hid_layers, batch_first=True, bidirectional=options.bidirectional)
        self.linear = nn.Linear((1 + options.bidirectional) * width, width if outputs is None else outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Encode or decode."""
        mapped: Tensor = self.linear(self.rnn(x)[0])
        return mapped


@dataclass(frozen=True)
class Output:
    """What the network says of a batch; None where it has no such head. All (batch, time, …)."""

    embedding: Tensor
    strong: Tensor | None
    weak: Tensor | None
    prediction: Tensor | None
    task: Tensor | None
    mean: Tensor | None
    log_variance: Tensor | None


class Network(nn.Module):
    """Encoder and heads.

    Parameters
    ----------
    inputs, classes : int
        Columns of the input, and classes.
    options : NetworkOptions
    strong, weak, predictor : bool
        Which heads exist.
    targets : int
        Outputs of the regression head; 0 for none.
    """

    def __init__(
        self,
        inputs: int,
        classes: int,
        options: NetworkOptions,
        *,
        strong: bool = True,
        weak: bool = False,
        predictor: bool = False,
        targets: int = 0,
    ) -> None:
        super().__init__()
        self.options = options
        self.pad = options.pad
        width = options.n_hid_units
        self.drop_inputs = nn.Dropout1d(options.input_dropout) if options.input_dropout else None
        self.encoder = self._encoder(inputs, options)
        self.mean = nn.Linear(width, width) if options.variational else None
        self.log_variance = nn.Linear(width, width) if options.variational else None
        self.strong = nn.Linear(width, classes) if strong else None
        self.weak = nn.Linear(width, classes) if weak else None
        self.predictor = self._decoder(inputs, options) if predictor else None
        self.task = (
            nn.Sequential(nn.Linear(width, width), nn.LeakyReLU(0.05), nn.Linear(width, targets)) if targets else None
        )

    @staticmethod
    def _encoder(inputs: int, options: NetworkOptions) -> nn.Module:
        if options.backbone == "temporal-mlp":
            return TemporalMLP(inputs, options)
        return DilatedTCN(inputs, options) if options.backbone == "dtcn" else Recurrent(inputs, options)

    @staticmethod
    def _decoder(outputs: int, options: NetworkOptions) -> nn.Module:
        width = options.n_hid_units
        if options.backbone == "temporal-mlp":
            return FrameDecoder(outputs, options)
        if options.backbone == "dtcn":
            return DilatedTCN(width, options, outputs)
        return Recurrent(width, options, outputs)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Return the embedding, sampled while training a variational network, and its mean and log-variance."""
        if self.drop_inputs is not None:
            x = self.drop_inputs(x.transpose(1, 2)).transpose(1, 2)
        encoded: Tensor = self.encoder(x)
        if self.mean is None or self.log_variance is None:
            return encoded, None, None
        mean, log_variance = self.mean(encoded), self.log_variance(encoded)
        sampled = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance) if self.training else mean
        return sampled, mean, log_variance

    def forward(self, x: Tensor) -> Output:
        """Run everything on (batch, time, inputs)."""
        embedding, mean, log_variance = self.encode(x)
        strong, weak, prediction, task = (
            None if head is None else head(embedding) for head in (self.strong, self.weak, self.predictor, self.task)
        )
        return Output(embedding, strong, weak, prediction, task, mean, log_variance)

    @property
    def classifier(self) -> nn.Linear | None:
        """The head that speaks for the model: the strong one, else the weak one."""
        return self.strong if self.strong is not None else self.weak
