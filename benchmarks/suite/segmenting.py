"""daart: epochs through the loop, prediction of a recording, and the scores of frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import f1_score

from benchmarks.bench_daart import train
from benchmarks.suite.entry import Case
from workflow_scripts.methods.daart.config import LossOptions, NetworkOptions
from workflow_scripts.methods.daart.module import Segmenter
from workflow_scripts.methods.daart.sequences import Signals
from workflow_scripts.metrics.frames import confusion, macro_f1

INPUTS, CLASSES = 16, 6


def segmenter() -> Segmenter:
    """The published network."""
    torch.manual_seed(0)
    return Segmenter(INPUTS, CLASSES, network=NetworkOptions(), loss=LossOptions(), learning_rate=1e-3)


def epochs(share: float, folder: Path) -> Case:
    """Epochs of strong labels, through the loop with its logs, curves and checkpoints."""
    rng = np.random.default_rng(0)
    frames, many = max(4_000, int(50_000 * share)), 10
    strong = np.where(rng.random(frames) < 0.5, rng.integers(0, CLASSES, frames), -1)
    signals = [Signals("a", rng.standard_normal((frames, INPUTS)).astype(np.float32), strong, np.full(frames, -1))]
    model = segmenter()
    pad = model.network.pad
    count = frames // 500
    cut = torch.from_numpy(signals[0].x[: count * 500]).unflatten(0, (-1, 500))
    cut = torch.nn.functional.pad(cut, (0, 0, pad, pad))  # each sequence brings the frames that it sees beside it
    target = torch.nn.functional.pad(
        torch.from_numpy(strong[: count * 500]).unflatten(0, (-1, 500)), (pad, pad), value=-1
    )
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, amsgrad=True)

    def step(x: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        optimiser.zero_grad()
        logits = model.network(x).strong.reshape(-1, CLASSES)
        loss = torch.nn.functional.cross_entropy(logits, wanted.reshape(-1), ignore_index=-1)
        loss.backward()
        optimiser.step()
        return loss

    def limit() -> None:
        for start in (start for _ in range(many) for start in range(0, len(cut), 8)):
            step(cut[start : start + 8], target[start : start + 8])

    def plain() -> None:
        data = torch.utils.data.TensorDataset(cut, target)
        for _ in range(many):
            for x, wanted in torch.utils.data.DataLoader(data, batch_size=8, shuffle=True):
                step(x, wanted).item()  # as a log of the loss asks for it

    return Case(
        f"{many} epochs of {frames} frames × {INPUTS} columns, sequences of 500, batch 8",
        lambda: train(signals, CLASSES, epochs=many, sequences={"batch_size": 8, "trial_splits": "1;0;0;0"}),
        plain,
        "a loop over torch.utils.data.DataLoader, without curves, checkpoints or logs",
        limit,
        "forward, backward and Adam on sequences that are there",
    )


def prediction(share: float, folder: Path) -> Case:
    """Class probabilities of every frame of a recording."""
    model = segmenter().eval()
    x = np.random.default_rng(0).standard_normal((max(9_000, int(108_000 * share)), INPUTS)).astype(np.float32)
    pieces = [torch.from_numpy(part)[None] for part in np.array_split(x, len(x) // 8192 + 1)]

    def plain() -> None:
        pad = model.network.pad
        padded = np.pad(x, ((pad, pad), (0, 0)))
        with torch.no_grad():
            for start in range(0, len(x), 500):
                model.network(torch.from_numpy(padded[start : start + 500 + 2 * pad])[None]).strong.softmax(-1)

    @torch.no_grad()
    def limit() -> None:
        for piece in pieces:
            model.network(piece)

    return Case(
        f"{len(x)} frames × {INPUTS} columns",
        lambda: model.probabilities(x),
        plain,
        "the network on sequences of 500 frames, one by one, with the frames beside them",
        limit,
        "the network on pieces without overlap",
    )


def scores(share: float, folder: Path) -> Case:
    """Macro F1 of frames, resampled 1 000 times over recordings as intervals are."""
    rng = np.random.default_rng(0)
    frames, recordings, draws = max(2_000, int(20_000 * share)), 20, 1_000
    truth = rng.integers(0, CLASSES, (recordings, frames // recordings))
    said = np.where(rng.random(truth.shape) < 0.7, truth, rng.integers(0, CLASSES, truth.shape))
    chosen = rng.integers(0, recordings, (draws, recordings))

    def ours() -> None:
        counts = np.stack([confusion(a, b, CLASSES) for a, b in zip(truth, said, strict=True)])
        weights = np.stack([np.bincount(row, minlength=recordings) for row in chosen])
        macro_f1(np.tensordot(weights, counts, 1))

    def plain() -> None:
        for rows in chosen[:20]:  # a fiftieth of them; the ratio below counts it so
            f1_score(truth[rows].ravel(), said[rows].ravel(), average="macro")

    return Case(
        f"{truth.size} frames, {draws} draws of {recordings} recordings (plain: 20 draws)",
        ours,
        plain,
        "sklearn f1_score of each draw, 20 draws only: the whole is 50 times that",
        lambda: np.bincount((truth * CLASSES + said).ravel()),
        "one count of the pairs",
    )


ENTRIES = {"daart epochs": epochs, "daart prediction": prediction, "daart metrics": scores}
