"""Checkpoints: `resume.ckpt` (read without executing pickles), best and last weights, early stopping, signals."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import CheckpointIO

from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.core.files import atomic_path
from workflow_scripts.training.weights import read_checkpoint

EXIT_INTERRUPTED = 75
"""Exit status of a run stopped by a signal that can be resumed (`EX_TEMPFAIL`: try again)."""


class TrainingInterrupted(SystemExit):
    """A signal asked the run to stop; `resume.ckpt` holds its last finished epoch."""

    def __init__(self) -> None:
        super().__init__(EXIT_INTERRUPTED)


def _copy(value: Any) -> Any:
    """Copy tensors and the containers around them, which training goes on to change."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return type(value)(_copy(item) for item in value) if type(value) in (list, tuple) else value


class AtomicIO(CheckpointIO):
    """Checkpoints held in memory until :meth:`flush`, then written whole or not at all."""

    def __init__(self) -> None:
        self._pending: tuple[Path, dict[str, Any]] | None = None

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Keep a snapshot; only what is written is also serialised, which costs more than copying."""
        self._pending = (Path(path), _copy(checkpoint))

    def flush(self) -> None:
        """Write the newest snapshot, if it is not on disk yet."""
        if self._pending is not None:
            path, checkpoint = self._pending
            with atomic_path(path) as part:
                torch.save(checkpoint, part)
            self._pending = None

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint (errors as :func:`read_checkpoint`)."""
        return read_checkpoint(path)

    def remove_checkpoint(self, path: str | Path) -> None:
        """Delete a checkpoint."""
        Path(path).unlink(missing_ok=True)


class StopSignals:
    """Remember that SIGTERM, SIGUSR1 or SIGINT (Ctrl-C) came, instead of dying in mid-step.

    Ctrl-C most of all: an exception anywhere, as Python raises it, can leave the queue of TensorBoard's writer so that
    closing it waits for two minutes. A second Ctrl-C does raise it.
    """

    def __init__(self) -> None:
        self.received = False

    def _note(self, number: int, frame: Any) -> None:
        if self.received and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = True

    @contextmanager
    def listen(self) -> Iterator[None]:
        """Listen inside the block; the former handlers come back after it."""
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread may set handlers
            return
        numbers = [signal.SIGTERM, signal.SIGUSR1]
        if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:  # as in a shell's background
            numbers.append(signal.SIGINT)
        former = {number: signal.signal(number, self._note) for number in numbers}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)


class Keeper(Checkpoint):
    """Keep the best weights and `resume.ckpt`, stop early, and stop on a signal.

    Parameters
    ----------
    path : Path
        `resume.ckpt`.
    store : AtomicIO
    signals : StopSignals
    fingerprint : str
        What the run is; a checkpoint of another run is not resumed.
    monitor : str or None
        Metric that chooses the best epoch; None = the last.
    mode : {"min", "max"}
    patience : int or None
        Validations without improvement before the run stops; None = never.
    every : int
        Epochs between writes of `resume.ckpt`.
    validate_every : int
        Epochs between validations.
    """

    def __init__(
        self,
        *,
        path: Path,
        store: AtomicIO,
        signals: StopSignals,
        fingerprint: str,
        monitor: str | None,
        mode: Literal["min", "max"],
        patience: int | None,
        every: int,
        validate_every: int,
    ) -> None:
        self.path, self.store, self.signals, self.fingerprint = path, store, signals, fingerprint
        self.monitor, self.mode, self.patience = monitor, mode, patience
        self.every, self.validate_every = every, validate_every
        self.best_value: float | None = None
        self.best_epoch = -1
        self.best_state: dict[str, torch.Tensor] = {}
        self.stale = 0
        self.finished = False

    @property
    def state_key(self) -> str:
        """Name of our part of the checkpoint."""
        return "keeper"

    @property
    def exhausted(self) -> bool:
        """True when patience has run out."""
        return self.patience is not None and self.stale >= self.patience

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run must know."""
        names = ("fingerprint", "best_value", "best_epoch", "best_state", "stale", "finished")
        return {name: getattr(self, name) for name in names}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take a former run's state."""
        for name, value in state_dict.items():
            setattr(self, name, value)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse what cannot be resumed exactly; stop at once where patience had already run out."""
        if any(config.reduce_on_plateau for config in trainer.lr_scheduler_configs):
            # Lightning steps it after the hook in which checkpoints are saved, so its step would be lost.
            raise ValueError("ReduceLROnPlateau cannot be resumed exactly; use another schedule")
        if self.exhausted:
            trainer.should_stop = True

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop on a signal."""
        self._obey()

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Stop on a signal."""
        self._obey()

    def _obey(self) -> None:
        if self.signals.received:
            self.store.flush()
            raise TrainingInterrupted

    def _judge(self, trainer: Trainer, module: LightningModule) -> None:
        value = None
        if self.monitor is not None:
            metrics = trainer.callback_metrics
            if self.monitor not in metrics:
                known = ", ".join(sorted(metrics)) or "none"
                raise EthoMakeError(f"There is no metric {self.monitor!r} to choose the best epoch by; known: {known}.")
            value = float(metrics[self.monitor])
            if not math.isfinite(value):
                raise EthoMakeError(
                    f"Training diverged: {self.monitor} is {value} at epoch {trainer.current_epoch}; "
                    "lower the learning rate or clip the gradient."
                )
            sign = 1.0 if self.mode == "min" else -1.0
            if self.best_value is not None and sign * value >= sign * self.best_value:
                self.stale += 1
                return
        self.stale, self.best_value, self.best_epoch = 0, value, trainer.current_epoch
        self.best_state = {name: tensor.detach().cpu().clone() for name, tensor in module.state_dict().items()}

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Judge the epoch and take a snapshot."""
        epoch = trainer.current_epoch + 1
        if self.monitor is None or epoch % self.validate_every == 0:  # else the metric is a former epoch's
            self._judge(trainer, pl_module)
        if self.exhausted:
            trainer.should_stop = True
        self.save(trainer)
        if epoch % self.every == 0 or trainer.should_stop or epoch == trainer.max_epochs:
            self.store.flush()
        self._obey()

    def save(self, trainer: Trainer) -> None:
        """Take a snapshot of the whole run, still in memory."""
        trainer.save_checkpoint(self.path)
