"""Plans of Snakemake, made for real without running a job."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

GPU_RULES = {"train", "embed", "predict", "detect", "apply"}
"""The only rules that may ask for a GPU: those that run neural methods."""


def snakemake(
    root: Path, folder: Path, *arguments: str, prefix: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    command = [*prefix, sys.executable, "-m", "snakemake", "-s", str(root / "Snakefile"), "-d", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)


def planned(text: str) -> list[tuple[str, dict[str, str]]]:
    """Rules and their printed fields, of each job of a dry run's output."""
    jobs: list[tuple[str, dict[str, str]]] = []
    for line in text.splitlines():
        if found := re.match(r"(?:local)?rule (\w+):$", line):
            jobs.append((found[1], {}))
        elif (found := re.match(r"    (\w+): (.*)$", line)) and jobs:
            jobs[-1][1].setdefault(found[1], found[2])
    return jobs
