"""daart: CPU seconds of training and prediction, freezing of a real mouse, and what weak labels add on the fly twin.

    python benchmarks/bench_daart.py speed
    python benchmarks/bench_daart.py freezing --data <folder of mouse-freezing>
    python benchmarks/bench_daart.py flies --seeds 3

Each prints a table. One thread throughout; CPU seconds, since wall time on a shared machine says little.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import tempfile
import time
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import torch

from workflow_scripts.cards.card import load_card
from workflow_scripts.convert.tracks import convert_shard
from workflow_scripts.evaluation.options import IntervalConfig
from workflow_scripts.evaluation.scores.intervals import percentile_interval
from workflow_scripts.formats.bouts import runs as segments
from workflow_scripts.kinematics.geometry import fill_last_seen, norm, rate, rolling_moments, smooth
from workflow_scripts.methods.daart.config import Config, LossOptions, NetworkOptions, SequenceOptions
from workflow_scripts.methods.daart.inputs import columns, standardise
from workflow_scripts.methods.daart.module import Segmenter, SequenceData
from workflow_scripts.methods.daart.sequences import Signals
from workflow_scripts.metrics import frames as metrics
from workflow_scripts.metrics.segments import overlap_counts, segment_f1
from workflow_scripts.simulate import make_file
from workflow_scripts.training.curves import curves, save_figure
from workflow_scripts.training.logs import MetricsLog
from workflow_scripts.training.loop import fit
from workflow_scripts.training.metrics import read_metrics
from workflow_scripts.training.options import LoopOptions

DATASETS = Path(__file__).parents[1] / "config" / "datasets"


def train(
    signals: list[Signals],
    classes: int,
    *,
    epochs: int,
    seed: int = 0,
    network: dict | None = None,
    loss: dict | None = None,
    sequences: dict | None = None,
    learning_rate: float = 1e-3,
    monitor: str | None = None,
) -> Segmenter:
    network_, sequences_ = NetworkOptions(**(network or {})), SequenceOptions(**(sequences or {}))
    data = SequenceData(signals, [], options=sequences_, network=network_, classes=classes, seed=seed)
    torch.manual_seed(seed)
    loss_ = LossOptions(**(loss or {}))
    inputs = signals[0].x.shape[1]
    model = Segmenter(inputs, classes, network=network_, loss=loss_, learning_rate=learning_rate)
    options = LoopOptions(
        max_epochs=epochs, accelerator="cpu", monitor=monitor, mode="max" if monitor else "min", checkpoint_every=10_000
    )
    with tempfile.TemporaryDirectory() as folder:
        fit(model, data, folder=folder, options=options, seed=seed)
    return model


def _logging_cost(epochs: int = 500) -> float:
    """CPU seconds of the rows of `metrics.csv` and of both pictures of curves."""
    logged = {f"{side}_loss{term}": torch.tensor(0.1) for side in ("train", "val") for term in ("", "_strong", "_weak")}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        table = MetricsLog(path / "metrics.csv", 1)
        began = time.process_time()
        for epoch in range(epochs):
            trainer = SimpleNamespace(
                current_epoch=epoch, global_step=epoch, callback_metrics=logged, world_size=1, is_global_zero=True
            )
            table.on_train_epoch_end(trainer, None)
            table.state_dict()
        table.write()
        for side in ("train", "val"):
            save_figure(curves(read_metrics(path / "metrics.csv"), side), path / f"{side}.png")
        return time.process_time() - began


def speed(arguments: argparse.Namespace) -> None:
    rng = np.random.default_rng(0)
    made = []
    for name, n in (("a", 45_000), ("b", 50_000)):
        strong, weak = (np.where(rng.random(n) < share, rng.integers(0, 6, n), -1) for share in (0.04, 0.8))
        made.append(Signals(name, rng.standard_normal((n, 16)).astype(np.float32), strong, weak))
    rows = []
    every = {"lambda_weak": 1, "lambda_pred": 1}
    for what, loss, size in (
        ("strong only", {}, 2),
        ("all losses", every, 2),
        ("strong only", {}, 16),
        ("all losses", every, 16),
    ):
        seconds = {}
        for epochs in (1, 4):
            began = time.process_time()
            train(made, 6, epochs=epochs, loss=loss, sequences={"batch_size": size})
            seconds[epochs] = time.process_time() - began
        # The difference leaves out what is paid once: building, the curves, the last checkpoint.
        rows.append({"what": f"epoch of 95 000 frames, {what}, batch {size}", "cpu_s": (seconds[4] - seconds[1]) / 3})
    for backbone in ("temporal-mlp", "dtcn", "lstm"):
        model = Segmenter(16, 6, network=NetworkOptions(backbone=backbone), loss=LossOptions(), learning_rate=1e-3)
        model.probabilities(made[1].x)
        began = time.process_time()
        for _ in range(3):
            model.probabilities(made[1].x)
        rows.append({"what": f"prediction of 50 000 frames, {backbone}", "cpu_s": (time.process_time() - began) / 3})
    few = [Signals("a", made[0].x[:500], made[0].strong[:500], made[0].weak[:500])]
    began = time.process_time()
    train(few, 6, epochs=1)
    once = time.process_time() - began
    began = time.process_time()
    train(few, 6, epochs=301)
    per_epoch = (time.process_time() - began - once) / 300
    rows.append({"what": "500 epochs of next to nothing: loop, metrics, curves", "cpu_s": 500 * per_epoch + once})
    rows.append({"what": "of which metrics.csv and curves", "cpu_s": _logging_cost()})
    print(pd.DataFrame(rows).to_string(index=False, float_format="{:.3f}".format))


def _freezing_signals(folder: Path, velocity: bool) -> tuple[Signals, dict[str, np.ndarray]]:
    card = load_card(DATASETS / "mouse_freezing.yaml")
    recording = next(convert_shard(card, card.shards[0], folder))
    config = Config(velocity=velocity, coordinates="egocentric" if velocity else "image")
    x = standardise(columns(recording, config))
    labels = {name: found.values.astype(np.int64) for name, found in recording.labels.items()}
    return Signals("demo1", x, labels["freezing"], labels["rule_freezing"]), labels


def _energy(signals: Signals, folder: Path) -> Signals:
    """Take the speed of each point alone, in three smoothings: what freezing is defined by, and no place or posture."""
    card = load_card(DATASETS / "mouse_freezing.yaml")
    recording = next(convert_shard(card, card.shards[0], folder))
    flat = recording.position.reshape(recording.n_frames, -1)
    filled = fill_last_seen(flat, np.zeros(flat.shape[1])).reshape(recording.position.shape)
    step = np.linalg.norm(np.diff(filled, axis=0, prepend=filled[:1]), axis=-1)
    pace = np.log1p(step.reshape(len(step), -1))
    extra = [pace]
    for window in (9, 25):
        kernel = np.ones(window) / window
        extra.append(np.stack([np.convolve(column, kernel, "same") for column in pace.T], axis=1))
    return Signals(signals.id, standardise(np.concatenate(extra, axis=1)), signals.strong, signals.weak)


def _motion(signals: Signals, folder: Path, *, rules: bool = False) -> Signals:
    """Take speeds of smoothed points and of the head's and body's angles, log-scaled: slow against slower counts.

    With `rules`, the tool's two vectors and their rolling means come beside: what the rule's author knew, as an input.
    """
    card = load_card(DATASETS / "mouse_freezing.yaml")
    recording = next(convert_shard(card, card.shards[0], folder))
    flat = recording.position.reshape(recording.n_frames, -1)
    filled = fill_last_seen(flat, np.zeros(flat.shape[1])).reshape(recording.n_frames, -1, 2)
    at = {name: k for k, name in enumerate(recording.keypoints)}
    parts = []
    for window in (9, 25):
        points = smooth(filled, window)
        ears = (points[:, at["Left Ear"]] + points[:, at["Right Ear"]]) / 2
        axes = points[:, at["Nose"]] - ears, ears - points[:, at["Tailbase"]]
        turned = np.stack([np.unwrap(np.arctan2(axis[:, 1], axis[:, 0])) for axis in axes], axis=1)
        pace = np.concatenate([norm(rate(points, 1.0, 2)), np.abs(rate(turned, 1.0, 2))], axis=1)
        for mean in (1, 25):
            moved = rolling_moments(pace, mean, deviation=False)[0]
            parts.append(np.log(moved + np.percentile(moved, 5, axis=0)))
    if rules:
        said = np.stack(
            [recording.labels[name].values.astype(float) for name in ("rule_freezing", "rule_not_moving")], 1
        )
        parts += [rolling_moments(said, window, deviation=False)[0] for window in (1, 9, 25, 51)]
    return Signals(signals.id, standardise(np.concatenate(parts, axis=1)), signals.strong, signals.weak)


def _tidy(said: np.ndarray, gap: int, shortest: int) -> np.ndarray:
    """Fill gaps of at most `gap` frames between two bouts of freezing, then drop bouts shorter than `shortest`."""
    tidied = said.copy()
    for value, longest in ((0, gap), (1, shortest - 1)):
        found = segments(tidied)
        for start, stop, code in zip(*found, strict=True):
            inside = value == 1 or (start > 0 and stop < len(said))
            if code == value and stop - start <= longest and inside:
                tidied[start:stop] = 1 - value
    return tidied


def _tidied(probability: np.ndarray, truth: np.ndarray, block: int) -> np.ndarray:
    """Decide each block with the threshold, gap and shortest bout that do best in the other blocks."""
    choices = list(itertools.product((0.3, 0.4, 0.5), (0, 5, 10, 20), (1, 25, 40)))
    decided = np.stack([_tidy((probability > level).astype(int), gap, least) for level, gap, least in choices])
    found = np.empty(len(truth), int)
    for start in range(0, len(truth), block):
        other = np.ones(len(truth), bool)
        other[start : start + block] = False
        scores = [metrics.class_f1(metrics.confusion(truth[other], said[other], 2))[1] for said in decided]
        found[start : start + block] = decided[int(np.argmax(scores)), start : start + block]
    return found


def freezing(arguments: argparse.Namespace) -> None:
    """Six blocks of 1000 frames in time; each is held out once, its neighbours' nearest 100 frames train nothing."""
    n, block, guard = 6000, 1000, 100
    rows = []
    for features in arguments.features:
        signals, labels = _freezing_signals(arguments.data, velocity=features != "position")
        if features == "energy":
            signals = _energy(signals, arguments.data)
        if features.startswith("motion"):
            signals = _motion(signals, arguments.data, rules=features == "motion+rules")
        found = {name: np.full(n, np.nan) for name in arguments.methods}
        for start in range(0, n, block):
            stop = start + block
            kept = np.ones(n, bool)
            kept[max(start - guard, 0) : stop + guard] = False
            # The held-out block loses its hand labels and its rules; its neighbours train as recordings of their own.
            parts = [slice(0, max(start - guard, 0)), slice(min(stop + guard, n), n)]
            train_on = [
                Signals(str(k), signals.x[p], signals.strong[p], signals.weak[p])
                for k, p in enumerate(parts)
                if p.stop - p.start > 0
            ]
            for name, weak in (("dtcn", 0.0), ("dtcn + rules", 1.0)):
                if name not in arguments.methods:
                    continue
                # Weak labels fill in where no hand labelled; here that is the held-out part's surroundings.
                extra = (
                    [Signals("w", signals.x, np.where(kept, signals.strong, -1), signals.weak)] if weak else train_on
                )
                members = []
                for seed in range(arguments.seeds):
                    model = train(
                        extra,
                        2,
                        epochs=arguments.epochs,
                        seed=seed,
                        loss={"lambda_weak": weak, "weight_classes": False},
                        network={"n_lags": 8, "dropout": 0.3},
                        sequences={"sequence_length": 250, "batch_size": 4, "trial_splits": "1;0;0;0"},
                    )
                    members.append(model.probabilities(signals.x)[start:stop].numpy())
                found[name][start:stop] = np.mean(members, axis=0)[:, 1]
        truth = labels["freezing"]
        for name, probability in list(found.items()):
            found[name] = (probability > 0.5).astype(int)
            found[f"{name}, tidied"] = _tidied(probability, truth, block)
        found |= (
            {name: labels[name] for name in ("rule_freezing", "rule_not_moving")}
            if features == arguments.features[0]
            else {}
        )
        for name, said in found.items():
            rows.append(_binary_row(name, features, truth, said, block))
    print(pd.DataFrame(rows).to_string(index=False, float_format="{:.3f}".format))


