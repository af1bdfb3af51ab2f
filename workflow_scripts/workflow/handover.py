"""Hand a stage's command line to a process that has its libraries loaded, where a run has started one.

Starting Python and importing the libraries takes a stage seconds, most stages more than their work. A local run
therefore keeps one process with the libraries imported (:mod:`.worker`), which forks a child for each job. Importing
this module gives the command line away when the process is `python -m workflow_scripts.stages.<rule> …` and such a
worker answers; the process then passes signals on, waits, and ends as the child ends. In every other case nothing
happens, so a stage started by hand, on a cluster or in a container runs in its own process.

Only the standard library is imported here, and little of it: this is what each job pays.
"""

from __future__ import annotations

import os
import sys

PLACE = "ETHOMAKE_WORKER"
"""Environment variable with the worker's socket and the prefix of its Python."""

STAGES = "workflow_scripts.stages."

LOADED_BY = (
    "CUDA_VISIBLE_DEVICES",
    "GOTO_NUM_THREADS",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "PYTHONPATH",
    "VECLIB_MAXIMUM_THREADS",
)
"""Variables that libraries read when they are loaded: a job that sets another value runs by itself."""


def _stage() -> str | None:
    """Name of the stage that this process was started to run, if any."""
    given = sys.orig_argv
    if sys.argv[:1] == ["-m"] and len(given) > 2 and given[1] == "-m" and given[2].startswith(STAGES):
        return given[2]
    return None


def _ask(path: str, stage: str) -> int | None:
    """Return how the stage ended in the worker; None where the worker does not take it."""
    import json
    import signal
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        try:
            line.connect(path)
        except OSError:
            return None
        asked = {
            "module": stage,
            "arguments": sys.orig_argv[3:],
            "folder": os.getcwd(),  # noqa: PTH109 - importing pathlib costs more than the rest of this module
            "environment": dict(os.environ),
        }
        message = json.dumps(asked).encode()
        try:
            socket.send_fds(line, [len(message).to_bytes(4, "big")], [0, 1, 2])
            line.sendall(message)
            answers = line.makefile("r")
            answer = answers.readline().split()
        except OSError:
            return None
        if len(answer) != 2 or answer[0] != "runs":
            return None
        child = int(answer[1])

        def pass_on(number: int, _: object) -> None:
            try:  # noqa: SIM105 - as above: contextlib
                os.killpg(child, number)
            except ProcessLookupError:
                pass

        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGQUIT"):
            signal.signal(getattr(signal, name), pass_on)
        answer = answers.readline().split()
        # Without an answer the worker has died, and its children with it.
        return int(answer[1]) if len(answer) == 2 and answer[0] == "ended" else 1


def hand_over() -> None:
    """Let the worker run this process's stage and end as it ends; return where there is none."""
    place = os.environ.get(PLACE)
    stage = _stage()
    if not place or stage is None:
        return
    path, _, prefix = place.partition(os.pathsep)
    if prefix != sys.prefix:  # the environment that a rule names is not the worker's
        return
    status = _ask(path, stage)
    if status is None:
        return
    if status < 0:  # ended by a signal, which whoever waits for this process shall see as such
        import signal

        if -status not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


hand_over()
