"""What `make demo` made, made again by a real Slurm: each GPU job of the demo, each of its rules, and the same numbers.

A job on a cluster starts Snakemake twice. So what no GPU job hangs on is taken over from the local run, but for two
datasets, which are made again from their first file, and single files of the rules those do not have. `ETHOMAKE_DEMO`
names another folder than the checkout in which the demo was run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from builders.plans import GPU_RULES, planned
from builders.slurm_runs import QUICK, ROOT, accounting, check_routing, copy_project, newest, why_not

from workflow_scripts import methods
from workflow_scripts.experiment.experiment import load_experiment

DEMO = Path(os.environ.get("ETHOMAKE_DEMO", ROOT))

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.slow,
    pytest.mark.skipif(why_not() is not None, reason=why_not() or ""),
    pytest.mark.skipif(not (DEMO / "results/demo/comparison.csv").is_file(), reason="run `make demo` first"),
]

WHOLE = ("calms21_twin", "rat_direction_twin")
"""Datasets made again from the beginning, with all their runs."""

ALSO = (
    "data/mouse_action_twin/clips/index.h5",  # clips, and locate for the one recording below
    "results/demo/runs/mabe22_mouse_twin/random_init/sound/default/official/seed0/mabe_compat.csv",
)


def snakemake(folder: Path, *arguments: str, seconds: int = 1500) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "snakemake", *arguments, "--config", "experiment=demo"]
    return subprocess.run(
        ["timeout", "-s", "KILL", str(seconds), *command],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": ""},
    )


def take_over(folder: Path) -> None:
    """Bring along what the local run made, less what is to be made again."""
    for name in ("resources", "data", "results/demo", ".snakemake/metadata"):
        shutil.copytree(DEMO / name, folder / name, symlinks=True)
    for dataset in WHOLE:
        for place in ("resources", "data", "results/demo/runs"):
            shutil.rmtree(folder / place / dataset)
    # A missing file is only made where something needs it, so the tables, the sections and the report go too.
    for path in (folder / "results/demo").iterdir():
        if path.name not in {"runs", "provenance"}:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    experiment = load_experiment(folder, {"experiment": "demo"})
    for run in experiment.runs:
        if methods.config_model(run.method).neural:
            # With the folds goes what they were brought together in.
            shutil.rmtree(folder / f"results/demo/runs/{run.dataset}/{run.method}", ignore_errors=True)
    for name in ALSO:
        (folder / name).unlink()
    shard = min((folder / "data/mouse_action_twin/clips").glob("[!i]*.h5"))
    shard.unlink()
    shard.with_suffix(".mp4").unlink()


def test_the_demo_through_slurm_gives_what_it_gives_here(tmp_path: Path) -> None:
    plan = snakemake(copy_project(tmp_path / "plan", DEMO), "-n")
    assert plan.returncode == 0, plan.stderr[-3000:]
    demo = Counter(rule for rule, _ in planned(plan.stdout + plan.stderr))

    folder = copy_project(tmp_path / "there", DEMO)
    take_over(folder)
    before = newest()
    done = snakemake(folder, "--profile", "slurm", *QUICK)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    said = done.stdout + done.stderr
    rules = Counter(line.split()[1].rstrip(":") for line in said.splitlines() if is_job(line.strip()))
    for rule in GPU_RULES & demo.keys():
        assert rules[rule] == demo[rule], f"{rule}: {rules[rule]} of {demo[rule]} jobs"
    assert demo.keys() - {"all"} <= rules.keys() | {"configuration", "rulegraph"}, demo.keys() - rules.keys()

    jobs = accounting(since=before)
    check_routing(jobs)
    with_gpu = Counter(job.rule for job in jobs if job.partition == "gpu")
    assert with_gpu == {rule: demo[rule] for rule in GPU_RULES & demo.keys()}
    for name in ("comparison.csv", "settings.csv", "tests.csv", "ranks.csv"):
        mine, theirs = folder / "results/demo" / name, DEMO / "results/demo" / name
        assert mine.read_bytes() == theirs.read_bytes(), name
    print(f"{sum(rules.values())} jobs in {len(jobs)} submissions")


def is_job(line: str) -> bool:
    """Whether a line of Snakemake's log begins a job."""
    return line.startswith(("rule ", "localrule ")) and line.endswith(":")