def _binary_row(name: str, features: str, truth: np.ndarray, said: np.ndarray, block: int) -> dict[str, object]:
    """F1 of freezing, its interval over resampled blocks of time, and F1 of bouts."""
    pairs = np.stack([metrics.confusion(t, s, 2) for t, s in zip(np.split(truth, 6), np.split(said, 6), strict=True)])
    draws = np.random.default_rng(0).multinomial(6, np.full(6, 1 / 6), size=2000)
    sums = np.einsum("rb,bij->rij", draws.astype(float), pairs)
    low, high = percentile_interval(metrics.class_f1(sums)[:, 1], 0.95)
    bouts = segment_f1(overlap_counts(truth, said, np.ones(len(truth), bool), 2, (0.5,))[0, 1])
    value = float(metrics.class_f1(pairs.sum(axis=0))[1])
    rule = name.startswith("rule")
    return {
        "method": name,
        "inputs": "-" if rule else features,
        "f1": value,
        "low": low,
        "high": high,
        "bout_f1@0.5": float(bouts),
    }


def _flies(frames: int) -> list:
    card = load_card(DATASETS / "fly_daart_twin.yaml")
    with tempfile.TemporaryDirectory() as folder:
        for file in card.files:
            make_file(
                "fly_daart", file.path, Path(folder) / file.path, card.simulate.options | {"frames": frames}, card
            )
        return [recording for shard in card.shards for recording in convert_shard(card, shard, Path(folder))]


