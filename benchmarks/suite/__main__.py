"""Time the hot paths and write the table, its figure and a line of history for each.

    python -m benchmarks.suite [--share 1.0] [--rounds 3] [--budget 20] [--only "ridge probe" …] [--output build/bench]
                               [--history]

`--share` shrinks all sizes: 0.05 takes a few minutes and shows that everything runs. Processor seconds, one thread.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import os
import platform
import subprocess
import sys
import tempfile
import traceback
from dataclasses import asdict, fields
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

from benchmarks.suite.entry import Entry, Row, timed  # noqa: E402 - libraries read the variables above when they are loaded

ROOT = Path(__file__).parents[2]
HISTORY = ROOT / "benchmarks" / "history.csv"


NAMES = {
    "data": ("download and verify", "DeepLabCut csv to tracks", "MABe npy to tracks", "64-fold augmentation"),
    "training": (
        "LISBET windows",
        "LISBET step",
        "BAMS features",
        "BAMS targets",
        "BAMS step, faithful",
        "BAMS step, sound",
        "rat direction step",
    ),
    "segmenting": ("daart epochs", "daart prediction", "daart metrics"),
    "readout": ("ridge probe", "logistic probe", "MABe evaluator", "motif HMM", "behaviour tables"),
    "applied": ("boosting", "apply, an hour", "clip reads", "MVD step", "MVD sliding inference", "report"),
    "whole": ("video to crops", "video to crops, small", "start-up", "dry run"),
}
"""Entries by the module that makes them, in the order of the pipeline; a module is imported where one is asked for."""


OPTIONAL = {"demo": "whole"}
"""Entries that run only where `--only` names them: minutes each."""


def names() -> list[str]:
    """All entries that run unasked."""
    return [name for known in NAMES.values() for name in known]


def entry(name: str) -> Entry:
    """Import what makes an entry's case."""
    module = OPTIONAL.get(name) or next(module for module, known in NAMES.items() if name in known)
    made: Entry = importlib.import_module(f"benchmarks.suite.{module}").ENTRIES[name]
    return made


def commit() -> str:
    """The commit measured; a `+` says that the files differ from it."""
    words = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--exclude=*"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def machine() -> str:
    """The processor, as the system names it."""
    names = [line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()} × {os.cpu_count()}"


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.is_file() else []


def write(path: Path, rows: list[dict[str, object]], *, add: bool = False) -> None:
    """Write rows as csv, or add them to what is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = not (add and path.is_file())
    with path.open("a" if add else "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, rows[0], lineterminator="\n")
        if fresh:
            table.writeheader()
        table.writerows(rows)


def draw(path: Path, rows: list[Row]) -> None:
    """Both ratios of each entry as bars."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 0.4 * len(rows) + 1.5), sharey=True, layout="constrained")
    names = [row.entry for row in rows][::-1]
    for axis, key, title in (
        (axes[0], "plain_over_ours", "times faster than the plain alternative"),
        (axes[1], "ours_over_limit", "times the machine's limit"),
    ):
        values = [getattr(row, key) or float("nan") for row in rows][::-1]
        axis.barh(names, values, color="#3b6ea5")
        axis.set_xscale("log")
        axis.axvline(1, color="black", linewidth=0.8)
        axis.set_xlabel(title)
        for place, value in enumerate(values):
            if value == value:
                axis.text(value, place, f" {value:.2g}", va="center", fontsize=8)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def shown(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=1.0, help="of the full sizes")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--budget", type=float, default=20.0, help="processor seconds of an entry, about")
    parser.add_argument("--only", nargs="*", help="names of entries")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench")
    parser.add_argument("--history", action="store_true", help=f"add the rows to {HISTORY.name}")
    options = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    if unknown := set(options.only or ()) - {*names(), *OPTIONAL}:
        sys.exit(f"no such entry: {', '.join(sorted(unknown))}; there are: {', '.join([*names(), *OPTIONAL])}")
    rows: list[Row] = []
    heads = ("entry", "ours, CPU s", "plain ÷ ours", "ours ÷ limit", "size")
    print(f"{heads[0]:26s}{heads[1]:>12s}{heads[2]:>14s}{heads[3]:>14s}  {heads[4]}", flush=True)
    failed: list[str] = []
    for name in options.only or names():
        try:
            with tempfile.TemporaryDirectory() as folder:
                row = timed(name, entry(name)(options.share, Path(folder)), options.rounds, options.budget)
        except Exception:  # one entry that fails must not cost the others' minutes
            traceback.print_exc()
            failed.append(name)
            continue
        rows.append(row)
        print(
            f"{row.entry:26s}{row.ours_s:12.3f}{shown(row.plain_over_ours):>14s}{shown(row.ours_over_limit):>14s}"
            f"  {row.size}",
            flush=True,
        )
        write(options.output / "bench.csv", [asdict(row) for row in rows])
    if not rows:
        sys.exit("no entry ran to its end")
    draw(options.output / "bench.png", rows)
    if options.history:
        about = {"commit": commit(), "machine": machine(), "share": options.share}
        kept = [field.name for field in fields(Row) if not field.name.endswith("_is")]
        write(HISTORY, [about | {key: asdict(row)[key] for key in kept} for row in rows], add=True)
    print(f"{options.output}/bench.csv and bench.png; {machine()}, load {os.getloadavg()[0]:.1f}")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
