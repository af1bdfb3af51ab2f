"""The one training loop of all methods that learn by gradient, on Lightning's Trainer."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
import yaml
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from torch import nn

from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.core.files import write_text
from workflow_scripts.core.progress import may_draw
from workflow_scripts.training.checkpoints import AtomicIO, Keeper, StopSignals
from workflow_scripts.training.curves import curves, save_figure
from workflow_scripts.training.distributed import share_batch_norms
from workflow_scripts.training.epochs import EpochSeeds, SeededData
from workflow_scripts.training.logs import MetricsLog, quiet_console
from workflow_scripts.training.metrics import read_metrics
from workflow_scripts.training.model import TrainedModel, TrainingData
from workflow_scripts.training.options import LoopOptions
from workflow_scripts.training.passing import passing
from workflow_scripts.training.processes import environment, is_first_process
from workflow_scripts.training.seeds import seed_all
from workflow_scripts.training.weights import read_checkpoint, save_weights

log = logging.getLogger("ethomake.training")


@dataclass(frozen=True)
class FitResult:
    """How a training went.

    Attributes
    ----------
    folder : Path
        Holds the files named in :func:`fit`.
    epochs, steps : int
        Finished epochs and optimiser steps, those before a resumption included.
    best_epoch : int
        Counted from 0; its weights are in `weights_best.safetensors`.
    best_value : float or None
        The monitored metric there.
    stopped_early : bool
    resumed_after : int or None
        Last epoch found in `resume.ckpt`, None for a fresh start.
    seconds : float
        Wall time of this process's part.
    """

    folder: Path
    epochs: int
    steps: int
    best_epoch: int
    best_value: float | None
    stopped_early: bool
    resumed_after: int | None
    seconds: float


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Use `count` CPU threads inside the block."""
    former = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(former)


def _fingerprint(
    module: nn.Module, options: LoopOptions, seed: int, hparams: Mapping[str, Any], digest: str | None
) -> str:
    settings = {
        "hparams": hparams,
        "options": options.model_dump(exclude={"checkpoint_every"}),
        "seed": seed,
        "digest": digest,
        "state": {name: list(tensor.shape) for name, tensor in module.state_dict().items()},
        "torch": str(torch.__version__),
    }
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()


def _first_epoch(path: Path, fingerprint: str, digest: str | None) -> int:
    """Return the epoch `resume.ckpt` continues with, or 0 where it is absent, of another run, or not to be trusted."""
    if not path.is_file():
        return 0
    checkpoint = read_checkpoint(path)
    keeper = checkpoint.get("callbacks", {}).get("keeper", {})
    if keeper.get("fingerprint") != fingerprint or (keeper.get("finished") and digest is None):
        return 0
    return int(checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"])


def _hparams_text(
    module: nn.Module, options: LoopOptions, seed: int, hparams: Mapping[str, Any], digest: str | None
) -> str:
    settings = {
        **hparams,
        "seed": seed,
        "training": options.model_dump(),
        "parameters": sum(parameter.numel() for parameter in module.parameters()),
        "digest": digest,
        "versions": {"torch": str(torch.__version__), "lightning": lightning.__version__},
    }
    plain = json.loads(json.dumps(settings, default=str))
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)


