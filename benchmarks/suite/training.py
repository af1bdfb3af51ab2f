"""Steps and epochs of the trained methods beside the bare network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import scipy.ndimage
import torch

from benchmarks.bench_bams import PAPER, SPEC, batch_of
from benchmarks.bench_lisbet import _batch, recording
from benchmarks.suite.entry import Case
from workflow_scripts.methods import parse
from workflow_scripts.methods.bams.config import Config as BamsConfig
from workflow_scripts.methods.bams.features import Layout as BamsLayout
from workflow_scripts.methods.bams.features import compute
from workflow_scripts.methods.bams.hoa import emd, weighted_mean, window_cdf
from workflow_scripts.methods.bams.module import Bams
from workflow_scripts.methods.bams.network import LONG, SHORT
from workflow_scripts.methods.lisbet.config import Config as LisbetConfig
from workflow_scripts.methods.lisbet.data import Steps
from workflow_scripts.methods.lisbet.draws import TRAIN, Drawer
from workflow_scripts.methods.lisbet.inputs import Layout
from workflow_scripts.methods.lisbet.module import Lisbet
from workflow_scripts.methods.lisbet.store import load_frames
from workflow_scripts.methods.lisbet.windows import Windows
from workflow_scripts.methods.rat_direction.augment_online import random_copy
from workflow_scripts.methods.rat_direction.module import DirectionNet
from workflow_scripts.simulate.rat_direction import Options as Frames
from workflow_scripts.simulate.rat_direction import make_frames
from workflow_scripts.views.images import ImageSpec
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


def lisbet_windows(share: float, folder: Path) -> Case:
    """The windows of a step of four tasks, gathered from frames in memory."""
    config = LisbetConfig(mode="faithful", preset="64x8", seed=1234, train_sample=0.05).resolved()
    one = recording("r", 2_128)
    spec = DataSpec.of(one)
    frames = load_frames((one for _ in range(20)), [one.n_frames] * 20, spec, config)
    plans = [
        list(step.plans.values())
        for step, _ in zip(Steps(Drawer(frames, config), config, config.train_sample, TRAIN), range(10), strict=False)
    ]
    source = Windows.of(frames, Layout.of(spec, config), config)
    made = [source.gather(plan)[0] for plan in plans]
    flat, half = one.position.reshape(one.n_frames, -1), config.window_size // 2
    centres = np.random.default_rng(0).integers(0, one.n_frames, len(made[0]))

    def plain() -> None:
        for _ in plans:
            index = (np.clip(np.arange(c - half, c + half), 0, len(flat) - 1) for c in centres)
            torch.stack([torch.from_numpy(flat[rows]) for rows in index])

    return Case(
        f"{len(plans)} steps of {len(made[0])} windows × {made[0].shape[1]} frames",
        lambda: [source.gather(plan) for plan in plans],
        plain,
        "windows cut one by one with numpy, torch.stack; no task changes them",
        lambda: [windows.clone() for windows in made],
        "a copy of the windows into fresh memory",
    )


class _Bams:
    """A batch of the paper's inputs, and the step of the published program on it: every frame through the head."""

    def __init__(self, share: float) -> None:
        self.model = Bams(BamsConfig(**PAPER, hoa_sample=1.0, mode="faithful"), SPEC).train()
        for layer in self.model.modules():  # the published program has PyTorch's own
            for kind in (torch.nn.PReLU, torch.nn.Dropout):
                if isinstance(layer, kind):
                    layer.__class__ = kind
        self.batch = batch_of(self.model, max(3, int(6 * share)), 1800 if share > 0.05 else 600)

    def targets(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Histograms of the coming frames, from prefix sums."""
        model, batch = self.model, self.batch
        with torch.no_grad():
            return window_cdf(batch.bins, batch.valid, batch.frames, model.windows, model.config.hoa_bins)

    def histograms(self) -> None:
        """The same from one-hot sums in a loop over frames, as a first version would make them."""
        model, batch = self.model, self.batch
        hot = torch.nn.functional.one_hot(batch.bins.long(), model.config.hoa_bins).float()
        for frame in batch.frames.tolist():
            for window in model.windows:
                last = min(frame + int(window), hot.shape[1]) if window > 0 else frame + 1
                hot[:, min(frame, last - 1) : last].sum(1)

    def bare(self, cdf: torch.Tensor, weight: torch.Tensor) -> None:
        """Forward and backward pass of the published losses."""
        model, batch = self.model, self.batch
        model.zero_grad()
        latents = model.encode(batch.inputs)
        seen = torch.cat([*(z[:, batch.frames] for z in latents.values()), batch.inputs[:, batch.frames]], dim=-1)
        logits = model.predictor(seen).unflatten(-1, (-1, model.config.hoa_bins))
        loss = model.config.hoa_weight * weighted_mean(emd(cdf, logits), weight)
        latent = sum(model._latent_loss(k, latents[k], f) for k, f in ((SHORT, batch.short), (LONG, batch.long)))
        (loss + model.config.byol_weight * latent).backward()

    @property
    def size(self) -> str:
        """What a batch is."""
        return f"{self.batch.inputs.shape[0]} sequences × {self.batch.inputs.shape[1]} frames"


def bams(share: float, folder: Path) -> Case:
    """A step of mode faithful with the paper's head."""
    made, model = _Bams(share), Bams(BamsConfig(**PAPER, hoa_sample=1.0, mode="faithful"), SPEC).train()
    known = made.targets()

    def ours() -> None:
        model.zero_grad()
        model.losses(made.batch)["loss"].backward()

    def plain() -> None:
        made.histograms()
        made.bare(*known)

    return Case(
        made.size,
        ours,
        plain,
        "the published step, targets from one-hot sums in a loop over frames",
        lambda: made.bare(*known),
        "the published step with targets that are there",
    )


def bams_sound(share: float, folder: Path) -> Case:
    """A step of mode sound with its own inputs, targets and head, beside the published step."""
    made, model = _Bams(share), Bams(BamsConfig(), SPEC).train()
    batch, known = batch_of(model, *made.batch.inputs.shape[:2]), made.targets()

    def ours() -> None:
        model.zero_grad()
        model.losses(batch)["loss"].backward()

    def limit() -> None:
        model.zero_grad()
        sum(latent.mean() for latent in model.encode(batch.inputs).values()).backward()  # type: ignore[union-attr]

    return Case(
        made.size,
        ours,
        lambda: made.bare(*known),
        "the published step with targets that are there",
        limit,
        "forward and backward pass of the encoders alone",
    )


def bams_targets(share: float, folder: Path) -> Case:
    """Histograms of the coming second of every frame."""
    made = _Bams(share)
    shape = made.targets()[0]
    return Case(
        made.size,
        made.targets,
        made.histograms,
        "one-hot sums in a loop over frames",
        shape.clone,
        "a copy of the targets into fresh memory",
    )


def bams_features(share: float, folder: Path) -> Case:
    """The 67 inputs of one mouse."""
    config = BamsConfig(**PAPER, mode="faithful").resolved()
    layout = BamsLayout.of(SPEC, config)
    rng = np.random.default_rng(0)
    position = rng.normal(0, 1, (max(1_800, int(90_000 * share)), 1, 12, 2)).cumsum(0).astype(np.float32) + 400
    made = compute(position, layout, config)

    def plain() -> pd.DataFrame:
        points = pd.DataFrame(position[:, 0].reshape(len(position), -1))
        x, y = points.iloc[:, ::2].mean(axis=1), points.iloc[:, 1::2].mean(axis=1)
        columns = {}
        for k in range(12):
            here, there = points[2 * k], points[2 * k + 1]
            angle = np.arctan2(there - y, here - x)
            columns |= {("cos", k): np.cos(angle), ("sin", k): np.sin(angle), ("turn", k): angle.diff()}
            columns |= {("distance", k): np.hypot(here - x, there - y)}
            columns |= {("speed", k): np.hypot(here.diff(), there.diff())}
        return pd.DataFrame(columns).fillna(0)

    return Case(
        f"{len(position)} frames of a mouse, {len(layout.inputs)} inputs",
        lambda: compute(position, layout, config),
        plain,
        "pandas, column by column: 60 angles, distances and speeds of the kind",
        lambda: [np.arctan2(position[:, 0, :, 0], position[:, 0, :, 1]) for _ in range(3)] and made.inputs.copy(),
        "36 arctangents a frame, and a copy of the inputs",
    )


def direction(share: float, folder: Path) -> Case:
    """A step of the rat direction extractor: copies on the fly, loss, backward pass and optimiser."""
    batch = max(32, int(256 * share))
    frames = make_frames(Frames(frames=batch))
    model = DirectionNet(parse("rat_direction", {}).resolved(), ImageSpec.of(frames)).train()
    copies, half = model.config.copies, frames.images.shape[-1] / 2
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    x, y = torch.from_numpy(frames.images), torch.from_numpy(frames.points)

    def backward(images: torch.Tensor, points: torch.Tensor) -> None:
        model._loss(model.scaled(images), (points - half) / half).backward()

    def step(images: torch.Tensor, points: torch.Tensor) -> None:
        optimizer.zero_grad()
        backward(images, points)
        optimizer.step()

    def plain() -> None:
        turned = [
            scipy.ndimage.shift(np.rot90(image, k % 4), (k % 3, k % 2))
            for k, image in enumerate(frames.images.squeeze())
        ]
        step(torch.from_numpy(np.stack(turned)).reshape(x.shape), y)

    return Case(
        f"{batch} frames of {frames.images.shape[-1]} px",
        lambda: step(*random_copy(x, y, copies)),
        plain,
        "copies by numpy.rot90 and scipy.ndimage.shift, frame by frame; the points are not turned",
        lambda: backward(x, y),
        "forward and backward pass on copies that are there",
    )


ENTRIES = {
    "LISBET windows": lisbet_windows,
    "LISBET step": lisbet,
    "BAMS features": bams_features,
    "BAMS targets": bams_targets,
    "BAMS step, faithful": bams,
    "BAMS step, sound": bams_sound,
    "rat direction step": direction,
}
