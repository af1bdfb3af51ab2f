"""What a run writes while it trains: `metrics.csv`, `console.log`, TensorBoard."""

from __future__ import annotations

import json
import logging
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from workflow_scripts.core.progress import Meter
from workflow_scripts.training.metrics import LEADING, column_order, write_metrics
from workflow_scripts.training.processes import mean_over_processes

log = logging.getLogger("ethomake.training")


class MetricsLog(Checkpoint):
    """Collect one row an epoch, and append it to `metrics.csv`.

    The file is written whole at the beginning (with the rows of a resumed run, so that none is there twice), where
    a new column appears, and at the end: rewriting it every epoch would cost more than many an epoch does.

    It counts as a checkpoint callback for Lightning, because only those run after the model's own epoch-end hook and
    so see the metrics logged there.

    Parameters
    ----------
    path : Path
        `metrics.csv`.
    validate_every : int
        Epochs between validations; the others get empty cells, not stale values.
    """

    def __init__(self, path: Path, validate_every: int) -> None:
        self.path = path
        self.validate_every = validate_every
        self.rows: list[dict[str, float]] = []
        self._lines: list[str] = []
        self._columns: list[str] = []
        self._began = 0.0
        self._lr = 0.0
        self._meter = Meter("training", None, "epochs")

    @property
    def state_key(self) -> str:
        """Name of our part of the checkpoint."""
        return "metrics"

    def state_dict(self) -> dict[str, Any]:
        """Return the rows so far, as one text: torch's pickler takes long over many small numbers."""
        return {"rows": "\n".join(self._lines)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take a former run's rows."""
        self._lines = state_dict["rows"].splitlines()
        self.rows = [json.loads(line) for line in self._lines]
        for row in self.rows:
            row.pop("seconds", None)  # a column of version 0.1

    def write(self) -> None:
        """Write `metrics.csv` whole."""
        write_metrics(self.path, self.rows)
        self._columns = column_order(self.rows)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Repeat the former rows, whose files may be gone with the killed job."""
        if self.rows and trainer.is_global_zero:
            self.write()
            log.info("resumed after epoch %d", self.rows[-1]["epoch"])
        self._meter = Meter(f"training {type(pl_module).__name__}", max(trainer.max_epochs or 0, 0), "epochs")
        for row in self.rows:
            scalars = {name: value for name, value in row.items() if name != "step"}
            for logger in trainer.loggers:
                logger.log_metrics(scalars, step=int(row["step"]) - 1)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note the time and the learning rate the epoch begins with."""
        self._began = time.monotonic()
        optimizers = trainer.optimizers
        self._lr = float(optimizers[0].param_groups[0]["lr"]) if optimizers else 0.0

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the epoch's row."""
        epoch = trainer.current_epoch
        validated = (epoch + 1) % self.validate_every == 0
        row: dict[str, float] = {
            "epoch": epoch,
            "step": trainer.global_step,
            "lr": self._lr,
        }
        for name, value in trainer.callback_metrics.items():
            plain = name.removesuffix("_epoch").replace("/", "_")
            if not name.endswith("_step") and (validated or not plain.startswith("val_")):
                row[plain] = mean_over_processes(trainer, float(value))
        self._meter.set(epoch + 1)
        self.rows.append(row)
        self._lines.append(json.dumps(row))
        if trainer.world_size > 1 and not trainer.is_global_zero:
            return
        if row.keys() <= set(self._columns):
            cells = (row.get(name, "") for name in self._columns)
            with open(self.path, "a", encoding="utf-8") as handle:
                handle.write(",".join(map(str, cells)) + "\n")
        else:
            self.write()
        shown = "  ".join(f"{name} {value:.5g}" for name, value in sorted(row.items()) if name not in LEADING)
        log.info("epoch %d  %.1f s  lr %.3g  %s", epoch, time.monotonic() - self._began, self._lr, shown)


@contextmanager
def quiet_console(path: Path, *, append: bool) -> Iterator[None]:
    """Write our log lines to `path`, and keep Lightning's chatter out of everybody's terminal, inside the block.

    Parameters
    ----------
    path : Path
        `console.log`.
    append : bool
        Keep what is there (a resumed run).
    """
    handler = logging.FileHandler(path, mode="a" if append else "w", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s"))
    former_level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    chatty = [
        logging.getLogger(name)
        for name in ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero")
    ]
    levels = [logger.level for logger in chatty]
    for logger in chatty:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            # Advice about loader workers, logging intervals and GPUs that the configuration has already decided.
            warnings.filterwarnings("ignore", module=r"lightning\..*")
            yield
    finally:
        for logger, level in zip(chatty, levels, strict=True):
            logger.setLevel(level)
        log.removeHandler(handler)
        log.setLevel(former_level)
        handler.close()
