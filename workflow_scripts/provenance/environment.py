"""Gather what the report says about the machine: time, memory, versions."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd

from workflow_scripts.core.errors import InputError

LIBRARIES = ("snakemake", "torch", "lightning", "numpy", "scipy", "pandas", "h5py", "scikit-learn", "matplotlib")


def timings(benchmarks: Mapping[str, Iterable[str | Path]]) -> pd.DataFrame:
    """Sum Snakemake's benchmark files by rule.

    Parameters
    ----------
    benchmarks : mapping of str to iterable of str or Path
        Benchmark tsv files by rule; absent files are passed over, since a cached job writes none.

    Returns
    -------
    DataFrame
        Columns ``rule``, ``jobs``, ``seconds`` (sum of wall time) and ``max_rss_mb`` (highest of any job).

    Raises
    ------
    InputError
        When a file is no benchmark table.
    """
    rows = []
    for rule, paths in benchmarks.items():
        jobs, seconds, peak = 0, 0.0, float("nan")
        for path in paths:
            if not Path(path).is_file():
                continue
            try:
                table = pd.read_csv(path, sep="\t", na_values=["-", "NA"])
                jobs, seconds = jobs + len(table), seconds + float(table["s"].sum())
                peak = float(np.fmax(peak, table["max_rss"].max()))
            except (KeyError, ValueError, TypeError) as error:
                raise InputError(path, f"is no Snakemake benchmark ({error})", "delete it and run again") from error
        if jobs:
            rows.append((rule, jobs, seconds, peak))
    return pd.DataFrame(rows, columns=["rule", "jobs", "seconds", "max_rss_mb"])


def versions() -> dict[str, str]:
    """Return the versions of Python, of this package and of the libraries the numbers depend on."""
    found = {"python": platform.python_version()}
    for name in ("ethomake", *LIBRARIES):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def git_state(root: Path) -> dict[str, str]:
    """Return the commit of a checkout and whether it has uncommitted changes."""
    commit = _git(root, "rev-parse", "HEAD")
    if not commit:
        return {"commit": "not a git checkout", "uncommitted changes": ""}
    return {"commit": commit, "uncommitted changes": "yes" if _git(root, "status", "--porcelain") else "no"}


def _git(root: Path, *command: str) -> str:
    found = subprocess.run(["git", "-C", str(root), *command], capture_output=True, text=True, check=False)
    return found.stdout.strip() if found.returncode == 0 else ""
