"""Steps and epochs of the trained methods beside the bare network."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch

from benchmarks.bench_bams import PAPER, SPEC, batch_of
from benchmarks.bench_daart import train as train_daart
from benchmarks.bench_lisbet import _batch, recording
from benchmarks.suite.entry import Case
from workflow_scripts.methods.bams.config import Config as BamsConfig
from workflow_scripts.methods.bams.hoa import emd, weighted_mean
from workflow_scripts.methods.bams.module import Bams
from workflow_scripts.methods.bams.network import LONG, SHORT
from workflow_scripts.methods.daart.config import LossOptions, NetworkOptions
from workflow_scripts.methods.daart.module import Segmenter
from workflow_scripts.methods.daart.sequences import Signals
from workflow_scripts.methods.lisbet.config import Config as LisbetConfig
from workflow_scripts.methods.lisbet.data import Steps
from workflow_scripts.methods.lisbet.draws import TRAIN, Drawer
from workflow_scripts.methods.lisbet.inputs import Layout
from workflow_scripts.methods.lisbet.module import Lisbet
from workflow_scripts.methods.lisbet.store import load_frames
from workflow_scripts.methods.lisbet.windows import Windows
from workflow_scripts.views.tracks import DataSpec


def lisbet(share: float, folder: Path) -> Case:
    """Four tasks of 32 windows of 200 frames."""
    preset = "64x8" if share > 0.3 else "16x2"
    config = LisbetConfig(mode="faithful", preset=preset, seed=1234, train_sample=0.05).resolved()
    spec = DataSpec.of(recording("r", 2))
    n, length = 20, 2_128
    one = recording("r", length)
    frames = load_frames((one for _ in range(n)), [length] * n, spec, config)
    steps = iter(Steps(Drawer(frames, config), config, config.train_sample, TRAIN))
    source = Windows.of(frames, Layout.of(spec, config), config)
    model = Lisbet(config, spec)
    ready = source.gather(list(next(steps).plans.values()))[0].flatten(2)
    labels = torch.randint(0, 2, (4, 32)).float()

    def backward(windows: torch.Tensor) -> None:
        model.zero_grad()
        encoded = model.backbone(windows).split(32)
        losses = (
            torch.nn.functional.binary_cross_entropy_with_logits(head(part)[:, 0], label)
            for head, part, label in zip(model.task_heads.values(), encoded, labels, strict=True)
        )
        sum(losses).backward()  # type: ignore[union-attr]

    def ours() -> None:
        step = next(steps)
        gathered, _ = source.gather(list(step.plans.values()))
        model.zero_grad()
        model.losses(_batch(step, gathered), "train").backward()

    rng = np.random.default_rng(0)
    flat = one.position.reshape(length, -1)

    def plain() -> None:
        windows = []
        for centre in rng.integers(0, length, len(ready)):
            index = np.clip(
                np.arange(centre - config.window_size // 2, centre + config.window_size // 2), 0, length - 1
            )
            windows.append(torch.from_numpy(flat[index]))
        stacked = torch.stack(windows)
        backward(stacked[..., : ready.shape[-1]] if stacked.shape[-1] >= ready.shape[-1] else ready)

    return Case(
        f"{preset}, {len(ready)} windows of {ready.shape[1]} frames",
        ours,
        plain,
        "windows cut one by one with numpy, torch.stack, the same network",
        lambda: backward(ready),
        "forward and backward pass on windows that are there",
    )


def bams(share: float, folder: Path) -> Case:
    """The paper's network and losses on every frame, mode faithful."""
    model = Bams(BamsConfig(**PAPER, hoa_sample=1.0), SPEC).train()
    batch = batch_of(model, max(2, int(16 * share)), 1800 if share > 0.3 else 600)

    def bare(cdf: torch.Tensor, weight: torch.Tensor) -> None:
        model.zero_grad()
        latents = model.encode(batch.inputs)
        seen = torch.cat([*(z[:, batch.frames] for z in latents.values()), batch.inputs[:, batch.frames]], dim=-1)
        logits = model.predictor(seen).unflatten(-1, (-1, model.config.hoa_bins))
        loss = model.config.hoa_weight * weighted_mean(emd(cdf, logits), weight)
        latent = sum(model._latent_loss(k, latents[k], f) for k, f in ((SHORT, batch.short), (LONG, batch.long)))
        (loss + model.config.byol_weight * latent).backward()

    from workflow_scripts.methods.bams.hoa import window_cdf

    def targets() -> tuple[torch.Tensor, torch.Tensor]:
        with torch.no_grad():
            return window_cdf(batch.bins, batch.valid, batch.frames, model.windows, model.config.hoa_bins)

    known = targets()

    def histograms() -> tuple[torch.Tensor, torch.Tensor]:
        """The targets by a loop over frames of one-hot sums, as a first version would make them."""
        hot = torch.nn.functional.one_hot(batch.bins.long(), model.config.hoa_bins).float()
        for frame in batch.frames.tolist():
            for window in model.windows:
                last = min(frame + int(window), hot.shape[1]) if window > 0 else frame + 1
                hot[:, min(frame, last - 1) : last].sum(1)
        return known

    return Case(
        f"{batch.inputs.shape[0]} sequences × {batch.inputs.shape[1]} frames × {batch.inputs.shape[2]} quantities",
        lambda: bare(*targets()),
        lambda: bare(*histograms()),
        "targets from one-hot sums in a loop over frames, the same network",
        lambda: bare(*known),
        "forward and backward pass with targets that are there",
    )


def daart(share: float, folder: Path) -> Case:
    """An epoch of strong labels, through the loop with its logs and checkpoints."""
    rng = np.random.default_rng(0)
    frames = max(4_000, int(50_000 * share))
    strong = np.where(rng.random(frames) < 0.5, rng.integers(0, 6, frames), -1)
    signals = [Signals("a", rng.standard_normal((frames, 16)).astype(np.float32), strong, np.full(frames, -1))]
    epochs = 3
    model = Segmenter(16, 6, network=NetworkOptions(), loss=LossOptions(), learning_rate=1e-3)
    cut = torch.from_numpy(signals[0].x[: frames // 500 * 500]).unflatten(0, (-1, 500))
    target = torch.from_numpy(strong[: frames // 500 * 500]).unflatten(0, (-1, 500))
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, amsgrad=True)

    def limit() -> None:
        for _ in range(epochs):
            for start in range(0, len(cut), 2):
                optimiser.zero_grad()
                logits = model.network(cut[start : start + 2]).strong
                torch.nn.functional.cross_entropy(
                    logits.reshape(-1, logits.shape[-1]), target[start : start + 2].reshape(-1), ignore_index=-1
                ).backward()
                optimiser.step()

    with tempfile.TemporaryDirectory(dir=folder):
        return Case(
            f"{epochs} epochs of {frames} frames × 16 columns, sequences of 500, batch 2",
            lambda: train_daart(signals, 6, epochs=epochs, sequences={"batch_size": 2}),
            None,
            "",
            limit,
            "forward, backward and Adam on sequences that are there",
        )


ENTRIES = {"LISBET step": lisbet, "BAMS step, faithful": bams, "daart epochs": daart}
