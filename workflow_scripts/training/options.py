"""Options of the training loop, apart from the loop so that reading a configuration imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from workflow_scripts.core.validation import Strict


class LoopOptions(Strict):
    """How long and where a model trains, and which epoch is best."""

    max_epochs: int = Field(10, ge=1, description="Epochs at most.")
    accelerator: Literal["auto", "cpu", "gpu"] = Field("auto", description="Where to train; auto = a GPU if any.")
    precision: Literal["32-true", "16-mixed", "bf16-mixed", "64-true"] = Field("32-true", description="Arithmetic.")
    monitor: str | None = Field("val_loss", description="Metric that chooses the best epoch; empty = the last epoch.")
    mode: Literal["min", "max"] = Field("min", description="Whether a lower or a higher value of it is better.")
    patience: int | None = Field(
        None, ge=1, description="Validations without improvement before stopping; empty = train all epochs."
    )
    gradient_clip: float | None = Field(None, gt=0, description="Largest norm of the gradient; empty = no clipping.")
    accumulate: int = Field(1, ge=1, description="Batches whose gradients make one step.")
    batches_per_epoch: int | None = Field(
        None, ge=1, description="Cut an epoch short after so many batches (checkpoints are written between epochs)."
    )
    validate_every: int = Field(1, ge=1, description="Epochs between validations.")
    checkpoint_every: int = Field(1, ge=1, description="Epochs between writes of resume.ckpt.")
    threads: int = Field(1, ge=1, description="CPU threads of torch.")
    devices: int = Field(1, ge=1, description="Devices of one machine that share each batch (DDP).")
    num_nodes: int = Field(1, ge=1, description="Machines that share each batch; one process a device on each.")
