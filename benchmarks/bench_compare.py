"""Time and memory of gathering many runs into one comparison.

    python benchmarks/bench_compare.py --runs 100 500 2000

Each run has a table of two tasks with ten metrics, as the probe writes them; the values are drawn.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from workflow_scripts.evaluation.comparison.compare import compare
from workflow_scripts.formats.tables import write_table

TASKS = {"d": {"a": "macro_f1", "b": "macro_f1"}}
METRICS = ["macro_f1", "balanced_accuracy", "average_precision", "auroc", *(f"f1/c{k}" for k in range(6))]


def tables(folder: Path, runs: int) -> list[Path]:
    """Write the tables of that many runs."""
    rng, paths = np.random.default_rng(0), []
    for seed in range(runs):
        values = rng.random(2 * len(METRICS))
        table = pd.DataFrame(
            {
                "dataset": "d",
                "method": "random_init",
                "mode": "sound",
                "point": "default",
                "split": "official",
                "seed": seed,
                "readout": "probe",
                "task": np.repeat(["a", "b"], len(METRICS)),
                "level": "frame",
                "metric": METRICS * 2,
                "value": values,
                "low": values - 0.1,
                "high": values + 0.1,
                "n": 1000,
                "n_groups": 10,
                "published": np.nan,
                "verified": np.nan,
            }
        )
        paths.append(folder / f"{seed}.csv")
        write_table(paths[-1], table)
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, nargs="+", default=[100, 500])
    print(f"{'runs':>6}  {'rows':>7}  {'seconds':>7}  {'CPU s':>6}  {'peak MiB':>8}")
    for runs in parser.parse_args().runs:
        with tempfile.TemporaryDirectory() as name:
            paths = tables(Path(name), runs)
            began, pid = time.perf_counter(), os.fork()
            if pid == 0:
                write_table(Path(name) / "comparison.csv", compare(paths, {"d": []}, TASKS))
                os._exit(0)
            _, status, usage = os.wait4(pid, 0)
            assert status == 0
            rows = len(pd.read_csv(Path(name) / "comparison.csv"))
            seconds = time.perf_counter() - began
            used = usage.ru_utime + usage.ru_stime
            print(f"{runs:>6}  {rows:>7}  {seconds:>7.1f}  {used:>6.1f}  {usage.ru_maxrss / 1024:>8.0f}", flush=True)


if __name__ == "__main__":
    main()
