"""The process that runs the jobs of a local run: it does what processes of their own would, and dies with the run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

STAGE = "workflow_scripts.stages.card"
RUN = """
import os, sys, types
from workflow_scripts.workflow import local_run
local_run.start_worker(types.SimpleNamespace(local_exec=True))
print(os.environ["ETHOMAKE_WORKER"], flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def run() -> Iterator[subprocess.Popen[str]]:
    """A process that has started a worker, as Snakemake's does, until its input ends."""
    environment = {name: value for name, value in os.environ.items() if name != "ETHOMAKE_WORKER"}
    with subprocess.Popen(
        [sys.executable, "-c", RUN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        process.place = process.stdout.readline().strip()  # type: ignore[attr-defined]
        yield process
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(20) == 0
        assert not Path(process.place.partition(os.pathsep)[0]).parent.exists()  # type: ignore[attr-defined]


def environment(run: subprocess.Popen[str], **more: str) -> dict[str, str]:
    threads = {name: "1" for name in os.environ | more if name.endswith("_THREADS")}
    names = ("OMP", "GOTO", "OPENBLAS", "MKL", "NUMEXPR")
    threads |= {f"{name}_NUM_THREADS": "1" for name in names} | {"VECLIB_MAXIMUM_THREADS": "1"}
    return os.environ | threads | {"ETHOMAKE_WORKER": run.place} | more  # type: ignore[attr-defined]


def job(run: subprocess.Popen[str], module: str, *arguments: str, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        env=environment(run, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_job_is_what_a_process_of_its_own_would_be(run: subprocess.Popen[str], tmp_path: Path) -> None:
    missing = ["--log", str(tmp_path / "log"), "--card", str(tmp_path / "none.json"), "--output", str(tmp_path / "out")]
    for arguments in (["--help"], missing, []):
        said, errors = job(run, STAGE, *arguments).communicate()
        alone = subprocess.run(
            [sys.executable, "-m", STAGE, *arguments], capture_output=True, text=True, check=False, env=os.environ
        )
        assert (said, errors) == (alone.stdout, alone.stderr)
    assert "none.json" in errors or "none.json" in (tmp_path / "log").read_text()


def test_the_worker_takes_it_and_nothing_is_imported_in_the_process_that_waits(run: subprocess.Popen[str]) -> None:
    program = "import sys; sys.argv, sys.orig_argv = ['-m'], ['python', '-m', '" + STAGE + "', '--help']\n"
    program += "import atexit; atexit.register(lambda: print('not handed over'))\nimport workflow_scripts.stages"
    taken = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment(run)
    )
    assert "usage:" in taken.stdout
    assert "not handed over" not in taken.stdout
    other = environment(run, OMP_NUM_THREADS="2")  # which the worker's libraries were not loaded with
    alone = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=other)
    assert "not handed over" in alone.stdout


def child(run: subprocess.Popen[str], process: subprocess.Popen[str]) -> int:
    note = Path(run.place.partition(os.pathsep)[0]).parent / str(process.pid)  # type: ignore[attr-defined]
    for _ in range(2000):
        if note.is_file() and note.read_text():
            return int(note.read_text())
        time.sleep(0.01)
    raise AssertionError("the worker took no job")


def gone(pid: int) -> bool:
    for _ in range(2000):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False


@pytest.fixture
def waiting(run: subprocess.Popen[str], tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A job that waits for its log, a pipe that nobody reads (inputs that are pipes are refused at once)."""
    os.mkfifo(tmp_path / "log")
    paths = {"--log": "log", "--card": "card.json", "--output": "out"}
    process = job(run, STAGE, *(part for name, file in paths.items() for part in (name, str(tmp_path / file))))
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_reaches_the_job(
    run: subprocess.Popen[str], waiting: subprocess.Popen[str], number: signal.Signals
) -> None:
    pid = child(run, waiting)
    waiting.send_signal(number)
    assert waiting.wait(20) == -number
    assert gone(pid)


def test_a_job_that_is_killed_ends_the_process_that_waits(
    run: subprocess.Popen[str], waiting: subprocess.Popen[str]
) -> None:
    os.kill(child(run, waiting), signal.SIGKILL)
    assert waiting.wait(20) == -signal.SIGKILL


def test_limit_of_jobs_a_second_goes_only_where_nobody_asked_for_it() -> None:
    from workflow_scripts.workflow.local_run import rest_between_jobs

    def after(count: int, *, local: bool) -> object:
        limit = SimpleNamespace(max_jobs=count, timespan=1)
        workflow = SimpleNamespace(local_exec=local, scheduler=SimpleNamespace(job_rate_limiter=limit))
        rest_between_jobs(workflow)
        return workflow.scheduler.job_rate_limiter

    assert after(100, local=True) is None
    assert after(5, local=True) is not None
    assert after(100, local=False) is not None
