"""Ridge probe by Gram matrices against scikit-learn's separate fits.

The setting is that of the MABe 2022 evaluator: every task, every penalty and every seed, where a seed leaves another
tenth of the clips out of training. Embeddings and labels are simulated: a latent state per frame shows in the
embedding, tasks have shares of positives from one in two to one in two hundred.

    python benchmarks/bench_probe.py                       # all 195 scikit-learn fits, nothing extrapolated
    python benchmarks/bench_probe.py --sklearn-fits 13     # time 13 of them and extrapolate (the output says so)
"""

from __future__ import annotations

import argparse
import resource
import time
from itertools import pairwise

import numpy as np
from sklearn.linear_model import RidgeClassifier
from threadpoolctl import threadpool_limits

from workflow_scripts.evaluation.probe.ridge import GramAccumulator, RidgeTask

ALPHAS = (0.1, 0.5, 1.0, 2.0, 5.0)
SEEDS = (42, 43, 44)
CHUNK = 8192


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def simulate(frames: int, dim: int, tasks: int, clip: int):
    """Return embeddings (frames, dim), labels (tasks, frames) and clip of each frame."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(tasks, dim))
    shares = np.geomspace(0.5, 0.005, tasks)
    x = rng.normal(size=(frames, dim)).astype(np.float32)
    labels = np.empty((tasks, frames), np.int8)
    for task, share in enumerate(shares):
        # Positives come in bouts of 50 frames, as behaviour does.
        starts = rng.random(frames // 50 + 1) < share
        labels[task] = np.repeat(starts, 50)[:frames]
        x += labels[task][:, None] * mixing[task].astype(np.float32) * 0.4
    x = x @ rng.normal(size=(dim, dim)).astype(np.float32) / np.sqrt(dim).astype(np.float32) + np.float32(0.5)
    return x, labels, np.arange(frames) // clip


def f1(truth: np.ndarray, prediction: np.ndarray) -> float:
    hits = np.count_nonzero(truth & prediction)
    return 2 * hits / max(np.count_nonzero(truth) + np.count_nonzero(prediction), 1)


def by_gram(x: np.ndarray, labels: np.ndarray, held_out: np.ndarray, clips: np.ndarray):
    """Fit everything: coef (tasks, seeds, alphas, dim) and intercept; a cell is the clips that the same seeds use."""
    tasks = [RidgeTask(str(k), 2, binary=True) for k in range(len(labels))]
    sums = GramAccumulator(x.shape[1], tasks)
    # Bit s of the cell: seed s trains on the clip.
    cell_of_clip = ((~held_out) << np.arange(len(SEEDS))[:, None]).sum(axis=0)
    edges = np.flatnonzero(np.diff(clips, prepend=-1, append=-1))
    for start, stop in pairwise(edges):
        for first in range(start, stop, CHUNK):
            part = slice(first, min(first + CHUNK, stop))
            sums.add(x[part], {str(k): row[part] for k, row in enumerate(labels)}, int(cell_of_clip[clips[start]]))
    coef = np.empty((len(labels), len(SEEDS), len(ALPHAS), x.shape[1]))
    intercept = np.empty(coef.shape[:3])
    for seed in range(len(SEEDS)):
        cells = [cell for cell in sums.cells() if cell >> seed & 1]
        for task in range(len(labels)):
            for index, model in enumerate(sums.solve(str(task), ALPHAS, cells=cells)):
                coef[task, seed, index], intercept[task, seed, index] = model.coef[0], model.intercept[0]
    return coef, intercept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=300_000)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--tasks", type=int, default=13)
    parser.add_argument("--clip", type=int, default=1800, help="frames of a clip")
    parser.add_argument("--threads", type=int, default=1, help="BLAS threads of both sides")
    parser.add_argument("--sklearn-fits", type=int, help="time only so many fits, spread evenly, and extrapolate")
    arguments = parser.parse_args()
    x, labels, clips = simulate(arguments.frames, arguments.dim, arguments.tasks, arguments.clip)
    n_clips = int(clips[-1]) + 1
    held_out = np.zeros((len(SEEDS), n_clips), bool)
    for row, seed in zip(held_out, SEEDS, strict=True):
        row[np.random.default_rng(seed).permutation(n_clips)[: max(n_clips // 10, 1)]] = True
    with threadpool_limits(arguments.threads):
        start = time.perf_counter()
        coef, intercept = by_gram(x, labels, held_out, clips)
        ours = time.perf_counter() - start
        peak = peak_mib()

        jobs = [(t, s, a) for t in range(len(labels)) for s in range(len(SEEDS)) for a in range(len(ALPHAS))]
        wanted = min(arguments.sklearn_fits or len(jobs), len(jobs))
        chosen = [jobs[i] for i in np.linspace(0, len(jobs) - 1, wanted).astype(int)]
        theirs, worst, largest_coef = 0.0, 0.0, 0.0
        for task, seed, alpha in chosen:
            rows = ~held_out[seed][clips]
            train, target = x[rows], labels[task][rows]
            start = time.perf_counter()
            fitted = RidgeClassifier(alpha=ALPHAS[alpha], class_weight="balanced").fit(train, target)
            theirs += time.perf_counter() - start
            truth = labels[task] == 1
            expected = f1(truth, fitted.decision_function(x) > 0)
            found = f1(truth, x @ coef[task, seed, alpha] + intercept[task, seed, alpha] > 0)
            worst = max(worst, abs(expected - found))
            largest_coef = max(largest_coef, float(np.abs(fitted.coef_ - coef[task, seed, alpha]).max()))
        # scikit-learn solves float32 data in float32; one float64 fit a task tells whose digits differ.
        exact_f1, exact_coef = 0.0, 0.0
        for task, row in enumerate(labels):
            rows = ~held_out[0][clips]
            fitted = RidgeClassifier(alpha=ALPHAS[0], class_weight="balanced")
            fitted.fit(x[rows].astype(np.float64), row[rows])
            exact_coef = max(exact_coef, float(np.abs(fitted.coef_ - coef[task, 0, 0]).max()))
            found = f1(row == 1, x @ coef[task, 0, 0] + intercept[task, 0, 0] > 0)
            exact_f1 = max(exact_f1, abs(found - f1(row == 1, fitted.decision_function(x) > 0)))
    whole = theirs * len(jobs) / len(chosen)
    exactness = "all timed" if wanted == len(jobs) else f"EXTRAPOLATED from {wanted} timed fits ({theirs:.2f} s)"
    lines = [
        ("frames x dim", f"{arguments.frames} x {arguments.dim} float32, {n_clips} clips"),
        ("tasks x alphas x seeds", f"{len(labels)} x {len(ALPHAS)} x {len(SEEDS)} = {len(jobs)} fits"),
        ("BLAS threads", f"{arguments.threads}"),
        ("Gram matrices, one pass", f"{ours:.2f} s"),
        ("scikit-learn RidgeClassifier", f"{whole:.2f} s, {exactness}"),
        ("ratio", f"1/{whole / ours:.1f} of scikit-learn's time (wanted: at most 1/8)"),
        ("largest |dF1|", f"{worst:.2e} over {len(chosen)} fits, on all frames (wanted: at most 1e-4)"),
        ("largest |d coefficient|", f"{largest_coef:.2e}"),
        ("the same, it in float64", f"|dF1| {exact_f1:.2e}, |d coefficient| {exact_coef:.2e} over {len(labels)} fits"),
        (
            "peak RSS",
            f"{peak:.0f} MiB up to the end of ours, simulation of the data included; {peak_mib():.0f} MiB in all",
        ),
    ]
    for name, text in lines:
        print(f"{name:30} {text}")


if __name__ == "__main__":
    main()