def flies(arguments: argparse.Namespace) -> None:
    """Train on three flies' sparse hand labels, judge on the other three by the simulated truth; both ways round."""
    recordings = _flies(arguments.frames)
    config = Config(velocity=True)
    made = []
    for recording in recordings:
        codes = {t: np.where(f.mask, f.values.astype(np.int64), -1) for t, f in recording.labels.items()}
        made.append(
            (
                Signals(recording.id, standardise(columns(recording, config)), codes["behaviour"], codes["heuristic"]),
                codes["truth"],
            )
        )
    classes = len(recordings[0].labels["behaviour"].vocabulary)
    grid = [(weak, pred) for weak in arguments.weak for pred in arguments.pred]
    scores: dict[tuple[object, ...], list[np.ndarray]] = {}
    for fold in (slice(0, 3), slice(3, 6)):
        held = made[fold]
        train_on = [signals for signals, _ in (made[3:] if fold.start == 0 else made[:3])]
        for seed in range(arguments.seeds):
            for weak, pred in grid:
                model = train(
                    train_on,
                    classes,
                    epochs=arguments.epochs,
                    seed=seed,
                    loss={"lambda_weak": weak, "lambda_pred": pred},
                    sequences={"sequence_length": 500, "batch_size": 4, "trial_splits": "1;0;0;0"},
                )
                pairs = [
                    _pairs(truth, model.probabilities(signals.x).argmax(dim=-1).numpy(), classes)
                    for signals, truth in held
                ]
                scores.setdefault((weak, pred), []).extend(pairs)
        for signals, truth in held:
            # Frames on which the rules keep silent are misses: class -1 goes to a column of its own.
            scores.setdefault(("rules", "-"), []).append(_pairs(truth, signals.weak, classes))
    rows = []
    reference = np.array([float(metrics.macro_f1(pairs)) for pairs in scores[(arguments.weak[0], arguments.pred[0])]])
    for (weak, pred), found in scores.items():
        values = np.array([float(metrics.macro_f1(pairs)) for pairs in found])
        row = {"lambda_weak": weak, "lambda_pred": pred, "macro_f1": values.mean(), "n": len(values)}
        if len(values) == len(reference):
            gain = values - reference
            row |= dict(zip(("gain", "low", "high"), (gain.mean(), *_interval(gain, arguments.seeds)), strict=True))
        per_class = metrics.class_f1(np.sum(found, axis=0))
        row |= {
            f"f1/{name}": value
            for name, value in zip(recordings[0].labels["behaviour"].vocabulary, per_class, strict=False)
        }
        rows.append(row)
    table = pd.DataFrame(rows)
    print(table.to_string(index=False, float_format="{:.3f}".format))
    if arguments.output:
        table.to_csv(arguments.output, index=False, float_format="%.4f")


