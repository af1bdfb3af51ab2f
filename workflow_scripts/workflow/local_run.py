"""What a run on this machine gets beyond Snakemake 9.27: a warm process for its jobs, and a scheduler that rests."""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from workflow_scripts.workflow.handover import LOADED_BY, PLACE

LONGEST = 100
"""Of a socket's path, in bytes; the system takes 107."""

UNASKED = (100, 1)
"""Snakemake's limit on jobs and seconds, where no other is asked for."""

OFF = "ETHOMAKE_NO_WORKER"
"""Environment variable that, set to 1, lets each job start its own Python."""


SELDOM = 70_000
"""New objects after which Python's garbage collector looks at them; 700 is its own number."""


def collect_seldom() -> None:
    """Let Python's garbage collector look at new objects a hundred times less often.

    A plan is millions of small objects that live to the end of the run, and a sixth of its time went into looking for
    cycles among them, of which there are few.
    """
    gc.set_threshold(SELDOM, *gc.get_threshold()[1:])


def rest_between_jobs(workflow: Any) -> None:
    """Take away the limit on jobs per second, which makes Snakemake's main process busy.

    With a limit (100 a second unless one is asked for) each round of scheduling plans another one a second later. Each
    finished job starts a round as well, so the rounds in a second grow with the jobs done, and each looks at all
    jobs that are ready. On one machine the cores limit the jobs.
    """
    scheduler = workflow.scheduler
    limit = scheduler.job_rate_limiter
    if workflow.local_exec and limit is not None and (limit.max_jobs, limit.timespan) == UNASKED:
        scheduler.job_rate_limiter = None


def start_worker(workflow: Any) -> None:
    """Start the process that has the libraries imported, for the jobs of this process; it ends with this one."""
    if not workflow.local_exec or sys.platform != "linux" or os.environ.get(OFF) == "1":
        return
    try:
        folder = Path(tempfile.mkdtemp(prefix="ethomake-"))
    except OSError:  # no room for temporary files: each job starts its own Python
        return
    path = str(folder / "worker")
    if len(os.fsencode(path)) > LONGEST:
        folder.rmdir()
        return
    threads = {name: "1" for name in LOADED_BY if name.endswith("_THREADS")}  # as Snakemake sets them for a job
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(path)
        listening.listen(64)
        process = subprocess.Popen(
            [sys.executable, "-m", "workflow_scripts.workflow.worker", str(listening.fileno()), str(folder)],
            stdin=subprocess.PIPE,  # never written to: it closes when this process ends, however it ends
            pass_fds=[listening.fileno()],
            env={**os.environ, **threads},
            start_new_session=True,  # Ctrl-C reaches the jobs through the processes that wait for them
        )
    os.environ[PLACE] = f"{path}{os.pathsep}{sys.prefix}"

    def stop() -> None:
        os.environ.pop(PLACE, None)
        if process.stdin is not None:
            process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(stop)
    _measure(folder)


def _measure(folder: Path) -> None:
    """Let Snakemake's `benchmark` files measure the job and not the process that waits for it."""
    from snakemake import benchmark

    class Job(psutil.Process):  # type: ignore[misc]
        def children(self, recursive: bool = False) -> list[psutil.Process]:
            found: list[psutil.Process] = super().children(recursive)
            for process in [self, *found]:  # the shell may have become the process that waits
                with suppress(OSError, ValueError, psutil.Error):
                    job = psutil.Process(int((folder / str(process.pid)).read_text()))
                    found += [job, *job.children(True)]
            return found

    class Timer(benchmark.BenchmarkTimer):  # type: ignore[misc]
        def __init__(self, pid: int, *arguments: Any, **options: Any) -> None:
            super().__init__(pid, *arguments, **options)
            self.main = Job(pid)

    benchmark.BenchmarkTimer = Timer
