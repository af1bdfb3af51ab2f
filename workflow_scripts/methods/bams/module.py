"""BAMS for the training loop: two encoders, the histogram loss, two latent losses."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import huber_loss

from workflow_scripts.formats.tracks import Recording
from workflow_scripts.methods.bams import slow_means
from workflow_scripts.methods.bams.config import CHANNELS, Config
from workflow_scripts.methods.bams.data import BamsData, Batch
from workflow_scripts.methods.bams.features import Layout, compute
from workflow_scripts.methods.bams.hoa import emd, released_target, weighted_mean, window_cdf
from workflow_scripts.methods.bams.network import (
    BASES,
    LONG,
    SHORT,
    Head,
    TemporalConvNet,
    cosine_distance,
    predictor,
)
from workflow_scripts.methods.bams.pooling import Pooling, pool, pool_groups
from workflow_scripts.methods.bams.statistics import Statistics
from workflow_scripts.training.model import TrainedModel
from workflow_scripts.views.tracks import DataSpec

if TYPE_CHECKING:
    from lightning.pytorch import Callback

TAGS = {
    "hoa": "train/hoa_loss",
    SHORT: "train/byol_loss_short_term",
    LONG: "train/byol_loss_long_term",
    "loss": "train/total_loss",
    "reconstruction": "train/reconstruction_loss",
}
"""TensorBoard scalars as the original names them, and the reconstruction it does not have."""
OUTLIER = 5.0
"""Deviations beyond which an error of the reconstruction counts linearly: jumps weigh less, touch still counts."""


SLOW_COUNTS = 4.0
"""How many times the error of a slow mean counts in the reconstruction: they are few among the inputs."""
LEAST_RATE = 0.01
"""Share of the learning rate at the end of a cosine."""


def half_cosine(done: float) -> float:
    """Share of the learning rate, from 1 to `LEAST_RATE`, when a share `done` of the training is over."""
    return LEAST_RATE + (1 - LEAST_RATE) * (1 + math.cos(math.pi * min(done, 1))) / 2


class Bams(TrainedModel):
    """Encoders and heads; names of the parts as in the original's checkpoint.

    Parameters
    ----------
    config : Config
    spec : DataSpec
        The data it is made for.
    """

    shift: Tensor
    scale: Tensor
    edges: Tensor
    counts: Tensor

    def __init__(self, config: Config, spec: DataSpec) -> None:
        super().__init__()
        self.config, self.spec = config.resolved(), spec
        config = self.config
        self.layout = Layout.of(spec, config)
        n_inputs, n_targets = len(self.layout.inputs), len(self.layout.targets)
        preset = CHANNELS[self.layout.kind]
        channels = {SHORT: config.short_term or list(preset[0]), LONG: config.long_term or list(preset[1])}
        self.widths = {name: widths[-1] for name, widths in channels.items()}
        self.encoders = nn.ModuleDict(
            {
                name: TemporalConvNet(
                    n_inputs, widths, BASES[name], config.kernel_size, config.dropout, linear=config.start == "linear"
                )
                for name, widths in channels.items()
            }
        )
        seen = sum(self.widths.values()) + (n_inputs if config.hoa_input else 0)
        self.windows = [config.hoa_window, *(config.hoa_more or [])]
        outputs = len(self.windows) * n_targets * config.hoa_bins
        self.predictor = Head([seen, *(config.hoa_hidden or []), outputs])
        times = len(spec.individuals) if self.pooling == "concat" else 2
        self.decoder = nn.Linear(times * sum(self.widths.values()), times * n_inputs) if config.reconstruct else None
        slowly = set(slow_means.names(self.layout.windows))
        counts = torch.tensor([SLOW_COUNTS if name in slowly else 1.0 for name in self.layout.inputs])
        self.register_buffer("counts", (counts / counts.mean()).repeat(times), persistent=False)
        self.byol_predictors = nn.ModuleDict({name: predictor(width) for name, width in self.widths.items()})
        self.register_buffer("shift", torch.zeros(n_inputs))
        self.register_buffer("scale", torch.ones(n_inputs))
        self.register_buffer("edges", torch.zeros(n_targets, config.hoa_bins - 1))

    @property
    def statistics(self) -> Statistics:
        """Scales and bins that go with the weights."""
        return Statistics(*(np.asarray(getattr(self, name).detach().cpu()) for name in Statistics.BUFFERS))

    def keep(self, statistics: Statistics) -> None:
        """Store scales and bins with the weights."""
        for name in Statistics.BUFFERS:
            getattr(self, name).copy_(torch.from_numpy(getattr(statistics, name)))

    def setup(self, stage: str) -> None:
        """Start the training from the original's weights, where the options name them."""
        if stage == "fit" and self.config.weights is not None:
            from workflow_scripts.methods.bams.original import load_original  # which imports this module

            load_original(self, self.config.weights)

    def on_fit_start(self) -> None:
        """Take the scales over from the data the model is trained on."""
        data: Any = getattr(self.trainer, "datamodule", None)
        data = getattr(data, "inner", data)
        if isinstance(data, BamsData):
            self.keep(data.statistics)

    def encode(self, inputs: Tensor) -> dict[str, Tensor]:
        """Latents (sequence, time, channel) by time scale, from normalised inputs (sequence, time, input)."""
        return {name: encoder(inputs) for name, encoder in self.encoders.items()}

    @property
    def pooling(self) -> Pooling:
        """How the latents of a group are brought together."""
        if self.config.pooling == "auto":
            return "concat" if len(self.spec.individuals) <= 2 else "mean_range"
        return self.config.pooling

    @torch.no_grad()
    def embed_individuals(self, recording: Recording) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Embed every animal by itself.

        Returns
        -------
        latents : ndarray, float32, shape (individual, time, dim)
            Short-term, then long-term latents.
        present : ndarray of bool, shape (individual,)
            False for an animal without a single point.
        """
        found = compute(recording.position, self.layout, self.config)
        inputs = self.statistics.normalise(np.ascontiguousarray(found.inputs.transpose(1, 0, 2)))
        parts = []
        was_training = self.training
        self.eval()
        for animal in torch.from_numpy(inputs).to(self.shift.device):
            latents = self.encode(animal[None])
            parts.append(torch.cat(list(latents.values()), dim=-1)[0].cpu().numpy())
        self.train(was_training)
        return np.stack(parts), found.present

    def embed_recording(self, recording: Recording) -> npt.NDArray[np.float32]:
        """Embed every frame of a group, float32 (time, dim)."""
        latents, present = self.embed_individuals(recording)
        return pool(latents, present, self.pooling)

    def configure_callbacks(self) -> list[Callback]:
        """Watch the labels while training, where the options say so."""
        from workflow_scripts.methods.bams.readout import Watch  # scikit-learn takes a second to import

        every = self.config.evaluate_every
        return [Watch(every, self.config.seed)] if every else []

    def _hoa_loss(self, batch: Batch, latents: Tensor) -> Tensor:
        config, frames = self.config, batch.frames
        seen = torch.cat([latents, batch.inputs[:, frames]], dim=-1) if config.hoa_input else latents
        logits = self.predictor(seen).unflatten(-1, (-1, config.hoa_bins))
        if config.hoa_target == "future":
            cdf, weight = window_cdf(batch.bins, batch.valid, frames, self.windows, config.hoa_bins)
        else:
            first = config.skipped(self.layout.kind)
            cdf, weight = released_target(batch.bins, batch.valid, config.hoa_window, config.hoa_bins, first)
            cdf, weight = cdf[:, frames], weight[:, frames]
        return weighted_mean(emd(cdf, logits), weight)

    def _latent_loss(self, name: str, latent: Tensor, frames: Tensor) -> Tensor:
        rows = torch.arange(len(latent), device=latent.device)[:, None]
        head = self.byol_predictors[name]
        if self.config.mode == "faithful":
            # The original runs every frame through the predictor, whose batch norm so sees all of them.
            said = head(latent.flatten(0, 1)).view_as(latent)[rows, frames[0]]
        else:
            said = head(latent[rows, frames[0]].flatten(0, 1)).view(*frames.shape[1:], -1)
        return cosine_distance(said, latent[rows, frames[1]].detach())

    def _reconstruction(self, batch: Batch, latents: Tensor) -> Tensor:
        """Squared error of the linear map from the groups' embeddings to their inputs, pooled alike."""
        assert self.decoder is not None
        group, animals, frames = batch.group, len(self.spec.individuals), batch.frames
        pooled, aim = (pool_groups(x, group, animals, self.pooling) for x in (latents, batch.inputs[:, frames]))
        seen = pool_groups(batch.valid[:, frames, None].float(), group, animals, "mean_range")[..., 0]
        valid = seen > 1 - 1e-6  # of every animal that is there
        error = 2 * huber_loss(self.decoder(pooled), aim, reduction="none", delta=OUTLIER) * self.counts
        return weighted_mean(error, valid[..., None].float().expand_as(error))

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Compute the histogram loss, both latent losses, the reconstruction and their weighted sum (`loss`)."""
        latents = self.encode(batch.inputs)
        chosen = torch.cat([latent[:, batch.frames] for latent in latents.values()], dim=-1)
        found = {
            "hoa": self._hoa_loss(batch, chosen),
            SHORT: self._latent_loss(SHORT, latents[SHORT], batch.short),
            LONG: self._latent_loss(LONG, latents[LONG], batch.long),
        }
        weighted = self.config.hoa_weight * found["hoa"] + self.config.byol_weight * (found[SHORT] + found[LONG])
        if self.decoder is not None:
            found["reconstruction"] = self._reconstruction(batch, chosen)
            weighted = weighted + float(self.config.reconstruct or 0) * found["reconstruction"]
        return {**found, "loss": weighted}

    def _step(self, side: str, batch: Batch) -> Tensor:
        found = self.losses(batch)
        for name, value in found.items():
            self.log(f"{side}_{name}", value.detach(), on_step=False, on_epoch=True, batch_size=len(batch))
        if side == "train" and self.logger is not None and self.global_step % self.config.log_every_step == 0:
            board: Any = self.logger
            for name, value in found.items():
                board.experiment.add_scalar(TAGS[name], float(value.detach()), self.global_step)
        return found["loss"]

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        return self._step("train", batch)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the losses of a batch."""
        self._step("val", batch)

    def configure_optimizers(self) -> Any:
        """AdamW with a higher rate for the latent predictors; both fall as `decay` says."""
        fast = list(self.byol_predictors.parameters())
        steady = [*self.encoders.parameters(), *self.predictor.parameters()]
        steady += [] if self.decoder is None else self.decoder.parameters()
        groups = [{"params": steady, "lr": self.config.lr}, {"params": fast, "lr": self.config.predictor_lr}]
        optimiser = torch.optim.AdamW(groups, weight_decay=self.config.weight_decay)
        schedule: torch.optim.lr_scheduler.LRScheduler
        if self.config.decay == "cosine":
            last = self.config.training.max_epochs
            schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda epoch: half_cosine(epoch / last))
        else:
            schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, [self.config.milestone], gamma=0.1)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "epoch"}}