def _pairs(truth: np.ndarray, said: np.ndarray, classes: int) -> np.ndarray:
    scored = truth >= 0
    return metrics.confusion(truth[scored], np.where(said < 0, classes, said)[scored], classes + 1)


def _interval(gain: np.ndarray, seeds: int) -> tuple[float, float]:
    """Interval of the mean gain over resampled flies, each with all its seeds: seeds of one fly are not independent."""
    by_fly = gain.reshape(2, seeds, 3).transpose(0, 2, 1).reshape(6, seeds).mean(axis=1)
    draws = np.random.default_rng(0).integers(0, 6, (IntervalConfig().resamples, 6))
    return percentile_interval(by_fly[draws].mean(axis=1), 0.95)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tasks = parser.add_subparsers(required=True)
    task = tasks.add_parser("speed")
    task.set_defaults(run=speed)
    task = tasks.add_parser("freezing")
    task.add_argument("--data", type=Path, required=True)
    task.add_argument("--features", nargs="+", default=["energy", "motion", "motion+rules"])
    every = ["dtcn", "dtcn + rules"]
    task.add_argument("--methods", nargs="+", default=every, choices=every)
    task.add_argument("--epochs", type=int, default=20)
    task.add_argument("--seeds", type=int, default=3)
    task.set_defaults(run=freezing)
    task = tasks.add_parser("flies")
    task.add_argument("--frames", type=int, default=9000)
    task.add_argument("--epochs", type=int, default=30)
    task.add_argument("--seeds", type=int, default=3)
    task.add_argument("--weak", type=float, nargs="+", default=[0.0, 1.0])
    task.add_argument("--pred", type=float, nargs="+", default=[0.0, 1.0])
    task.add_argument("--output", type=Path)
    task.set_defaults(run=flies)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable(logging.INFO)
    warnings.filterwarnings("ignore")
    arguments.run(arguments)


if __name__ == "__main__":
    main()
