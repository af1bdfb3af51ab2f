"""What clusters want of sbatch, and homes that cannot be written to (cases 27 and 28), without a Slurm."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REFUSAL = "sbatch: error: Batch job submission failed: this site says no"
LINES = {
    "nodes": ("nodes: 1", "--nodes=1"),
    "slurm_extra": ("slurm_extra:", "--licenses=scratch"),
    "mem_mb_per_cpu": ("mem_mb_per_cpu:", "--mem-per-cpu 4000"),
}


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    """Programs of Slurm that write down how they were called; sbatch refuses."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sinfo", "squeue", "sacct", "scontrol", "sacctmgr"):
        (folder / name).write_text("#!/bin/sh\nexit 0\n")
    (folder / "sbatch").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\necho "{REFUSAL}" >&2\nexit 1\n')
    for path in folder.iterdir():
        path.chmod(0o755)
    return folder


def submit(cluster: Path, profile: Path, **environment: str) -> tuple[str, str]:
    """What Snakemake says, and how sbatch was called."""
    folder = cluster.parent
    target = "resources/rats_pairs_twin/annotations/12_annot.txt"
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "-d", str(folder / "lab")]
    command += [
        "--profile",
        str(profile),
        "--retries",
        "0",
        "--slurm-init-seconds-before-status-checks",
        "1",
        "--config",
        "experiment=demo",
        "--",
        target,
    ]
    path = f"{cluster}{os.pathsep}{os.environ['PATH']}"
    given = os.environ | {"PATH": path} | environment
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=given, timeout=120)
    assert done.returncode == 1
    return done.stdout + done.stderr, (folder / "calls").read_text()


def uncommented(profile: str, folder: Path, *starts: str) -> Path:
    """Return a copy of a profile in which some commented lines count."""
    lines = (ROOT / "profiles" / profile / "config.yaml").read_text().splitlines()
    made = folder / "profile" / "config.yaml"
    made.parent.mkdir()
    for start in starts:
        assert any(line.startswith(f"  # {start}") for line in lines), start
    made.write_text("\n".join(re.sub(r"^  # ", "  ", x) if x[4:].startswith(starts) else x for x in lines))
    return made.parent


@pytest.mark.slow
def test_every_site_rule_has_a_line_that_reaches_sbatch(cluster: Path, tmp_path: Path) -> None:
    profile = uncommented("slurm", tmp_path, *(start for start, _ in LINES.values()))
    said, call = submit(cluster, profile)
    for _, argument in LINES.values():
        assert argument in call
    assert "--mem " not in call
    assert REFUSAL in said  # also of a group of jobs


@pytest.mark.slow
def test_an_sbatch_that_wants_no_memory_at_all(cluster: Path) -> None:
    _, call = submit(cluster, ROOT / "profiles" / "slurm", ETHOMAKE_NO_MEMORY="1")
    assert "--mem" not in call


def test_the_profiles_name_the_model_of_the_gpu() -> None:
    assert "# gpu_model: a100" in (ROOT / "profiles/slurm/config.yaml").read_text()
    assert "gpu:a100:1" in (ROOT / "profiles/slurm-gres/config.yaml").read_text()


def run(folder: Path, home: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "workflow_scripts.cli", "run", "demo", "-n"]
    given = {key: value for key, value in os.environ.items() if not key.startswith("XDG_")}
    given |= {"HOME": home, "PYTHONPATH": str(ROOT)} | environment
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=given)


def test_a_home_that_cannot_be_written_to(tmp_path: Path) -> None:
    done = run(tmp_path, "/proc")
    assert done.returncode == 1
    assert done.stderr.startswith("/proc/.cache: Snakemake keeps its cache there") and done.stderr.count("\n") == 1
    done = run(tmp_path, "/proc", XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert done.returncode == 0, done.stderr[-2000:]
