"""The MABe evaluator against scikit-learn's separate fits: seconds, peak memory and agreement.

A submission of 300 000 × 128 float32 with thirteen tasks is written in the official layout; `evaluate_mabe` reads and
scores it whole (39 readouts at each of five penalties). scikit-learn fits the same training rows; by default only the
39 fits of penalty 1 are timed and the time of all 195 is five times theirs (--all runs every one). The scores compared
are the private scores at penalty 1.

    python benchmarks/bench_mabe_evaluator.py [--frames 300000] [--dim 128] [--all]
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.linear_model import Ridge, RidgeClassifier
from threadpoolctl import threadpool_limits

from workflow_scripts.evaluation.mabe.data import held_out
from workflow_scripts.evaluation.mabe.evaluator import evaluate_mabe
from workflow_scripts.evaluation.mabe.tasks import ALPHAS, MOUSE_TASKS, SEEDS
from workflow_scripts.sources.shared import npy_write

CLIP = 600
SHARES = {"SubmissionTrain": 2668 / 3736, "publicTest": 533 / 3736, "privateTest": 1.0}


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def simulate(folder: Path, frames: int, dim: int):
    """Write submission, labels and split; return the arrays as well."""
    rng = np.random.default_rng(0)
    n = frames // CLIP
    frames = n * CLIP
    labels = np.empty((13, frames), np.float32)
    for number, task in enumerate(MOUSE_TASKS):
        if number < 2:
            labels[number] = np.repeat(rng.random(n), CLIP)
        elif task in {"strain", "lights"}:
            labels[number] = np.repeat(rng.random(n) < 0.5, CLIP)
        else:  # bouts of 50 frames, from a third of the frames down to one in two hundred
            labels[number] = np.repeat(rng.random(frames // 50) < 0.33 * 0.6 ** (number - 3), 50)
    x = rng.normal(size=(frames, dim)).astype(np.float32)
    x += 0.4 * labels.T @ rng.normal(size=(13, dim)).astype(np.float32)
    x = x @ rng.normal(size=(dim, dim)).astype(np.float32) / np.float32(dim**0.5) + np.float32(0.5)
    clips = {f"C{k:05d}": (k * CLIP, (k + 1) * CLIP) for k in range(n)}
    order, split, start = rng.permutation(n), {}, 0
    for part, share in SHARES.items():
        stop = n if part == "privateTest" else start + round(share * n)
        split[part] = [f"C{k:05d}" for k in order[start:stop]]
        start = stop
    npy_write.save(folder / "submission.npy", {"frame_number_map": clips, "embeddings": x})
    types = ["Continious"] * 2 + ["Discrete"] * 11
    value = {"frame_number_map": clips, "vocabulary": list(MOUSE_TASKS), "task_type": types, "label_array": labels}
    npy_write.save(folder / "labels.npy", value)
    (folder / "split.json").write_text(json.dumps(split))
    return x, labels, clips, split


def rows_of(clips: dict, ids: list[str]) -> np.ndarray:
    return np.concatenate([np.arange(*clips[clip]) for clip in ids])


def by_sklearn(x, labels, clips, split, alphas):
    """Fit task by task; returns seconds in `fit` alone and the private scores of the last penalty."""
    seconds, scores = 0.0, []
    test = rows_of(clips, split["privateTest"] + split["publicTest"])
    train = [
        rows_of(
            clips,
            [
                clip
                for clip, out in zip(
                    split["SubmissionTrain"], held_out(len(split["SubmissionTrain"]), seed), strict=True
                )
                if not out
            ],
        )
        for seed in SEEDS
    ]
    for number, y in enumerate(labels):
        for alpha in alphas:
            said = []
            for rows in train:
                xs, ys = x[rows], y[rows]
                model = Ridge(alpha=alpha) if number < 2 else RidgeClassifier(alpha=alpha, class_weight="balanced")
                began = time.perf_counter()
                model.fit(xs, ys if number < 2 else ys.astype(int))
                seconds += time.perf_counter() - began
                said.append(model.predict(x[test]))
        truth, mean = y[test], np.mean(said, axis=0)
        if number < 2:
            scores.append(float(((truth - mean) ** 2).mean()))
        else:
            called = mean > 0
            scores.append(float(2 * (called & (truth > 0)).sum() / (called.sum() + truth.sum())))
    return seconds, np.array(scores)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=300_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--all", action="store_true", help="time all 195 fits of scikit-learn")
    parser.add_argument("--no-sklearn", action="store_true", help="only our side, for its memory")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, threadpool_limits(1):
        folder = Path(name)
        x, labels, clips, split = simulate(folder, options.frames, options.dim)
        if options.no_sklearn:
            del x, labels
            print(f"peak before evaluating: {peak_mib():.0f} MiB (the simulation itself)")
        began = time.perf_counter()
        table = evaluate_mabe(folder / "submission.npy", folder / "labels.npy", folder / "split.json")
        ours = time.perf_counter() - began
        print(f"ours, read + 195 readouts + all scores: {ours:.2f} s; process peak {peak_mib():.0f} MiB")
        if options.no_sklearn:
            return
        # Penalty 1 last, since its scores are compared.
        alphas = [*(a for a in ALPHAS if a != 1.0), 1.0] if options.all else [1.0]
        seconds, scores = by_sklearn(x, labels, clips, split, alphas)
        _, exact = by_sklearn(x.astype(np.float64), labels.astype(np.float64), clips, split, [1.0])
    fits = 39 * len(alphas)
    whole = seconds * 195 / fits
    print(
        f"scikit-learn, {fits} fits: {seconds:.1f} s" + ("" if options.all else f"; 195 by proportion: {whole:.0f} s")
    )
    print(f"ratio: {whole / ours:.1f}")
    names = {"as given (float32, in which it solves)": scores, "given float64": exact}
    for name, theirs in names.items():
        difference = np.abs(table["Private Score"].to_numpy() - theirs)
        print(
            f"largest difference to scikit-learn {name}: MSE {difference[:2].max():.1e}, F1 {difference[2:].max():.1e}"
        )


if __name__ == "__main__":
    main()
