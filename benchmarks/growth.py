"""How time and memory grow with the data: convert, train epoch, probe, apply and compare at 1, 4 and 16 times the data.

    python -m benchmarks.growth [--recordings 2] [--frames 9000] [--times 1 4 16] [--output build/growth]

One session of two rats is simulated and given many names. Each stage runs in a process of its own, one thread:
processor seconds, and peak memory less that of the process before it began.
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np  # noqa: E402 - libraries read the variables above when they are loaded
import torch  # noqa: E402

from benchmarks.bench_daart import train as train_daart  # noqa: E402
from benchmarks.bench_scale import convert, embed, fit, index, measured, prepare, probe, score  # noqa: E402
from workflow_scripts.methods.daart.sequences import Signals  # noqa: E402

ROOT = Path(__file__).parents[1]


def epoch(frames: int) -> None:
    """One epoch of daart on all frames."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((frames, 16)).astype(np.float32)
    signals = [Signals("a", x, rng.integers(0, 6, frames), np.full(frames, -1))]
    train_daart(signals, 6, epochs=1, sequences={"batch_size": 8})


def nothing() -> None:
    """What a process holds before it works."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=5)
    parser.add_argument("--frames", type=int, default=9_000)
    parser.add_argument("--times", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "growth")
    options = parser.parse_args()
    rows = []
    print(f"{'times':>5}  {'stage':<12}  {'CPU s':>8}  {'MB more':>8}")
    for times in options.times:
        with tempfile.TemporaryDirectory() as name:
            folder, recordings = Path(name), options.recordings * times
            card = prepare(folder, recordings, options.frames)
            base = measured((nothing, ()))[2]
            stages = {
                "convert": ((convert, (card, folder, 0, 1)),),
                "index": ((index, (card, folder)),),
                "train epoch": ((epoch, (recordings * options.frames,)),),
                "fit": ((fit, (folder,)),),
                "apply": ((embed, (folder,)),),
                "probe": ((probe, (folder,)),),
                "compare": ((score, (folder,)),),
            }
            for stage, jobs in stages.items():
                _, used, peak = measured(*jobs)
                rows.append({"times": times, "stage": stage, "cpu_s": round(used, 2), "mb": round(peak - base)})
                print(f"{times:>5}  {stage:<12}  {used:>8.2f}  {peak - base:>8.0f}", flush=True)
    options.output.mkdir(parents=True, exist_ok=True)
    with (options.output / "growth.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


if __name__ == "__main__":
    main()
