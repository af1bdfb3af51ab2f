"""Time behaviour tables of many recordings: budgets, bins, bouts, agreement, conditions, transitions.

`python benchmarks/bench_behaviour.py [recordings] [minutes]` prints seconds of each and of all. Each recording is
labelled and predicted; animals are the units of two conditions.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from workflow_scripts.behaviour.agreement import agreement
from workflow_scripts.behaviour.conditions import conditions
from workflow_scripts.behaviour.measures import bouts, budget, time_bins
from workflow_scripts.behaviour.options import BehaviourConfig
from workflow_scripts.behaviour.series import Series
from workflow_scripts.behaviour.transitions import transitions

FPS = 30.0


def simulated(number: int, minutes: float, source: str) -> Series:
    """Make one recording of six classes with bouts of a second or two and a few unseen frames."""
    rng = np.random.default_rng([number, len(source)])
    length = rng.geometric(1 / 45, int(minutes * 60 * FPS / 20))
    codes = np.repeat(rng.choice(6, len(length), p=[0.5, 0.2, 0.1, 0.1, 0.06, 0.04]), length)[: int(minutes * 60 * FPS)]
    codes[rng.random(len(codes)) < 0.0005] = -1
    role = "labelled" if source == "human" else "held_out"
    who = {"recording": f"r{number}", "group": f"a{number}", "animal": f"a{number}", "condition": "ab"[number % 2]}
    return Series(
        "toy", task="S", source=source, role=role, codes=codes, classes=tuple("xabcde"), background=0, fps=FPS, **who
    )


def main() -> None:
    """Time each table."""
    recordings = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    minutes = float(sys.argv[2]) if len(sys.argv) > 2 else 10
    many = [simulated(number, minutes, source) for number in range(recordings) for source in ("human", "model")]
    options, budgets = BehaviourConfig(), budget(many)
    tables: dict[str, Callable[[], Any]] = {
        "budget": lambda: budget(many),
        "conditions": lambda: conditions(budgets, options),
        "bouts": lambda: bouts(many),
        "time_bins": lambda: time_bins(many, 60),
        "agreement": lambda: agreement(many)[0],
        "transitions": lambda: transitions(many),
    }
    whole = time.perf_counter()
    for name, work in tables.items():
        start = time.perf_counter()
        rows = len(work())
        print(f"{name:12} {time.perf_counter() - start:7.1f} s  {rows} rows", flush=True)
    print(f"{'all':12} {time.perf_counter() - whole:7.1f} s  {recordings} recordings of {minutes:g} min, twice")


if __name__ == "__main__":
    main()
