"""Memory and time of every rule against the size of the data, to which workflow/resources.py is fitted.

    python benchmarks/bench_resources.py --frames 3000 30000

Runs a small experiment on six simulated sessions of that many frames each (two animals, five points), one job at a
time, and prints the largest processor time and memory of each rule's jobs as Snakemake's benchmark files tell them.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import yaml

ROOT = Path(__file__).parents[1]
EXPERIMENT = {
    "experiment": "sizes",
    "datasets": {"rats_pairs_twin": {"splits": ["fold"], "tasks": ["S1"]}},
    "methods": {"raw": {}, "features": {}, "pca": {}, "random_init": {}},
}


def measure(frames: int) -> pd.DataFrame:
    """Largest values over the jobs of each rule."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("workflow_scripts", "rules", "config", "envs"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "Snakefile", folder)
        path = folder / "config/datasets/rats_pairs_twin.yaml"
        card = yaml.safe_load(path.read_text())
        card["simulate"]["options"]["frames"] = frames
        path.write_text(yaml.safe_dump(card))
        (folder / "sizes.yaml").write_text(yaml.safe_dump(EXPERIMENT))
        command = [sys.executable, "-m", "snakemake", "--cores", "1", "--configfile", "sizes.yaml"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stdout[-2000:] + done.stderr[-2000:])
        rows = [
            {"rule": path.relative_to(folder / "logs").parts[0].removesuffix(".tsv")} | row
            for path in folder.glob("logs/**/*.tsv")
            for row in pd.read_csv(path, sep="\t").to_dict("records")
        ]
        table = pd.DataFrame(rows).groupby("rule")[["cpu_time", "s", "max_rss"]].max()
        stored = sum(path.stat().st_size for path in folder.glob("data/*/recordings/*.h5")) / 1e6
        return table.assign(frames=frames, recordings_mb=round(stored, 1)).reset_index()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, nargs="+", default=[3000, 30000])
    for frames in parser.parse_args().frames:
        print(measure(frames).to_string(index=False), flush=True)


if __name__ == "__main__":
    main()
