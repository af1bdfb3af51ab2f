"""Series of classes with known bouts, and budgets of animals with and without an effect."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workflow_scripts.behaviour.measures import budget
from workflow_scripts.behaviour.series import Series

CLASSES = ("base", "social", "attack")


def series(codes, *, recording="r1", source="human", role="labelled", fps=10.0, classes=CLASSES, background=0, **more):
    return Series(
        dataset="toy",
        recording=recording,
        task="S1",
        source=source,
        role=role,
        codes=np.asarray(codes, np.int32),
        classes=classes,
        background=background,
        fps=fps,
        **({"group": recording} | more),
    )


def walk(rng, frames, rates, mean_bout):
    """A semi-Markov series: classes drawn by `rates`, bouts of geometric length."""
    codes = np.empty(0, np.int32)
    while len(codes) < frames:
        codes = np.append(codes, np.full(1 + rng.geometric(1 / mean_bout), rng.choice(len(rates), p=rates)))
    return codes[:frames]


def animals(rng, conditions, effect=0.0, frames=3000, recordings=1) -> pd.DataFrame:
    """Budgets of animals that differ from one another; `effect` is added to the share of class 1 under `treated`."""
    many = []
    for number, condition in enumerate(conditions):
        own = rng.normal(0, 0.04)
        share = np.clip(0.3 + own + (effect if condition == "treated" else 0), 0.02, 0.9)
        rates = np.array([0.85 - share, share, 0.15])
        for session in range(recordings):
            name = f"a{number}s{session}"
            codes = walk(rng, frames, rates, 20)
            many.append(series(codes, recording=name, group=f"a{number}", animal=f"a{number}", condition=condition))
    return budget(many)
