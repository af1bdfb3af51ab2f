"""LISBET for the training loop: one forward for the windows of all tasks, one head a task, losses summed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from workflow_scripts.methods.lisbet.config import SUPERVISED, Config
from workflow_scripts.methods.lisbet.data import Batch, LisbetData
from workflow_scripts.methods.lisbet.inputs import Layout
from workflow_scripts.methods.lisbet.labels import Head, heads
from workflow_scripts.methods.lisbet.losses import Tally, head_loss, lr_one_cycle, lr_reference
from workflow_scripts.methods.lisbet.network import BACKBONES, ClassificationHead, ProjectionHead, SummaryHead, pool
from workflow_scripts.methods.lisbet.original.history import History
from workflow_scripts.methods.lisbet.original.read import load_backbone
from workflow_scripts.training.model import TrainedModel
from workflow_scripts.training.weights import save_weights
from workflow_scripts.views.tracks import DataSpec


class Lisbet(TrainedModel):
    """Backbone and heads.

    Parameters
    ----------
    config : Config
    spec : DataSpec
        The data it is made for.
    """

    _encode: Any

    def __init__(self, config: Config, spec: DataSpec) -> None:
        super().__init__()
        self.config, self.spec = config.resolved(), spec
        self.layout = Layout.of(spec, self.config)
        self.heads: list[Head] = heads(self.config, spec)
        shape = self.config.backbone
        assert shape.type and shape.hidden_dim
        self.backbone = BACKBONES[shape.type](self.layout.features, shape)
        self.task_heads = nn.ModuleDict({head.name: self._head(head) for head in self.heads})
        self.tallies = nn.ModuleDict(
            {f"{side}_{head.name}": Tally(head) for side in ("train", "val") for head in self.heads}
        )
        self.latest: dict[str, Tensor] = {}
        # Not registered as a part: the state dict keeps its names.
        object.__setattr__(
            self, "_encode", torch.compile(self.backbone) if self.config.compile_model else self.backbone
        )
        if self.config.freeze_backbone and not self.config.border:
            self.backbone.requires_grad_(False)

    def _head(self, head: Head) -> nn.Module:
        shape = self.config.backbone
        width = shape.embedding_dim
        assert width and shape.hidden_dim
        if head.kind == "geom":
            return ProjectionHead(width, shape.hidden_dim)
        supervised = head.kind in SUPERVISED
        if supervised and self.config.head_input == "summary":
            hidden = shape.hidden_dim if self.config.head_type == "mlp" else None
            columns = self.layout.quantity_columns()
            size = self.layout.features if columns is None else len(columns)
            return SummaryHead(
                width, size, head.outputs, hidden, self.target_token, dropout=shape.dropout, columns=columns
            )
        return ClassificationHead(
            width,
            head.outputs,
            shape.hidden_dim if self.config.head_type == "mlp" else None,
            self.target_token if supervised else None,
            both=supervised and self.config.head_input == "both",
        )

    @property
    def target_token(self) -> int:
        """Token of the target frame, counted from the end."""
        return -(self.config.window_offset + 1)

    def forward(self, windows: Tensor, valid: Tensor | None = None) -> Tensor:
        """Encode windows (windows, token, features); see :class:`.backbones.TransformerBackbone`."""
        encoded: Tensor = self._encode(windows, valid)
        return encoded

    def embed_windows(self, windows: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the encoded target frame of each window, and the maximum over its tokens where the options say so."""
        encoded = self.forward(windows, valid)
        target = encoded[:, self.target_token]
        return torch.cat([target, pool(encoded, valid)], dim=1) if self.config.embedding == "both" else target

    @property
    def dimensions(self) -> int:
        """Width of the embedding."""
        return (self.config.backbone.embedding_dim or 0) * (2 if self.config.embedding == "both" else 1)

    def losses(self, batch: Batch, side: str) -> Tensor:
        """Sum of the heads' losses over the windows of all tasks, encoded together."""
        sizes = list(batch.sizes)
        encoded = torch.split(self.forward(batch.windows, batch.valid), sizes)
        masks = [None] * len(sizes) if batch.valid is None else torch.split(batch.valid, sizes)
        inputs = torch.split(batch.windows, sizes)
        total = batch.windows.new_zeros(())
        named = {head.name: head for head in self.heads}
        for name, part, mask, given, label in zip(batch.tasks, encoded, masks, inputs, batch.labels, strict=True):
            head = named[name]
            logits = self.task_heads[head.name](part, mask, given)
            loss = head_loss(head, logits, label, self._weight(head.name), self.config.temperature)
            self.tallies[f"{side}_{head.name}"].add(loss, logits, label)  # type: ignore[operator]
            total = total + loss
        return total

    def _weight(self, name: str) -> Tensor | None:
        return getattr(self, f"weight_{name}", None)

    def setup(self, stage: str) -> None:
        """Take the backbone the options name, and the class weights from the data module."""
        if stage == "fit" and self.config.load_backbone is not None:
            load_backbone(self, Path(self.config.load_backbone))
        data = getattr(self.trainer, "datamodule", None)
        data = getattr(data, "inner", data)  # the loop wraps it
        if isinstance(data, LisbetData):
            for name, weight in data.class_weights.items():
                self.register_buffer(f"weight_{name}", weight.to(self.device), persistent=False)

    def on_train_epoch_start(self) -> None:
        """Freeze the backbone, from the first epoch of fine-tuning on."""
        if self.config.freeze_backbone and self.trainer.current_epoch >= self.config.border:
            self.backbone.requires_grad_(False)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the summed loss of one step."""
        return self.losses(batch, "train")

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Tally one step of held-out windows."""
        self.losses(batch, "val")

    def _log_side(self, side: str) -> None:
        total = torch.zeros((), device=self.device)
        for head in self.heads:
            for name, value in self.tallies[f"{side}_{head.name}"].read().items():  # type: ignore[operator]
                self.latest[f"{side}_{head.name}_{name}"] = value  # NaN for a task that rested
                total = total + value.nan_to_num() if name == "loss" else total
        self.latest[f"{side}_loss"] = total
        self.log_dict({name: value for name, value in self.latest.items() if name.startswith(side)})

    def on_train_epoch_end(self) -> None:
        """Log the epoch's means."""
        self._log_side("train")
        folder = Path(self.trainer.default_root_dir)
        if self.config.save_history:
            History(folder, self.heads, self.config).append(self.trainer.current_epoch, self.latest)
        if self.config.save_weights == "all":
            save_weights(folder / f"weights_epoch{self.trainer.current_epoch}.safetensors", self.state_dict())

    def on_validation_epoch_end(self) -> None:
        """Log the held-out means."""
        self._log_side("val")

    def configure_optimizers(self) -> Any:
        """AdamW (or Adamax) on what may learn, with the schedule of the options."""
        parameters = [parameter for parameter in self.parameters() if parameter.requires_grad]
        config = self.config
        if config.optimizer == "adamax":
            optimizer: torch.optim.Optimizer = torch.optim.Adamax(parameters, lr=config.learning_rate)
        else:
            optimizer = torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=config.weight_decay)
        if config.schedule == "constant":
            return optimizer
        by_epoch = config.schedule == "reference"
        border, end = config.border, self.trainer.max_epochs or 1
        per_epoch = 1 if by_epoch else max(1, int(self.trainer.estimated_stepping_batches) // end)

        def factor(step: int) -> float:
            """Return the share of the peak rate; pretraining and fine-tuning have a schedule each."""
            before, peak = (0, 1.0) if step < border * per_epoch else (border, config.finetune_rate if border else 1.0)
            until = border if step < border * per_epoch else end
            place = step - before * per_epoch
            share = lr_reference(place) if by_epoch else lr_one_cycle(place, (until - before) * per_epoch)
            return peak * share

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        interval = "epoch" if by_epoch else "step"
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": interval}}
