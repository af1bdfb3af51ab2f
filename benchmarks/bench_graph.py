"""Time and memory of planning an experiment of many recordings: `snakemake -n` on a generated dataset.

    python benchmarks/bench_graph.py --recordings 1000 10000 [--own]

A copy of the project gets a card with that many shards (one DeepLabCut table and one label file each); nothing is made
or downloaded. Each of the files is a job, as it is for a dataset from the web; with `--own` they lie in the user's
folder, and are no jobs. Prints a row per size: jobs in the plan, wall and processor seconds, peak memory of the
process.
"""

from __future__ import annotations

import argparse
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def card(recordings: int, own: Path | None = None) -> dict[str, object]:
    """A twin's card with `recordings` sessions in ten folds; files in the folder `own`, where it is given."""
    base = yaml.safe_load((ROOT / "config/datasets/rats_pairs_twin.yaml").read_text())
    names = [f"s{k:06d}" for k in range(recordings)]
    labels = base["shards"][0]["labels"][0]
    files = [f"{kind}/{name}.{kind}" for name in names for kind in ("csv", "txt")]
    if own:
        del base["simulate"]
        base["local"] = str(own)
        for number, file in enumerate(files):
            (own / file).parent.mkdir(exist_ok=True, parents=True)
            (own / file).write_text(str(number))
    return base | {
        "name": "big",
        "files": [{"path": path} for path in files],
        "shards": [
            {
                "id": name,
                "group": name,
                "tracks": f"csv/{name}.csv",
                "labels": [{"source": labels["source"], "file": f"txt/{name}.txt"}],
            }
            for name in names
        ],
        "splits": {"fold": {"folds": [names[k::10] for k in range(10)]}},
    }


def measure(recordings: int, *, own: bool = False) -> tuple[int, float, float, float]:
    """Jobs, wall seconds, processor seconds and peak MiB of one dry run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("workflow_scripts", "rules", "config", "envs"):
            shutil.copytree(ROOT / part, folder / part)  # with its caches, as an installed package has them
        for file in ("Snakefile", "requirements.lock"):
            shutil.copy(ROOT / file, folder)
        (folder / "config/datasets/big.yaml").write_text(
            yaml.dump(card(recordings, folder / "own" if own else None), Dumper=yaml.CSafeDumper)
        )
        experiment = {"experiment": "big", "datasets": {"big": {"splits": ["fold"]}}, "methods": {"features": {}}}
        (folder / "big.yaml").write_text(yaml.safe_dump(experiment))
        command = [sys.executable, "-m", "snakemake", "-n", "--configfile", "big.yaml"]
        began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - began
        if done.returncode:
            sys.exit(done.stdout[-2000:] + done.stderr[-2000:])
        total = re.search(r"^total\s+(\d+)", done.stdout + done.stderr, flags=re.M)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return int(total[1]) if total else 0, seconds, used, after.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", type=int, nargs="+", default=[1000, 10000])
    parser.add_argument("--own", action="store_true")
    options = parser.parse_args()
    print(f"{'recordings':>10}  {'jobs':>6}  {'seconds':>7}  {'CPU s':>7}  {'peak MiB':>8}")
    for recordings in sorted(options.recordings):  # peak memory is the largest so far
        jobs, seconds, used, peak = measure(recordings, own=options.own)
        print(f"{recordings:>10}  {jobs:>6}  {seconds:>7.1f}  {used:>7.1f}  {peak:>8.0f}", flush=True)


if __name__ == "__main__":
    main()
