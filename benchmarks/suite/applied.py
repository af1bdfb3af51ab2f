"""Models applied to new recordings and videos, boosted trees, reading of crop videos, and the report's page."""

from __future__ import annotations

import itertools
from pathlib import Path

import av
import numpy as np
import pandas as pd
import torch
from sklearn.ensemble import HistGradientBoostingClassifier

from benchmarks import bench_report
from benchmarks.bench_lisbet import recording
from benchmarks.bench_mvd import crop_video
from benchmarks.suite.entry import Case
from workflow_scripts.formats.splits import Split
from workflow_scripts.formats.tracks import Labels, Recording, write_tracks
from workflow_scripts.methods import parse
from workflow_scripts.methods.boosting.config import Config
from workflow_scripts.methods.boosting.fit import fit_trees
from workflow_scripts.methods.boosting.method import Boosting
from workflow_scripts.methods.mvd.augment import augment, normalise
from workflow_scripts.methods.mvd.inference import read_chunks
from workflow_scripts.methods.mvd.method import predict as predict_video
from workflow_scripts.methods.mvd.module import MvdClassifier
from workflow_scripts.methods.mvd.store import FrameStore, stored_side
from workflow_scripts.views.clips import ClipSpec
from workflow_scripts.views.tracks import TrackView

CLASSES = ("base", "attack", "mount", "other")
VIDEO_CLASSES = ("idle", "groom", "twitch")
NANO = {"size": "nano", "num_frames": 32, "sampling_rate": 1, "motion": True, "hop": 4, "infer_batch": 32}


