"""Masked video distillation (Wang et al. 2023): guess two teachers' features at the places that are hidden."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from workflow_scripts.core.errors import ConfigError
from workflow_scripts.methods.mvd.augment import colour, normalise, resize, to_float, warp
from workflow_scripts.methods.mvd.config import Config
from workflow_scripts.methods.mvd.network import EPS, Block, VideoTransformer, position_table
from workflow_scripts.methods.mvd.original import load_network
from workflow_scripts.methods.mvd.schedule import warm_cosine
from workflow_scripts.methods.mvd.teachers import (
    ImageTransformer,
    image_features,
    load_image_teacher,
    load_video_teacher,
)
from workflow_scripts.training.model import TrainedModel
from workflow_scripts.views.clips import ClipSpec

CHECKS = 4
"""Windows of each validation video whose loss is taken."""


def tube_mask(n: int, places: int, steps: int, share: float, device: torch.device) -> tuple[Tensor, Tensor]:
    """Draw which tokens are seen and which are hidden: the same places at every moment.

    Returns
    -------
    visible, hidden : Tensor of int, shape (n, k)
        Token numbers, ascending; `int(share · places)` places are hidden.
    """
    count = int(share * places)
    order = torch.rand(n, places, device=device).argsort(dim=1)
    starts = torch.arange(steps, device=device)[:, None] * places

    def tokens(chosen: Tensor) -> Tensor:
        return (starts + chosen.sort(dim=1).values[:, None]).flatten(1)

    return tokens(order[:, count:]), tokens(order[:, :count])


class Decoder(nn.Module):
    """Shallow transformer that guesses one teacher's features at the hidden tokens.

    Parameters
    ----------
    dim, heads : int
        Of the encoder; the decoder is half as wide.
    depth : int
    target : int
        Width of the teacher's features.
    grid : tuple of int
        Tokens along time, height and width.
    """

    positions: Tensor

    def __init__(self, dim: int, heads: int, depth: int, target: int, grid: tuple[int, int, int]) -> None:
        super().__init__()
        width = max(16, dim // 2 // 16 * 16)
        own_heads = next(count for count in range(max(1, heads // 2), 0, -1) if width % count == 0)
        self.down = nn.Linear(dim, width)
        self.mask_token = nn.Parameter(torch.zeros(width))
        self.blocks = nn.ModuleList(Block(width, own_heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=EPS)
        self.head = nn.Linear(width, target)
        nn.init.trunc_normal_(self.mask_token, std=0.02)
        self.register_buffer("positions", position_table(width, *grid), persistent=False)

    def forward(self, seen: Tensor, visible: Tensor, hidden: Tensor) -> Tensor:
        """Map encoded visible tokens (n, k, dim) to features (n, hidden tokens, target)."""
        known = self.down(seen) + self.positions[visible]
        x = torch.cat([known, self.mask_token + self.positions[hidden]], dim=1)
        for block in self.blocks:
            x = block(x)
        found: Tensor = self.head(self.norm(x[:, visible.shape[1] :]))
        return found


class MvdDistiller(TrainedModel):
    """Encoder that learns from teachers, without labels; a run of the classifier starts from its weights.

    Parameters
    ----------
    config : Config
        Filled, with `objective: distil`.
    spec : ClipSpec

    Raises
    ------
    ConfigError
        When no teacher is named.
    """

    def __init__(self, config: Config, spec: ClipSpec) -> None:
        super().__init__()
        if not (config.distil.image_teacher or config.distil.video_teacher):
            raise ConfigError(
                "methods.mvd: objective: distil needs distil.image_teacher, distil.video_teacher or both."
            )
        self.config, self.spec = config, spec
        dims = config.dims
        self.network = VideoTransformer(
            dims.dim,
            dims.depth,
            dims.heads,
            0,
            image_size=config.side,
            patch=config.patch,
            num_frames=config.num_frames,
            drop_path=config.drop_path,
            checkpointing=config.gradient_checkpointing,
        )
        self.norm = nn.LayerNorm(dims.dim, eps=EPS)
        self.grid = (self.network.steps, self.network.side, self.network.side)
        # The teachers are read again where training goes on; kept out of the modules, they are in no checkpoint.
        self._teachers: dict[str, Any] = {}
        self.decoders = nn.ModuleDict()
        given_widths: dict[str, int] = {str(kind): width for kind, width in config.distil.widths.items()}
        for kind, path in (("image", config.distil.image_teacher), ("video", config.distil.video_teacher)):
            if path is not None:
                width = given_widths.get(kind, dims.dim)
                self.decoders[kind] = Decoder(dims.dim, dims.heads, config.distil.decoder_depth, width, self.grid)

    def setup(self, stage: str) -> None:
        """Read the weights to start from, and the teachers."""
        if stage != "fit":
            return
        distil, config = self.config.distil, self.config
        if config.load_backbone is not None:
            load_network(self.network, config.load_backbone)
        if distil.image_teacher:
            self._teachers["image"] = load_image_teacher(distil.image_teacher)
        if distil.video_teacher:
            self._teachers["video"] = load_video_teacher(distil.video_teacher, config.side, config.num_frames)
        for kind, teacher in self._teachers.items():
            width = teacher.cls_token.shape[-1] if isinstance(teacher, ImageTransformer) else teacher.dim
            ours = self.get_parameter(f"decoders.{kind}.head.bias").shape[0]
            if ours != width:
                raise ConfigError(
                    f"methods.mvd.distil.widths.{kind}: the teacher's features are {width} wide, not {ours}; "
                    f"write {width} there."
                )

    def on_fit_start(self) -> None:
        """Move the teachers to where the model trains."""
        for teacher in self._teachers.values():
            teacher.to(self.device)

    def targets(self, video: Tensor) -> dict[str, Tensor]:
        """Return the teachers' features of all tokens, (n, tokens, width)."""
        found = {}
        for kind, teacher in self._teachers.items():
            if kind == "image":
                found[kind] = image_features(teacher, video, self.grid[1])
            else:
                with torch.no_grad():
                    found[kind] = teacher.encode(video)
        return found

    def losses(self, video: Tensor) -> dict[str, Tensor]:
        """Return each teacher's smooth L1 loss at the hidden tokens of normalised windows."""
        steps, rows, columns = self.grid
        visible, hidden = tube_mask(len(video), rows * columns, steps, self.config.distil.mask, video.device)
        seen = self.norm(self.network.encode(video, visible))
        wanted = self.targets(video)
        found = {}
        for kind, decoder in self.decoders.items():
            target = torch.gather(wanted[kind], 1, hidden[..., None].expand(-1, -1, wanted[kind].shape[2]))
            found[kind] = functional.smooth_l1_loss(decoder(seen, visible, hidden), target)
        return found

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], batch_idx: int) -> Tensor:
        """Change the windows at random, hide most of them, and return the sum of the losses."""
        video = colour(warp(to_float(batch[0]), self.config.side, self.config.augment), self.config.augment)
        losses = self.losses(normalise(video, motion=False))
        for kind, value in losses.items():
            self.log(f"train_{kind}_loss", value, on_step=False, on_epoch=True, batch_size=len(video))
        total = torch.stack(list(losses.values())).sum()
        self.log("train_loss", total, on_step=False, on_epoch=True, batch_size=len(video))
        return total

    def validation_step(self, batch: int, batch_idx: int) -> None:
        """Take the loss of a few windows of a held-out video."""
        data: Any = self.trainer.datamodule
        store = getattr(data, "inner", data).held
        config = self.config
        last = max(0, store.recordings[int(batch)].n_frames - config.span)
        starts = np.linspace(0, last, CHECKS).astype(np.int64)
        offsets = np.arange(0, config.span, config.sampling_rate)
        pixels = torch.stack([store.frames(int(batch), start + offsets) for start in starts]).to(self.device)
        losses = self.losses(normalise(resize(to_float(pixels), config.side), motion=False))
        total = torch.stack(list(losses.values())).sum()
        self.log("val_loss", total, batch_size=CHECKS)
        # The best epoch is the highest score, whatever is learnt.
        self.log("val_score", -total, batch_size=CHECKS)

    def moments(self, video: Tensor) -> Tensor:
        """Return the mean features (n, steps, dim) of whole windows."""
        tokens = self.norm(self.network.encode(video))
        means: Tensor = tokens.view(len(tokens), self.grid[0], -1, tokens.shape[2]).mean(dim=2)
        return means

    def configure_optimizers(self) -> Any:
        """AdamW (0.9, 0.95) with linear warm-up and a cosine."""
        config = self.config
        rate = config.learning_rate or config.distil.learning_rate * config.batch / 256
        groups = [
            {"params": [p for p in self.parameters() if p.ndim > 1], "weight_decay": 0.05},
            {"params": [p for p in self.parameters() if p.ndim <= 1], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.95))
        return warm_cosine(optimizer, self.trainer, config.warmup_epochs, math.inf)
