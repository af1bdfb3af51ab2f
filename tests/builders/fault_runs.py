"""A small real experiment with every trained method, run in copies of the project that are then mistreated."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import yaml
from safetensors.numpy import load_file

ROOT = Path(__file__).parents[2]
NAMES = ("comparison.csv", "settings.csv")
"""Final files that must be the same byte for byte."""

TARGET = "results/faults/comparison.csv"

TRAINED = {
    "calms21_twin": {"methods": ["lisbet", "bams", "daart"]},
    "rat_direction_twin": {"methods": ["rat_direction"]},
    "mouse_action_twin": {"methods": ["mvd"]},
}
"""Datasets and methods of the tests that stop trainings."""

EXPERIMENT = {
    "experiment": "faults",
    "datasets": {
        "calms21_twin": {"methods": ["raw", "daart"]},
    },
    "methods": {
        "raw": {},
        "lisbet": {
            "tasks": ["order", "cons", "warp", "shift"],
            "preset": "16x2",
            "window_size": 48,
            "window_offset": 24,
            "shift_max": 24,
            "training": {"max_epochs": 5, "monitor": None, "batches_per_epoch": 12},
        },
        "bams": {
            "batch_size": 4,
            "crop": 300,
            "lr": 0.003,
            "training": {"max_epochs": 5, "monitor": None, "batches_per_epoch": 2},
        },
        "daart": {
            "strong": "behaviour",
            "learning_rate": 0.001,
            "sequences": {"batch_size": 4, "trial_splits": "1;0;0;0"},
            "training": {"max_epochs": 5, "monitor": None},
        },
        "rat_direction": {"width": 4, "training": {"max_epochs": 4, "batches_per_epoch": 8}},
        "mvd": {
            "size": "nano",
            "image_size": 48,
            "num_frames": 16,
            "sampling_rate": 1,
            "batch": 16,
            "samples": 64,
            "augment": {"turn": 180, "mix": 0.0, "erase": 0.0},
            "training": {"max_epochs": 5, "validate_every": 5},
        },
    },
    "probe": {"max_train_frames": 3000},
    "intervals": {"resamples": 50},
}


def copy_project(folder: Path, datasets: dict[str, Any] | None = None) -> Path:
    """Copy what a run needs."""
    for name in ("workflow_scripts", "rules", "config", "envs", "profiles"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "requirements.lock"):
        shutil.copy(ROOT / name, folder)
    (folder / "slurm").symlink_to("profiles/slurm")
    (folder / "experiment.yaml").write_text(yaml.safe_dump(EXPERIMENT | ({"datasets": datasets} if datasets else {})))
    return folder


def command(*arguments: str) -> list[str]:
    """Command line; a target may come first, else it is the comparison."""
    target = () if arguments and not arguments[0].startswith("-") else (TARGET,)
    return [sys.executable, "-m", "snakemake", *target, *arguments, "--configfile", "experiment.yaml"]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": "", "OMP_NUM_THREADS": "1"}


def run(folder: Path, *arguments: str, seconds: int = 900) -> subprocess.CompletedProcess[str]:
    """Run the workflow to its end."""
    return subprocess.run(
        ["timeout", "-s", "KILL", str(seconds), *command(*(arguments or ("--cores", "2")))],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start the workflow in a process group of its own."""
    return launch(folder, command(*(arguments or ("--cores", "2"))))


def launch(folder: Path, words: list[str]) -> subprocess.Popen[bytes]:
    """Start any command in a process group of its own; what it says goes to `log`."""
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            words,
            cwd=folder,
            env=environment(),
            stdout=log,
            stderr=log,
            start_new_session=True,
            # A runner in the background hands on that it ignores Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )


def wait_until(true: Callable[[], object], process: subprocess.Popen[bytes], seconds: float = 300) -> bool:
    """Wait for something to become true; False when the process ends before."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        if process.poll() is not None:
            return False
        time.sleep(0.02)
    raise AssertionError("waited too long")


def stages_of(process: subprocess.Popen[bytes], stage: str = "") -> list[psutil.Process]:
    """Jobs of a running workflow: processes below it that run a stage."""
    found = []
    try:
        for child in psutil.Process(process.pid).children(recursive=True):
            try:
                line = child.cmdline()
            except psutil.Error:
                continue
            if any(part.startswith(f"workflow_scripts.stages.{stage}") for part in line) and "python" in line[0]:
                found.append(child)
    except psutil.NoSuchProcess:
        pass
    return found


def kill_all(process: subprocess.Popen[bytes], number: int = signal.SIGKILL) -> None:
    os.killpg(process.pid, number)
    process.wait()


def same(folder: Path, undisturbed: Path, names: tuple[str, ...] = NAMES, experiment: str = "faults") -> None:
    """Final tables byte for byte, and every weight bit for bit."""
    mine, theirs = folder / "results" / experiment, undisturbed / "results" / experiment
    for name in names:
        assert (mine / name).read_bytes() == (theirs / name).read_bytes(), name
    weights = sorted(path.relative_to(theirs) for path in theirs.glob("runs/**/weights_*.safetensors"))
    assert weights
    for path in weights:
        one, two = load_file(mine / path), load_file(theirs / path)
        assert one.keys() == two.keys(), path
        for key in one:
            assert one[key].tobytes() == two[key].tobytes(), (path, key)


def one_sentence(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """The run failed with a line for people that says these words, and without a traceback."""
    said = done.stdout + done.stderr
    assert done.returncode != 0
    lines = [line for line in said.splitlines() if line.startswith("ERROR: ")]
    assert any(all(word in line for word in words) for line in lines), (words, lines, said[-2000:])
    assert "Traceback" not in said, said[-3000:]
