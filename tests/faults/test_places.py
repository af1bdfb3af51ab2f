"""Full disks, read-only folders, lost and broken files, clocks: an undisturbed result afterwards, or one sentence."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders.fault_runs import TARGET, copy_project, one_sentence, run, same

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_project(tmp_path_factory.mktemp("undisturbed"))
    done = run(folder)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return folder


SEEN = ("--cores", "2")


@pytest.fixture
def again(undisturbed: Path, tmp_path: Path) -> Path:
    """A copy of the finished project."""
    shutil.copytree(undisturbed, tmp_path / "p", symlinks=True)
    return tmp_path / "p"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], check=False).returncode:
        pytest.skip("mounting needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def resize(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def test_a_full_disk(undisturbed: Path, small_disk: Path, tmp_path: Path) -> None:
    """The disk grows step by step, and each time it is full in the middle of another file."""
    folder, names = copy_project(tmp_path / "p"), ("resources", "data", "results")
    for name in names:
        (small_disk / name).mkdir()
        (folder / name).symlink_to(small_disk / name)
    whole = sum(path.stat().st_size for name in names for path in (undisturbed / name).rglob("*") if path.is_file())
    failures = 0
    for share in (0.05, 0.3, 0.45, 0.6, 0.75, 0.9):
        resize(small_disk, f"size={int(share * whole / 1024)}k")
        done = run(folder)
        if done.returncode == 0:
            break
        one_sentence(done, "the disk is full", "run the same command again")
        failures += 1
    assert failures >= 4
    resize(small_disk, f"size={4 * whole // 1024 + 4096}k")
    done = run(folder)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    same(folder, undisturbed)
    assert not list(small_disk.rglob("*.part*")), "half-written files are left"


def test_a_read_only_disk(undisturbed: Path, small_disk: Path, again: Path) -> None:
    resize(small_disk, "size=400m")
    results = again / "results"
    shutil.copytree(results, small_disk, dirs_exist_ok=True)
    shutil.rmtree(results)
    results.symlink_to(small_disk)
    (small_disk / "faults/comparison.csv").unlink()
    resize(small_disk, "ro")
    done = run(again, *SEEN)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "Write-protected output files" in said or "read-only" in said.lower()
    assert "Traceback" not in said
    resize(small_disk, "rw")
    assert run(again, *SEEN).returncode == 0
    same(again, undisturbed)


@pytest.mark.parametrize(
    ("pattern", "stage"),
    [
        ("data/calms21_twin/recordings/*.h5", "tracks"),
        ("results/faults/runs/calms21_twin/raw/*/*/*/*/embeddings.h5", "probe_control"),
        ("results/faults/runs/calms21_twin/daart/*/*/*/*/embedder/model.safetensors", "embed"),
        ("data/calms21_twin/splits/official.json", "chance"),
    ],
)
def test_a_corrupt_intermediate_is_named_and_made_again(
    undisturbed: Path, again: Path, pattern: str, stage: str
) -> None:
    path = sorted(again.glob(pattern))[0]
    content = path.read_bytes()
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    path.write_bytes(content[: len(content) // 2])
    os.utime(path, ns=times)  # as a bad disk does it
    stopped = run(again, "--cores", "1", "--forcerun", stage, "--rerun-triggers", "mtime")
    one_sentence(stopped, path.name)
    path.unlink()
    done = run(again, *SEEN)
    assert done.returncode == 0, done.stderr[-3000:]
    same(again, undisturbed)


def test_a_deleted_intermediate_is_only_made_again_when_needed(undisturbed: Path, again: Path) -> None:
    embeddings = next(again.glob("results/faults/runs/calms21_twin/daart/*/*/*/*/embeddings.h5"))
    embeddings.unlink()
    done = run(again, *SEEN)
    assert "Nothing to be done" in done.stdout + done.stderr
    for needed in (embeddings.parent / "probe.csv", again / TARGET):
        needed.unlink()
    done = run(again, *SEEN)
    assert done.returncode == 0, done.stderr[-3000:]
    assert embeddings.exists()
    same(again, undisturbed)


@pytest.mark.parametrize("hours", [-48, 48])
def test_the_clock_moved(undisturbed: Path, again: Path, hours: int) -> None:
    """Half of the files are from another time than the clock says now."""
    files = [path for name in ("resources", "data") for path in (again / name).rglob("*") if path.is_file()]
    then = time.time() + 3600 * hours
    for path in files:
        os.utime(path, (then, then))
    if hours > 0:  # Snakemake's own sentence
        stopped = run(again, *SEEN)
        assert "clock skew" in stopped.stdout + stopped.stderr
        assert stopped.returncode != 0
        now = time.time()
        for path in filter(Path.exists, files):
            os.utime(path, (now, now))
    done = run(again, *SEEN)
    assert done.returncode == 0, done.stderr[-3000:]
    same(again, undisturbed)
