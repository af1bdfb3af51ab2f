"""A whole small experiment through `ethomake run` on shared machines.

Umasks, a home that cannot be written, `-OO`, temporary folders that are missing or full, caches elsewhere.
"""

from __future__ import annotations

import contextlib
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders.fault_runs import copy_project, environment

pytestmark = pytest.mark.faults
DATASETS = {"calms21_twin": {"methods": ["raw"]}}
TABLE = "results/faults/comparison.csv"


def ethomake(folder: Path, *arguments: str, mask: int = 0o022, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the experiment in a folder under a umask and with some environment variables."""
    cores = ("--cores", "2", "--scheduler", "greedy")
    line = [sys.executable, "-m", "workflow_scripts.cli", "run", "experiment.yaml", *cores, *arguments]
    return subprocess.run(
        line, cwd=folder, env=environment() | variables, umask=mask, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_project(tmp_path_factory.mktemp("plain"), DATASETS)
    done = ethomake(folder, TABLE)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return folder


@pytest.fixture
def tmpfs(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of a megabyte."""
    folder = tmp_path / "tmpfs"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], check=False).returncode:
        pytest.skip("mounting needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def wrong_modes(folder: Path, mask: int) -> list[str]:
    """Outputs of which the group or others may do less, or more, than the umask leaves."""
    found = []
    for name in ("resources", "data", "results", "logs"):
        for path in (folder / name).rglob("*"):
            if path.is_symlink():
                continue
            mode = stat.S_IMODE(path.stat().st_mode)
            possible = {0o777 & ~mask} if path.is_dir() else {0o666 & ~mask, 0o444 & ~mask}
            if mode not in possible:
                found.append(f"{path.relative_to(folder)}: {mode:o}")
    return found


def test_a_strict_umask_a_home_that_is_read_only_and_no_docstrings(plain: Path, tmp_path: Path, tmpfs: Path) -> None:
    """All at once, and the caches in a folder of the user's: the same table, in files that the group may read."""
    subprocess.run(["mount", "-o", "remount,ro", str(tmpfs)], check=True)
    folder = copy_project(tmp_path / "p", DATASETS)
    cache = tmp_path / "cache"
    variables = {"HOME": str(tmpfs), "XDG_CACHE_HOME": str(cache), "PYTHONOPTIMIZE": "2"}
    done = ethomake(folder, TABLE, mask=0o027, **variables)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert (folder / TABLE).read_bytes() == (plain / TABLE).read_bytes()
    assert wrong_modes(folder, 0o027) == []
    assert not list(tmpfs.iterdir())
    assert cache.is_dir()


def test_a_group_may_go_on_with_a_run(plain: Path, tmp_path: Path) -> None:
    folder = copy_project(tmp_path / "p", DATASETS)
    done = ethomake(folder, TABLE, mask=0o002)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert (folder / TABLE).read_bytes() == (plain / TABLE).read_bytes()
    assert wrong_modes(folder, 0o002) == []


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert all(word in said for word in words), said[-2000:]
    assert "Traceback" not in said, said[-3000:]
    assert "rule" not in done.stdout, "a job was started"


def test_a_home_that_is_read_only_without_another_cache(tmp_path: Path, tmpfs: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(tmpfs)], check=True)
    folder = copy_project(tmp_path / "p", DATASETS)
    refused(ethomake(folder, TABLE, HOME=str(tmpfs), XDG_CACHE_HOME=""), "XDG_CACHE_HOME")


def test_no_temporary_folder(tmp_path: Path) -> None:
    """Where TMPDIR names none, Python takes /tmp: the run goes on there, or says that there is none."""
    folder = copy_project(tmp_path / "p", DATASETS)
    done = ethomake(folder, "-n", TABLE, TMPDIR=str(tmp_path / "absent"))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def test_a_full_temporary_folder(tmp_path: Path, tmpfs: Path) -> None:
    """Python passes over a folder in which it cannot write a byte and takes /tmp."""
    with contextlib.suppress(OSError), (tmpfs / "full").open("wb") as handle:
        handle.write(bytes(2**21))
    folder = copy_project(tmp_path / "p", DATASETS)
    done = ethomake(folder, "-n", TABLE, TMPDIR=str(tmpfs))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert [path.name for path in tmpfs.iterdir()] == ["full"]


def test_a_nearly_full_temporary_folder(tmp_path: Path, tmpfs: Path) -> None:
    (tmpfs / "full").write_bytes(bytes(2**19))
    folder = copy_project(tmp_path / "p", DATASETS)
    refused(ethomake(folder, TABLE, TMPDIR=str(tmpfs)), "temporary folder", "is full", "set TMPDIR")
    assert [path.name for path in tmpfs.iterdir()] == ["full"]