def fit(
    model: TrainedModel | LightningModule,
    datamodule: TrainingData | LightningDataModule,
    *,
    folder: str | Path,
    options: LoopOptions,
    seed: int,
    hparams: Mapping[str, Any] | None = None,
    digest: str | None = None,
) -> FitResult:
    """Train `model`, or go on where a killed run stopped.

    A resumed run equals an uninterrupted one bit for bit on CPU: the order of the batches and every random number
    hang on (`seed`, epoch) alone, and a run goes on at the last finished epoch in `resume.ckpt`. For that, loaders
    shuffle by a torch sampler, or their sampler, dataset or own class has ``set_epoch(epoch)``.

    Parameters
    ----------
    model : TrainedModel or LightningModule
        Logs its metrics with ``self.log("train_…" | "val_…", value, on_epoch=True, batch_size=…)``: the batch size
        makes an epoch's mean the mean over its samples. It is left with the last weights.
    datamodule : TrainingData or LightningDataModule
    folder : str or Path
        Gets ``weights_best.safetensors``, ``weights_last.safetensors``, ``metrics.csv``, ``train_curves.png``,
        ``val_curves.png``, ``hparams.yaml``, ``console.log``, ``tensorboard/`` and ``resume.ckpt``.
    options : LoopOptions
    seed : int
    hparams : mapping, optional
        What else `hparams.yaml` should tell (method, options, dataset); plain values.
    digest : str, optional
        Digest of the data and code the run hangs on. With it, a finished run's checkpoint is used again; without it
        a finished run is trained afresh, since nothing says that its data are still the same.

    Returns
    -------
    FitResult

    Raises
    ------
    EthoMakeError
        When a GPU is asked for and there is none, or the monitored metric does not exist or is no number any more.
    InputError
        When `resume.ckpt` is damaged.
    SystemExit
        With status 0 in all but the first of several processes, which have nothing left to do.
    TrainingInterrupted
        On SIGTERM, SIGUSR1 or SIGINT (a SystemExit of status 75), after `resume.ckpt` is written.
    """
    if options.accelerator == "gpu" and not (torch.cuda.is_available() or torch.backends.mps.is_available()):
        raise EthoMakeError(
            "training.accelerator is gpu, and torch finds no GPU on this machine; set it to auto or cpu, or run there."
        )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    hparams = dict(hparams or {})
    resume = folder / "resume.ckpt"
    fingerprint = _fingerprint(model, options, seed, hparams, digest)
    first_epoch = _first_epoch(resume, fingerprint, digest)
    first, several = is_first_process(options), options.devices * options.num_nodes > 1
    if first:
        # Step events of an epoch that was cut off would stand there twice; the checkpoint tells the epochs again.
        shutil.rmtree(folder / "tensorboard", ignore_errors=True)
        write_text(folder / "hparams.yaml", _hparams_text(model, options, seed, hparams, digest))

    store, signals = AtomicIO(), StopSignals()
    metrics = MetricsLog(folder / "metrics.csv", options.validate_every)
    keeper = Keeper(
        path=resume,
        store=store,
        signals=signals,
        fingerprint=fingerprint,
        monitor=options.monitor,
        mode=options.mode,
        patience=options.patience,
        every=options.checkpoint_every,
        validate_every=options.validate_every,
    )
    on_gpu = options.accelerator != "cpu" and torch.cuda.is_available()
    if several and not on_gpu:
        share_batch_norms(model)
    module = model if isinstance(model, LightningModule) else passing(model)
    began = time.monotonic()
    with (
        quiet_console(folder / "console.log" if first else Path(os.devnull), append=first_epoch > 0),
        torch_threads(options.threads),
        signals.listen(),
    ):
        trainer = Trainer(
            accelerator=options.accelerator,
            devices=options.devices,
            num_nodes=options.num_nodes,
            # A head that one task alone uses gets no gradient in the steps of the others.
            strategy="ddp_find_unused_parameters_true" if several else "auto",
            sync_batchnorm=several and on_gpu,
            use_distributed_sampler=False,
            precision=options.precision,
            max_epochs=options.max_epochs,
            gradient_clip_val=options.gradient_clip,
            accumulate_grad_batches=options.accumulate,
            limit_train_batches=options.batches_per_epoch,
            check_val_every_n_epoch=options.validate_every,
            num_sanity_val_steps=0,
            logger=TensorBoardLogger(folder, name="tensorboard", version="", default_hp_metric=False),
            callbacks=[EpochSeeds(seed), metrics, keeper],
            plugins=[store, environment(options)],
            enable_progress_bar=may_draw(),
            enable_model_summary=False,
            default_root_dir=folder,
        )
        if isinstance(model, TrainedModel):
            model.fitted_by(module)
        seed_all(seed)
        trainer.fit(
            module,
            datamodule=SeededData(datamodule, seed, first_epoch),
            ckpt_path=resume if first_epoch else None,
            weights_only=True,
        )
        keeper.finished = True
        keeper.save(trainer)
        if not trainer.is_global_zero:
            raise SystemExit(0)  # the first process writes the files
        last = model.state_dict()
        save_weights(folder / "weights_last.safetensors", last)
        save_weights(folder / "weights_best.safetensors", keeper.best_state or last)
        metrics.write()
        table = read_metrics(folder / "metrics.csv")
        for side in ("train", "val"):
            save_figure(curves(table, side), folder / f"{side}_curves.png")
        store.flush()
        if options.monitor is None:
            log.info("the last epoch, %d, is kept as the best: training.monitor names no metric", keeper.best_epoch)
        else:
            log.info("best epoch %d, %s %s", keeper.best_epoch, options.monitor, keeper.best_value)
    return FitResult(
        folder=folder,
        epochs=len(metrics.rows),
        steps=int(metrics.rows[-1]["step"]),
        best_epoch=keeper.best_epoch,
        best_value=keeper.best_value,
        stopped_early=len(metrics.rows) < options.max_epochs,
        resumed_after=first_epoch - 1 if first_epoch else None,
        seconds=time.monotonic() - began,
    )
