"""The demo under kills, ten times over: of Snakemake with its jobs or alone, of jobs, of trainings; then the same."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
from builders.fault_runs import ROOT, kill_all, launch, same, stages_of
from builders.slurm_runs import copy_project

DEMO = Path(os.environ.get("ETHOMAKE_DEMO", ROOT))
"""Folder in which `make demo` ran undisturbed."""

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(not (DEMO / "results/demo/comparison.csv").is_file(), reason="run `make demo` first"),
]

TIMES = 10
TABLES = ("comparison.csv", "settings.csv", "tests.csv", "ranks.csv")
COMMAND = [
    sys.executable,
    "-m",
    "snakemake",
    "--profile",
    "profiles/local",
    "--cores",
    "2",
    "--config",
    "experiment=demo",
]


def victims(process: subprocess.Popen[bytes], done: Counter[str]) -> tuple[str, list[psutil.Process]] | None:
    """What runs now and was killed least so far; no process stands for Snakemake."""
    jobs, trainings = stages_of(process), stages_of(process, "train")
    running = {"training": trainings, "job": [job for job in jobs if job not in trainings]}
    possible = [*(kind for kind, found in running.items() if found), "snakemake with its jobs", "snakemake alone"]
    kind = min(possible, key=lambda kind: done[kind])
    return (kind, running.get(kind, [])) if done[kind] < TIMES else None


def test_the_demo_is_killed_ten_times_over(tmp_path: Path) -> None:
    moments = random.Random(int(os.environ.get("ETHOMAKE_FAULTS_SEED", "11")))
    folder = copy_project(tmp_path / "p", DEMO)
    done: Counter[str] = Counter()
    process, deadline = launch(folder, COMMAND), time.monotonic() + 7200
    while time.monotonic() < deadline:
        until = time.monotonic() + moments.uniform(4, 16)
        while time.monotonic() < until and process.poll() is None:
            time.sleep(0.05)
        if process.poll() == 0:
            break
        if process.poll() is None and (victim := victims(process, done)):
            kind, found = victim
            if found:
                moments.choice(found).send_signal(signal.SIGKILL)
            elif kind == "snakemake alone":
                process.kill()  # its jobs live on beside those of the next run
                process.wait()
            else:
                kill_all(process)
            done[kind] += 1
        if process.poll() is not None:  # stopped, or failed at a job that was killed as often as it is retried
            done["starts"] += 1
            assert done["starts"] < 5 * TIMES, (folder / "log").read_text()[-4000:]
            process = launch(folder, COMMAND)
    print(dict(done))
    assert process.poll() == 0, "it does not end"
    assert all(done[kind] >= TIMES for kind in ("snakemake with its jobs", "snakemake alone", "job")), done
    assert done["training"] >= TIMES / 2, done
    same(folder, DEMO, TABLES, "demo")
