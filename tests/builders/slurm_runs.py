"""Runs on a real Slurm: is there one, start the workflow through it, ask its accounting what the jobs were given."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from builders.plans import GPU_RULES

ROOT = Path(__file__).parents[2]
QUICK = ("--slurm-init-seconds-before-status-checks", "3")
"""The default of 40 seconds suits real jobs; these take seconds."""


def why_not() -> str | None:
    """Why no Slurm can be used here, or None."""
    how = "see tests/slurm/cluster.sh"
    if shutil.which("sinfo") is None or shutil.which("sbatch") is None:
        return f"no Slurm is installed; {how}"
    answer = subprocess.run(
        ["timeout", "10", "sinfo", "-h", "-o", "%R %t"], capture_output=True, text=True, check=False
    )
    if answer.returncode:
        return f"Slurm does not answer ({answer.stderr.strip()[:80]}); {how}"
    partitions = {line.split()[0] for line in answer.stdout.splitlines()}
    if not {"cpu", "gpu"} <= partitions:
        return f"this Slurm has no partitions cpu and gpu; {how}"
    return None


def copy_project(folder: Path, root: Path = ROOT) -> Path:
    """Copy what a run needs, so that edits and locks stay apart from the checkout's."""
    for name in ("workflow_scripts", "rules", "config", "envs", "profiles"):
        shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "requirements.lock"):
        shutil.copy(root / name, folder)
    (folder / "slurm").symlink_to("profiles/slurm")
    return folder


def snakemake(folder: Path, *arguments: str) -> list[str]:
    # The option takes all words that follow it, targets too.
    return [sys.executable, "-m", "snakemake", *arguments, "--configfile", str(folder / "experiment.yaml")]


def run(folder: Path, *arguments: str, seconds: int = 900, expect: int | None = 0) -> subprocess.CompletedProcess[str]:
    """Run the workflow and wait; it is killed past the limit (Snakemake answers SIGTERM by waiting for its jobs)."""
    done = subprocess.run(
        ["timeout", "-s", "KILL", str(seconds), *snakemake(folder, *arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": ""},
    )
    if expect is not None:
        assert done.returncode == expect, done.stdout[-3000:] + done.stderr[-6000:]
    return done


@dataclass(frozen=True)
class SlurmJob:
    """One row of the accounting."""

    number: int
    comment: str
    partition: str
    given: str
    state: str

    @property
    def rule(self) -> str:
        """Rule (or group) the job ran."""
        return self.comment.removeprefix("rule_").split("_wildcards_")[0].split("_group_")[0]


def accounting(since: int = 0) -> list[SlurmJob]:
    """Finished jobs with a number above `since`."""
    text = subprocess.run(
        ["sacct", "-X", "-n", "-P", "-D", "-o", "jobidraw,comment,partition,alloctres,state"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rows = [line.split("|") for line in text.splitlines()]
    jobs = [SlurmJob(int(row[0]), *row[1:5]) for row in rows if row[0].isdigit()]
    return [job for job in jobs if job.number > since]


def check_routing(jobs: list[SlurmJob]) -> None:
    """Every job done; one GPU for each of the GPU rules, none for any other."""
    assert all(job.state == "COMPLETED" for job in jobs), jobs
    for job in jobs:
        if job.rule in GPU_RULES:
            assert (job.partition, "gres/gpu=1" in job.given) == ("gpu", True), job
        else:
            assert (job.partition, "gpu" in job.given) == ("cpu", False), job


def newest() -> int:
    """Number of the newest job."""
    return max((job.number for job in accounting()), default=0)
