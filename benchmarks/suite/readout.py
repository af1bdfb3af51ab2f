"""What is fitted on embeddings: probes, the MABe evaluator, motifs; and the tables of behaviour."""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from hmmlearn.hmm import GaussianHMM
from sklearn.linear_model import LogisticRegression, RidgeClassifier

from benchmarks.bench_behaviour import simulated
from benchmarks.bench_mabe_evaluator import by_sklearn
from benchmarks.bench_mabe_evaluator import simulate as simulate_mabe
from benchmarks.bench_probe import ALPHAS, SEEDS, by_gram, simulate
from benchmarks.suite.entry import Case
from workflow_scripts.behaviour.measures import bouts, budget
from workflow_scripts.evaluation.mabe.evaluator import evaluate_mabe
from workflow_scripts.evaluation.mabe.tasks import ALPHAS as MABE_ALPHAS
from workflow_scripts.evaluation.probe.logistic import fit_logistic
from workflow_scripts.motifs.gaussian_hmm import FastGaussianHMM


def ridge(share: float, folder: Path) -> Case:
    """13 tasks × 5 penalties × 3 draws of clips."""
    frames = int(300_000 * share)
    x, labels, clips = simulate(frames, 64, 13, 1800)
    held_out = np.zeros((len(SEEDS), int(clips[-1]) + 1), bool)
    for row, seed in zip(held_out, SEEDS, strict=True):
        row[np.random.default_rng(seed).permutation(len(row))[: max(len(row) // 10, 1)]] = True

    def plain() -> None:
        for row, out, alpha in itertools.product(labels, held_out, ALPHAS):
            rows = ~out[clips]
            RidgeClassifier(alpha=alpha, class_weight="balanced").fit(x[rows], row[rows])

    return Case(
        f"{frames} × 64, 195 fits",
        lambda: by_gram(x, labels, held_out, clips),
        plain,
        "sklearn RidgeClassifier for each fit",
        lambda: x.T @ x,
        "one Gram matrix",
    )


def logistic(share: float, folder: Path) -> Case:
    """One task of two classes, three penalties."""
    frames, alphas = int(60_000 * share), [10.0, 1.0, 0.1]
    x, labels, _ = simulate(frames, 64, 1, 1800)

    def plain() -> None:
        scaled = (x - x.mean(0)) / x.std(0)
        for alpha in alphas:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                LogisticRegression(C=1 / alpha, class_weight="balanced", max_iter=200).fit(scaled, labels[0])

    return Case(
        f"{frames} × 64, 3 penalties",
        lambda: fit_logistic(x, labels[0].astype(np.int64), 2, alphas, binary=True),
        plain,
        "sklearn LogisticRegression (lbfgs) for each penalty",
        lambda: [x.T @ (x @ x[0]) for _ in range(30)],
        "30 gradients of one output",
    )


def mabe(share: float, folder: Path) -> Case:
    """195 readouts and all scores, from the submission's file."""
    frames = int(120_000 * share)
    x, labels, clips, split = simulate_mabe(folder, frames, 128)
    return Case(
        f"{frames} × 128",
        lambda: evaluate_mabe(folder / "submission.npy", folder / "labels.npy", folder / "split.json"),
        lambda: by_sklearn(x, labels, clips, split, MABE_ALPHAS),
        "sklearn Ridge and RidgeClassifier for each fit, mean of three, scores",
        lambda: x.T @ x,
        "one Gram matrix",
    )


def hmm(share: float, folder: Path) -> Case:
    """EM of full covariances, from the same start, five iterations."""
    frames, dim, states = int(100_000 * share), 32, 8
    rng = np.random.default_rng(0)
    path = np.repeat(rng.integers(0, states, frames // 50 + 1), 50)[:frames]
    mixing = np.eye(dim) + 0.2 * rng.normal(size=(dim, dim))
    x = rng.normal(size=(states, dim))[path] * 1.2 + rng.normal(size=(frames, dim)) @ mixing
    start = FastGaussianHMM(states, random_state=0)
    start._init(x)  # k-means is hmmlearn's own in both
    lengths = [frames // 4] * 3 + [frames - 3 * (frames // 4)]

    def fit(model: GaussianHMM) -> float:
        model.set_params(n_iter=5, tol=-np.inf, init_params="")
        for name in ("startprob_", "transmat_", "means_"):
            setattr(model, name, getattr(start, name).copy())
        model.covars_ = start.covars_.copy()
        model.fit(x, lengths)
        return float(model.monitor_.history[-1])

    mine, theirs = fit(FastGaussianHMM(states)), fit(GaussianHMM(states, covariance_type="full"))
    assert abs(mine - theirs) < 1e-8 * abs(theirs), (mine, theirs)
    return Case(
        f"{frames} × {dim}, {states} states, 5 iterations, equal log-likelihood",
        lambda: fit(FastGaussianHMM(states)),
        lambda: fit(GaussianHMM(states, covariance_type="full")),
        "hmmlearn GaussianHMM",
        lambda: [x.T @ x for _ in range(5 * states)],
        "one matrix product for each state and iteration",
    )


def tables(share: float, folder: Path) -> Case:
    """Budgets and bouts of recordings of ten minutes."""
    many = [simulated(number, 10, "model") for number in range(max(4, int(200 * share)))]

    def plain() -> None:
        for series in many:
            codes = pd.Series(series.codes)
            runs = codes.groupby((codes != codes.shift()).cumsum()).agg(["first", "size"])
            runs.groupby("first")["size"].agg(["sum", "count", "mean", "median"])

    def limit() -> None:
        for series in many:
            np.flatnonzero(np.diff(series.codes))

    return Case(
        f"{len(many)} recordings of 10 min",
        lambda: (budget(many), bouts(many)),
        plain,
        "pandas: groupby over runs of equal frames, then over classes; no latency, rate, unseen frames or names",
        limit,
        "one pass over the frames for where classes change",
    )


ENTRIES = {
    "ridge probe": ridge,
    "logistic probe": logistic,
    "MABe evaluator": mabe,
    "motif HMM": hmm,
    "behaviour tables": tables,
}
