"""The probe's logistic regression against scikit-learn's, at the same optimum.

Dimensions are correlated as hand features and their rolling means are: a few slow latent series, mixed, and means over
windows of them. Classes follow the latents and are as rare as 1 in 50. Both sides fit every penalty on the same
standardised rows with balanced class weights; scikit-learn (lbfgs) is run to the gradient that its objective needs to
agree with ours to 1e-6.

    python benchmarks/bench_logistic.py                                # 100 000 rows x 371 dimensions, 3 penalties
    python benchmarks/bench_logistic.py --rows 20000 --dim 120         # smaller
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from scipy.ndimage import uniform_filter1d
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from workflow_scripts.evaluation.probe.logistic import fit_logistic
from workflow_scripts.metrics.frames import confusion, macro_f1

ALPHAS = (100.0, 1000.0, 10000.0)
SHARES = (0.5, 0.35, 0.13, 0.02)
WINDOWS = (31, 151, 601)


def simulate(rows: int, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Return dimensions (rows, dim), float32, and classes."""
    rng = np.random.default_rng(0)
    base = dim // (1 + len(WINDOWS))
    latent = uniform_filter1d(rng.normal(size=(rows, 12)), 45, axis=0) * np.sqrt(45)
    now = latent @ rng.normal(size=(12, base)) + rng.normal(size=(rows, base))
    parts = [now, *(uniform_filter1d(now, window, axis=0) for window in WINDOWS)]
    x = np.concatenate(parts, axis=1)
    x = np.concatenate([x, rng.normal(size=(rows, dim - x.shape[1]))], axis=1)
    score = latent[:, : len(SHARES)] + 0.8 * rng.normal(size=(rows, len(SHARES))) + 1.3 * np.log(SHARES)
    return x.astype(np.float32), score.argmax(axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=371)
    parser.add_argument("--tolerance", type=float, default=1e-6, help="of scikit-learn's gradient")
    parser.add_argument("--max-iter", type=int, default=5000, help="of scikit-learn")
    arguments = parser.parse_args()
    x, y = simulate(arguments.rows + arguments.rows // 4, arguments.dim)
    train, test = slice(0, arguments.rows), slice(arguments.rows, None)
    classes = len(SHARES)
    with threadpool_limits(1):
        began = time.process_time()
        fits = fit_logistic(x[train], y[train], classes, ALPHAS)
        ours = time.process_time() - began
        theirs = 0.0
        for alpha, fit in zip(ALPHAS, fits, strict=True):
            began = time.process_time()
            mean, deviation = x[train].mean(0, np.float64), x[train].std(0, dtype=np.float64)
            z = ((x - mean) / deviation).astype(np.float64)
            oracle = LogisticRegression(
                C=1 / alpha, class_weight="balanced", tol=arguments.tolerance, max_iter=arguments.max_iter
            ).fit(z[train], y[train])
            took = time.process_time() - began
            theirs += took
            scores = [
                float(macro_f1(confusion(y[test], said, classes)[None])[0])
                for said in (fit.model.predict(x[test])[0].astype(np.int64), oracle.predict(z[test]))
            ]
            coef = fit.model.coef * deviation
            print(
                f"penalty {alpha:g}: macro F1 {scores[0]:.5f}, {scores[1]:.5f}, "
                f"|dF1| {abs(scores[0] - scores[1]):.1e}; "
                f"largest |d coefficient| {np.abs(coef - oracle.coef_).max():.1e}; scikit-learn {took:.2f} s, "
                f"{int(oracle.n_iter_.max())} iterations, converged: {int(oracle.n_iter_.max()) < arguments.max_iter}; "
                f"ours converged: {fit.converged}"
            )
    print(f"{arguments.rows} x {arguments.dim}, {classes} classes, {len(ALPHAS)} penalties, one thread, CPU time:")
    print(f"ours {ours:.2f} s, scikit-learn {theirs:.2f} s, ratio 1/{theirs / ours:.1f} (wanted: at most 1/5)")


if __name__ == "__main__":
    main()
