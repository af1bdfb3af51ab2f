"""The workflow run for real, on a small twin, in a copy of the project: reruns, kills, broken input, wheels."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from builders.plans import planned

EXPERIMENT = """\
experiment: tiny
datasets:
  rats_pairs_twin: {splits: [fold], tasks: [S1]}
methods: {raw: {}, pca: {dim: 4}}
probe: {max_train_frames: 2000}
intervals: {resamples: 50}
"""


def command(folder: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", str(folder / "tiny.yaml"), *arguments]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": ""}
    return subprocess.run(
        command(folder, *arguments), capture_output=True, text=True, check=False, cwd=folder, env=environment
    )


def rules_of(done: subprocess.CompletedProcess[str]) -> set[str]:
    return {rule for rule, _ in planned(done.stdout + done.stderr)}


def copy_project(root: Path, folder: Path) -> Path:
    for name in ("workflow_scripts", "rules", "config", "envs"):
        shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "requirements.lock"):
        shutil.copy(root / name, folder)
    # Short sessions: what is tested here is the workflow.
    card = folder / "config/datasets/rats_pairs_twin.yaml"
    text = card.read_text()
    assert "frames: 3000" in text
    card.write_text(text.replace("frames: 3000", "frames: 600"))
    (folder / "tiny.yaml").write_text(EXPERIMENT)
    return folder


@pytest.fixture(scope="module")
def finished(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Project in which the experiment has run to the end, undisturbed."""
    folder = copy_project(root, tmp_path_factory.mktemp("finished"))
    done = run(folder)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder


def test_results_are_there_and_honest(finished: Path) -> None:
    table = pd.read_csv(finished / "results/tiny/comparison.csv")
    pooled = table[(table["split"] == "fold") & (table["metric"] == "macro_f1")].set_index("method")
    assert {"raw", "pca", "majority", "prior", "all_positive"} == set(pooled.index)
    assert (pooled["n_groups"] == 6).all()
    assert (pooled["low"] <= pooled["value"]).all()
    assert (pooled["value"] <= pooled["high"]).all()
    folds = table[table["split"].isin(["fold0", "fold1", "fold2"])]
    frames = folds[(folds["metric"] == "macro_f1") & (folds["method"] == "raw")]["n"].sum()
    assert frames == pooled.loc["raw", "n"]
    assert (finished / "results/tiny/report/index.html").stat().st_size > 10_000
    assert (finished / "data/rats_pairs_twin/leaks.csv").read_text().count("\n") == 1


def test_a_second_run_does_nothing(finished: Path) -> None:
    done = run(finished)
    assert "Nothing to be done" in done.stdout + done.stderr


def test_a_moved_project_is_still_finished(finished: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(finished, tmp_path / "moved", symlinks=True))
    done = run(moved, "-n")
    # These two read files beside the rules, which are found by their whole path.
    assert rules_of(done) <= {"report", "crate", "all"}


def test_an_edited_stage_reruns_its_descendants_alone(finished: Path) -> None:
    stage = finished / "workflow_scripts/stages/embed.py"
    text = stage.read_text()
    try:
        stage.write_text(text + "\nEDITED = True\n")
        done = run(finished, "-n")
        tables = {"significance", "compare", "maps", "pictures", "examples", "report", "crate"}
        assert rules_of(done) == {"transform", "probe_control", "pool", "all"} | tables
        stage.write_text(text + "\n# a comment changes nothing\n")
        assert "Nothing to be done" in (again := run(finished, "-n")).stdout + again.stderr
    finally:
        stage.write_text(text)


def test_an_edited_method_reruns_its_own_runs_alone(finished: Path) -> None:
    code = finished / "workflow_scripts/methods/pca/method.py"
    text = code.read_text()
    try:
        code.write_text(text + "\nEDITED = True\n")
        done = run(finished, "-n")
        jobs = [fields for rule, fields in planned(done.stdout + done.stderr) if rule == "fit"]
        assert len(jobs) == 3
        assert all("method=pca" in fields["wildcards"] for fields in jobs)
        assert not {"convert", "chance", "split", "simulate"} & rules_of(done)
    finally:
        code.write_text(text)


def test_a_changed_recording_is_converted_alone(finished: Path) -> None:
    card = finished / "config/datasets/rats_pairs_twin.yaml"
    text = card.read_text()
    try:
        card.write_text(text.replace("interpolate_max_frames: 10", "interpolate_max_frames: 9"))
        assert card.read_text() != text
        done = run(finished, "-n")
        jobs = [rule for rule, _ in planned(done.stdout + done.stderr)]
        assert jobs.count("convert") == 6
        assert "simulate" in jobs or jobs.count("simulate") == 0
    finally:
        card.write_text(text)


def test_kill_9_then_the_same_command(root: Path, finished: Path, tmp_path: Path) -> None:
    folder = copy_project(root, tmp_path)
    environment = os.environ | {"PYTHONPATH": ""}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            command(folder), cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        deadline = time.monotonic() + 120
        while len(list(folder.glob("data/*/recordings/*.h5"))) < 4:
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert list((folder / ".snakemake/locks").glob("*.lock"))
    done = run(folder)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "was killed; continuing" in done.stderr
    for name in ("comparison.csv", "settings.csv", "tables/ethograms.csv"):
        assert (folder / "results/tiny" / name).read_bytes() == (finished / "results/tiny" / name).read_bytes()


def test_a_live_run_keeps_its_lock(root: Path, tmp_path: Path) -> None:
    folder = copy_project(root, tmp_path)
    environment = os.environ | {"PYTHONPATH": ""}
    first = subprocess.Popen(
        command(folder),
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 60
        while not list((folder / ".snakemake/ethomake/running").glob("*.json")):
            assert first.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        second = run(folder)
        assert second.returncode != 0
        assert "lock" in (second.stdout + second.stderr).lower()
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()


def test_keep_going_quarantines_a_broken_recording(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "p", symlinks=True, ignore=shutil.ignore_patterns(".snakemake", "results"))
    folder = tmp_path / "p"
    broken = next((folder / "resources/rats_pairs_twin/dlc_csv").glob("35DLC*"))
    broken.chmod(0o644)
    broken.write_text("<!doctype html><title>Not found</title>")
    arguments = ("--rerun-triggers", "mtime", "--forcerun", "convert")
    stopped = run(folder, *arguments, "--keep-going")
    assert stopped.returncode == 1
    said = stopped.stdout + stopped.stderr
    assert "ERROR: " in said
    assert broken.name in said
    assert "Traceback" not in said
    assert not (folder / "data/rats_pairs_twin/recordings/35.h5").exists()
    assert (folder / "data/rats_pairs_twin/recordings/46.h5").exists()
    (folder / "tiny.yaml").write_text(EXPERIMENT + "keep_going: true\n")
    done = run(folder, *arguments)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    quality = pd.read_csv(folder / "results/tiny/tables/quality.csv").set_index("recording")
    assert quality.loc[35, "status"] == "quarantined"
    assert broken.name in quality.loc[35, "warnings"]
    assert "quarantined" in (folder / "results/tiny/report/index.html").read_text().lower()
