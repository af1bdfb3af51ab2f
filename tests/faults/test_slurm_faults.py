"""What clusters do, on a real Slurm: too little memory, a requeue, a cancelled job, a drained node, a time limit."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
from builders.fault_runs import copy_project, run, same, start, wait_until
from builders.slurm_runs import QUICK, accounting, newest, why_not

pytestmark = [pytest.mark.faults, pytest.mark.skipif(why_not() is not None, reason=why_not() or "")]


# The option replaces what the profile sets, so its partitions are said again.
PARTITIONS = [f"{rule}:slurm_partition=gpu" for rule in ("train", "embed", "predict")]


def ask(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def running(comment: str, since: int) -> list[int]:
    """Running jobs above a number whose comment begins so."""
    rows = [line.split("|") for line in ask("squeue", "-h", "-t", "RUNNING", "-o", "%A|%k").splitlines()]
    return [int(row[0]) for row in rows if int(row[0]) > since and row[1].startswith(comment)]


def test_a_run_survives_what_a_cluster_does(tmp_path: Path) -> None:
    calm, folder = copy_project(tmp_path / "calm"), copy_project(tmp_path / "p")
    reference = run(calm)
    assert reference.returncode == 0, reference.stderr[-3000:]
    before = newest()
    little = [f"{rule}:mem_mb=attempt*250" for rule in ("convert", "simulate")]
    process = start(folder, "--profile", "slurm", *QUICK, "--retries", "4", "--set-resources", *PARTITIONS, *little)

    # A drained node starts nothing new; what waits goes on afterwards.
    assert wait_until(lambda: running("rule_datasets", before), process, 600)
    ask("scontrol", "update", "NodeName=gpu1", "State=DRAIN", "Reason=test")
    time.sleep(15)
    assert not running("rule_train", before)
    ask("scontrol", "update", "NodeName=gpu1", "State=RESUME")

    # Preemption: Slurm takes the training's node away and queues it again.
    weights = "results/faults/runs/calms21_twin/daart/sound/default/official/seed0"
    assert wait_until(lambda: running("rule_train", before), process, 600)
    requeued = running("rule_train", before)[0]
    assert wait_until(lambda: (folder / weights / "resume.ckpt").exists(), process, 600)
    ask("scontrol", "requeue", str(requeued))

    # Somebody cancels a job.
    assert wait_until(lambda: running("rule_embed", before), process, 900)
    cancelled = running("rule_embed", before)[0]
    ask("scancel", str(cancelled))

    assert process.wait(1500) == 0, (folder / "log").read_text()[-4000:]
    jobs = accounting(since=before)
    recordings = [job for job in jobs if job.rule.startswith("recordings")]
    assert recordings[0].state != "COMPLETED", "the first attempt had memory enough"
    assert recordings[-1].state == "COMPLETED"
    assert len({job.given for job in recordings}) > 1, "the retries asked for no more memory"
    assert any(job.number == cancelled and job.state.startswith("CANCELLED") for job in jobs)
    assert sum(job.number == requeued for job in jobs) == 2, "the training was not queued again"
    same(folder, calm)


def test_a_time_limit_stops_a_training_which_then_goes_on(tmp_path: Path) -> None:
    """Slurm's own limit, one minute; the retry asks for more time and finds the checkpoint."""
    folder = copy_project(tmp_path)
    text = (folder / "experiment.yaml").read_text()
    assert "max_epochs: 5" in text
    (folder / "experiment.yaml").write_text(text.replace("max_epochs: 5", "max_epochs: 1500"))
    before = newest()
    target = "results/faults/runs/calms21_twin/daart/sound/default/official/seed0"
    weights = f"{target}/weights_last.safetensors"
    # Each attempt asks for more memory, too, so that many attempts ask for more than the node has.
    limits = ("--set-resources", *PARTITIONS, "train:runtime=6*attempt-5")
    process = start(folder, weights, "--profile", "slurm", *QUICK, *limits)
    assert process.wait(1500) == 0, (folder / "log").read_text()[-4000:]
    states = [job.state for job in accounting(since=before) if job.rule == "train"]
    assert "TIMEOUT" in states or "FAILED" in states, states
    assert states[-1] == "COMPLETED"
    assert "resumed after epoch" in (folder / target / "console.log").read_text()
