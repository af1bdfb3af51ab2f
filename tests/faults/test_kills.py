"""Kills: of Snakemake, of a job, of a training at a random step; afterwards the same command gives the same files."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from pathlib import Path

import psutil
import pytest
import yaml
from builders.fault_runs import TRAINED, copy_project, kill_all, run, same, stages_of, start, wait_until

pytestmark = pytest.mark.faults
MOMENTS = random.Random(9)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_project(tmp_path_factory.mktemp("undisturbed"))
    done = run(folder)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return folder


def steps(folder: Path) -> int:
    """Files finished so far."""
    return sum(1 for name in ("resources", "data", "results") for path in (folder / name).rglob("*") if path.is_file())


def test_snakemake_is_killed_again_and_again(undisturbed: Path, tmp_path: Path) -> None:
    folder = copy_project(tmp_path)
    total, kills = steps(undisturbed), 0
    for share in (0.1, 0.35, 0.6, 0.85):
        process = start(folder)
        wanted = (share + MOMENTS.uniform(-0.05, 0.05)) * total
        if not wait_until(lambda wanted=wanted: steps(folder) > wanted, process):  # type: ignore[misc]
            break
        kill_all(process)
        kills += 1
    done = run(folder)
    assert done.returncode == 0, done.stderr[-3000:]
    assert kills >= 3
    assert "was killed; continuing" in done.stderr
    same(folder, undisturbed)


def test_jobs_are_killed(undisturbed: Path, tmp_path: Path) -> None:
    folder = copy_project(tmp_path)
    process = start(folder, "--cores", "2", "--retries", "2")
    kills = 0
    for stage in ("convert", "embed", "probe"):
        assert wait_until(lambda stage=stage: stages_of(process, stage), process)  # type: ignore[misc]
        time.sleep(MOMENTS.uniform(0, 0.5))
        for victim in stages_of(process, stage)[:1]:
            victim.send_signal(signal.SIGKILL)
            kills += 1
    assert process.wait(900) == 0, (folder / "log").read_text()[-3000:]
    assert kills >= 2
    same(folder, undisturbed)


@pytest.mark.parametrize("dataset", TRAINED)
def test_trainings_are_stopped_at_random_steps_and_go_on(dataset: str, tmp_path: Path) -> None:
    """Each method's training is killed, then asked to stop by either signal, whenever it has got further."""
    weights = [
        f"results/faults/runs/{dataset}/{method}/sound/default/official/seed0/weights_last.safetensors"
        for method in TRAINED[dataset]["methods"]
    ]
    datasets = {dataset: TRAINED[dataset]}
    calm, folder = copy_project(tmp_path / "calm", datasets), copy_project(tmp_path / "p", datasets)
    for place in (calm, folder):  # five epochs of daart are over before a busy machine lets this test look once
        experiment = yaml.safe_load((place / "experiment.yaml").read_text())
        experiment["methods"]["daart"]["training"]["max_epochs"] = 60
        (place / "experiment.yaml").write_text(yaml.safe_dump(experiment))
    done = run(calm, *weights, "--cores", "2")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    process = start(folder, *weights, "--cores", "1", "--retries", "3")
    left = {(folder / target).parent: [signal.SIGUSR1, signal.SIGTERM, signal.SIGKILL] for target in weights}
    seen = dict.fromkeys(left, -1.0)
    while process.poll() is None:
        time.sleep(MOMENTS.uniform(0.02, 0.3))
        for training in stages_of(process, "train"):
            with contextlib.suppress(psutil.Error):
                held = next(place for place in left if str(place.relative_to(folder)) in training.cmdline())
                checkpoint = held / "resume.ckpt"
                if not left[held] or not checkpoint.exists() or checkpoint.stat().st_mtime <= seen[held]:
                    continue  # it has not got further than where it was stopped
                seen[held] = checkpoint.stat().st_mtime
                training.send_signal(left[held].pop())
                psutil.wait_procs([training], timeout=120)
    assert process.wait(900) == 0, (folder / "log").read_text()[-3000:]
    for target in weights:
        console = ((folder / target).parent / "console.log").read_text()
        assert "resumed after epoch" in console, f"{target}: it was not stopped, or trained from the start"
        stops = 3 - len(left[(folder / target).parent])
        print(f"{Path(target).parts[4]}: stopped {stops} times")
    same(folder, calm, names=())


def test_an_interrupted_run_goes_on(undisturbed: Path, tmp_path: Path) -> None:
    """Ctrl-C, as in the middle of `make demo`."""
    folder = copy_project(tmp_path)
    process = start(folder, "--profile", "profiles/local", "--cores", "2")
    assert wait_until(lambda: steps(folder) > 0.5 * steps(undisturbed), process)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(120) != 0
    done = run(folder, "--profile", "profiles/local", "--cores", "2")
    assert done.returncode == 0, done.stderr[-3000:]
    same(folder, undisturbed)
