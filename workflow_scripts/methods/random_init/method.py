"""The random_init control: what architecture and inputs alone give a probe, before any training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from workflow_scripts.formats.tracks import Recording
from workflow_scripts.kinematics.body_roles import RoleNames, find_roles, lay_recording
from workflow_scripts.kinematics.geometry import fill_last_seen, flat, lay_names
from workflow_scripts.methods.random_init.config import Config
from workflow_scripts.training.closed_form import (
    ClosedFormModel,
    Normaliser,
    dimension_names,
    embed,
    import_weights,
    predict,
    prepare,
)
from workflow_scripts.views.tracks import DataSpec, TrackView

CHUNK = 16384
"""Frames encoded at a time; bounds the memory whatever the length of a recording."""

__all__ = ["build", "dimension_names", "embed", "import_weights", "predict", "prepare"]


class Residual(nn.Module):
    """A dilated convolution over time, centred, with what went in added to what comes out."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, channels)
        self.convolution = nn.Conv1d(channels, channels, kernel_size=3, dilation=dilation, padding="same")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, channel, time) to the same shape."""
        # The norm runs over channels of one frame, so that an embedding hangs on its own frames alone.
        batch, channels, time = x.shape
        flat = self.norm(x.transpose(1, 2).reshape(batch * time, channels, 1))
        normed = flat.reshape(batch, time, channels).transpose(1, 2)
        return x + nn.functional.gelu(self.convolution(normed))


class RandomEncoder(ClosedFormModel):
    """An untrained temporal convolution network; fitting settles the scale of its inputs, nothing else."""

    def __init__(self, config: Config, spec: DataSpec) -> None:
        super().__init__(spec)
        self.config = config
        self.roles = find_roles(spec.keypoints, RoleNames())
        self.columns = len(lay_names(spec.individuals, spec.keypoints, spec.space, config.coordinates))
        inputs = self.columns + (len(spec.individuals) * len(spec.keypoints) if config.seen else 0)
        self.normaliser = Normaliser(spec)
        # A forked generator: the seed decides these weights, and nothing else is disturbed.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.network = nn.Sequential(
                nn.Conv1d(inputs, config.dim, kernel_size=1),
                *(Residual(config.dim, 2**k) for k in range(config.layers)),
            )
        self.network.requires_grad_(False)

    def state_dict(self) -> dict[str, Any]:
        """Return the arrays, those of the network too."""
        return super().state_dict() | {f"network.{k}": v.numpy() for k, v in self.network.state_dict().items()}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """Take over the arrays of a saved state."""
        inner = "network."
        super().load_state_dict({key: value for key, value in state.items() if not key.startswith(inner)}, strict)
        own = {k.removeprefix(inner): torch.as_tensor(v) for k, v in state.items() if k.startswith(inner)}
        self.network.load_state_dict(own, strict)

    def _fit(self, view: TrackView) -> dict[str, float]:
        self.normaliser.fit(view)
        for recording in view.train(()):
            self.spec.check(recording)
        return {"parameters": float(sum(tensor.numel() for tensor in self.network.parameters()))}

    def dimension_names(self) -> list[str]:
        """Number the channels."""
        return [f"unit{k}" for k in range(self.config.dim)]

    def _inputs(self, recording: Recording) -> npt.NDArray[np.float32]:
        laid = lay_recording(recording, self.normaliser.apply_to, self.config.coordinates, self.roles)
        parts = [fill_last_seen(laid, np.zeros(laid.shape[1]))]
        if self.config.seen:
            parts.append(flat(~np.isnan(recording.position[..., 0])))
        return np.concatenate(parts, axis=1, dtype=np.float32)

    def _embed(self, recording: Recording) -> npt.NDArray[np.float32]:
        inputs = torch.from_numpy(self._inputs(recording)).T[None]
        time, reach = inputs.shape[2], 2**self.config.layers - 1
        parts = []
        with torch.inference_mode():
            for start in range(0, time, CHUNK):
                # Each chunk brings along all frames its own can see, so that seams do not show.
                low, high = max(start - reach, 0), min(start + CHUNK + reach, time)
                encoded = self.network(inputs[:, :, low:high])
                parts.append(encoded[0, :, start - low : min(start + CHUNK, time) - low])
        if not parts:
            return np.empty((0, self.config.dim), np.float32)
        array: npt.NDArray[np.float32] = torch.cat(parts, dim=1).T.numpy()
        return array


def build(config: Config, spec: DataSpec) -> RandomEncoder:
    """Make the model with the weights of its seed."""
    return RandomEncoder(config, spec)