def boosting(share: float, folder: Path) -> Case:
    """Trees of one task: rounds and temperature by inner folds over groups, then all rows."""
    rng = np.random.default_rng(0)
    rows, groups = int(20_000 * share), 12
    config = Config(seed=0)
    codes = np.repeat(rng.integers(0, 4, rows // 20 + 1), 20)[:rows].astype(np.int64)
    x = (rng.normal(size=(rows, 120)) + 0.3 * codes[:, None] * (np.arange(120) < 12)).astype(np.float32)
    number = np.arange(rows) * groups // rows

    def forest(train: np.ndarray | slice) -> HistGradientBoostingClassifier:
        made = HistGradientBoostingClassifier(
            max_iter=config.max_iter, learning_rate=config.learning_rate, class_weight="balanced", early_stopping=False
        )
        return made.fit(x[train], codes[train])

    def plain() -> None:
        for fold in range(config.folds):
            held = number % config.folds == fold
            list(forest(~held).staged_predict_proba(x[held]))
        forest(slice(None))

    return Case(
        f"{rows} × 120, {len(CLASSES)} classes, {config.folds} inner folds",
        lambda: fit_trees(x, codes, number.astype(np.int64), config),
        plain,
        "scikit-learn's trees for each inner fold with staged probabilities, then for all rows",
        lambda: forest(slice(None)),
        "one fit of all rounds",
    )


def _labelled(name: str, frames: int) -> Recording:
    made = recording(name, frames)
    codes = np.repeat(np.random.default_rng(frames).integers(0, 4, frames // 30 + 1), 30)[:frames].astype(np.uint8)
    made.labels["behaviour"] = Labels(codes, np.ones(frames, bool), "frame", "multiclass", CLASSES, "base")
    return made


def hour(share: float, folder: Path) -> Case:
    """Boosted trees on an hour of two animals at 30 frames a second, after start-up."""
    names = [f"r{k}" for k in range(4)]
    write_tracks(folder / "tracks.h5", [_labelled(name, 3_000) for name in names])
    view = TrackView(folder / "tracks.h5", Split("toy", "all", "all", names, [], [], {name: name for name in names}))
    model = Boosting(Config(seed=0, max_iter=30), view.spec())
    model.fit(view)
    frames = max(3_000, int(108_000 * share))
    new = recording("new", frames)
    width = model.maker.columns(recording("short", 300), float(model.length), edges=False).shape[1]
    trees = HistGradientBoostingClassifier(max_iter=30, early_stopping=False)
    trees.fit(np.random.default_rng(0).normal(size=(2_000, width)), np.arange(2_000) % len(CLASSES))

    def plain() -> None:
        flat = pd.DataFrame(new.position.reshape(frames, -1))
        tables = [flat, flat.diff()]
        for window in itertools.cycle((15, 31, 91, 301)):
            if sum(table.shape[1] for table in tables) >= width:
                break
            tables += [flat.rolling(window, center=True).mean(), flat.rolling(window, center=True).std()]
        trees.predict_proba(pd.concat(tables, axis=1).to_numpy()[:, :width])

    return Case(
        f"{frames} frames of two animals, {width} columns",
        lambda: model.probabilities(new),
        plain,
        "pandas: as many columns of coordinates, differences, rolling means and deviations; scikit-learn's trees",
        lambda: model.maker.columns(new, float(model.length), edges=False),
        "the columns that the trees read",
    )


def reads(share: float, folder: Path) -> Case:
    """Windows of sixteen frames at random places of a crop video, too large to be kept in memory."""
    made = crop_video(folder / "crop.mp4", max(200, int(2_000 * share)), 224)
    store = FrameStore([made], 224, cache_mb=0)
    starts = np.random.default_rng(0).integers(0, made.n_frames - 16, 30)

    def plain() -> None:
        for start in starts:
            with av.open(str(made.path)) as container:
                for number, frame in enumerate(container.decode(video=0)):
                    if number >= start:
                        frame.to_ndarray(format="rgb24")
                    if number == start + 15:
                        break

    def limit() -> None:
        with av.open(str(made.path)) as container:
            for number, _ in enumerate(container.decode(video=0)):
                if number == 30 * 16:
                    break

    return Case(
        f"30 windows of 16 frames, {made.n_frames} frames of 224 px",
        lambda: [store.frames(0, start + np.arange(16)) for start in starts],
        plain,
        "PyAV, decoding from the beginning to the window",
        limit,
        "PyAV decoding as many frames in a row",
    )


def _classifier(**options: object) -> MvdClassifier:
    return MvdClassifier(parse("mvd", options).resolved(), ClipSpec(30.0, 256, {"action": VIDEO_CLASSES}))


def video_step(share: float, folder: Path) -> Case:
    """A training step from stored bytes: augmentation, loss, backward pass and optimiser."""
    model = _classifier(**NANO)
    config = model.config
    optimizer = torch.optim.AdamW(model.layer_rates(), fused=True)
    batch, kept = max(4, int(16 * share)), stored_side(96, config.side)
    pixels = torch.randint(0, 256, (batch, config.num_frames, kept, kept, 3), dtype=torch.uint8)
    steps = config.num_frames // 2 if config.head == "tubelet" else 1
    targets, weights = torch.full((batch, steps, 3), 1 / 3), torch.ones(batch, steps)

    def made() -> tuple[torch.Tensor, ...]:
        video, goal, mask = augment(pixels, targets, weights, config.side, config.augment)
        return normalise(video, motion=config.motion), goal, mask

    def backward(video: torch.Tensor, goal: torch.Tensor, mask: torch.Tensor) -> None:
        model.loss(model.network(video), goal, mask).backward()

    def ours() -> None:
        backward(*made())
        optimizer.step()
        optimizer.zero_grad()

    def plain() -> None:
        windows = []
        for window in pixels:
            video = window.permute(0, 3, 1, 2).float() / 255
            video = torch.nn.functional.interpolate(video, (config.side, config.side), mode="bilinear")
            video = video.flip(-1) if torch.rand(()) < 0.5 else video
            change = video.mean(1, keepdim=True).diff(dim=0).abs()
            windows.append(torch.cat([(video - 0.45) / 0.225, torch.cat([change[:1], change])], 1).transpose(0, 1))
        backward(torch.stack(windows), targets, weights)
        optimizer.step()
        optimizer.zero_grad()

    ready = made()
    return Case(
        f"nano, {batch} windows of {config.num_frames} × {config.side} px",
        ours,
        plain,
        "each window scaled, mirrored and normalised by itself, torch.stack; no turn, colour, mixing or erasing",
        lambda: backward(*ready),
        "forward and backward pass on windows that are there",
    )


def sliding(share: float, folder: Path) -> Case:
    """A prediction for every frame of a crop video, decoding included."""
    made = crop_video(folder / "crop.mp4", max(160, int(640 * share)), 96)
    model = _classifier(**NANO).eval()
    chunks = read_chunks(made, model.config.side)
    firsts, batches = [], []
    for starts, tubes in model.slider.batches(chunks, torch.Tensor.clone):
        firsts += starts
        batches.append(tubes.transpose(1, 2).flatten(2, 3))

    @torch.inference_mode()
    def plain() -> None:
        with av.open(str(made.path)) as container:
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        for first, window in zip(firsts, (window for windows in batches for window in windows), strict=True):
            torch.from_numpy(np.stack(frames[first : first + model.slider.span])).permute(3, 0, 1, 2).float()
            model.answer(window[None])

    @torch.inference_mode()
    def limit() -> None:
        for windows in batches:
            model.answer(windows)

    return Case(
        f"nano, {made.n_frames} frames, {sum(map(len, batches))} windows",
        lambda: predict_video(model, made),
        plain,
        "PyAV, then each window stacked and given to the network by itself",
        limit,
        "forward passes on windows that are there",
    )


def report(share: float, folder: Path) -> Case:
    """The page of an experiment of 200 classes, 500 recordings and 50 methods."""
    classes, recordings, methods = max(10, int(200 * share)), max(20, int(500 * share)), max(4, int(50 * share))
    bench_report.write(folder, classes, recordings, methods)
    return Case(
        f"{classes} classes, {recordings} recordings, {methods} methods",
        lambda: bench_report.page(folder),
        lambda: [pd.read_csv(path).to_html() for path in folder.rglob("*.csv")],
        "pandas.DataFrame.to_html of each table, without a figure",
        lambda: [path.read_bytes() for path in folder.rglob("*.csv")],
        "reading the tables' bytes",
    )


ENTRIES = {
    "boosting": boosting,
    "apply, an hour": hour,
    "clip reads": reads,
    "MVD step": video_step,
    "MVD sliding inference": sliding,
    "report": report,
}
