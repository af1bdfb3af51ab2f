"""The parity fixture of the original's fact sheet: dense labels, segments of 20 to 200 frames, 16 channels."""

import numpy as np

from workflow_scripts.methods.daart.inputs import standardise
from workflow_scripts.methods.daart.sequences import Signals

SPEED = 2 * np.pi * np.array([0, 0.02, 0.12, 0.2, 0.07])


def recordings(lengths=(6000, 6000, 5230), seed=0):
    rng = np.random.default_rng(seed)
    base, amplitude = rng.normal(0, 6, (5, 16)), np.abs(rng.normal(0, 6, (5, 16)))
    made = []
    for number, n in enumerate(lengths):
        labels = np.concatenate([np.full(rng.integers(20, 201), rng.integers(0, 5)) for _ in range(n // 20 + 1)])[:n]
        phase = np.cumsum(SPEED[labels])[:, None] + np.arange(16)
        x = 200 + base[labels] + amplitude[labels] * np.sin(phase) + rng.normal(0, 5, (n, 16))
        weak = np.where(rng.random(n) < 0.2, rng.integers(0, 5, n), labels)
        made.append(Signals("abc"[number], standardise(x), labels, weak, np.empty((n, 0), np.float32)))
    return made


def macro_f1(truth, found, classes=5):
    scores = []
    for k in range(classes):
        hits = ((truth == k) & (found == k)).sum()
        scores.append(2 * hits / max((truth == k).sum() + (found == k).sum(), 1))
    return float(np.mean(scores))
