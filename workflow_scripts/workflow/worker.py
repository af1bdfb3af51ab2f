"""The process that a local run keeps with its libraries imported, and which forks a child for each job.

A child gets everything that a process of its own would have: command line, folder, environment, standard input and
outputs. What it imports beyond what the worker has is imported here before the next fork, so that each library is
loaded twice in a run and not once a job. Once a file of the package changes, jobs run by themselves, so that none runs
old and new code together. The worker does nothing else: no file of a project is opened and no number is
computed before the fork, and it forks only as long as it has one thread.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import tempfile
import threading
import traceback
from contextlib import suppress
from pathlib import Path

from workflow_scripts.workflow.handover import LOADED_BY, STAGES

_DIE_WITH_PARENT = 1  # prctl's PR_SET_PDEATHSIG
_LIBC = ctypes.CDLL(None, use_errno=True)


PACKAGE = Path(__file__).parents[1]


def _newest_code() -> int:
    """When a file of the package was last changed: a job must not run half of the old code and half of the new."""
    return max(
        entry.stat().st_mtime_ns for folder, _, _ in os.walk(PACKAGE) for entry in os.scandir(folder) if _is_code(entry)
    )


def _is_code(entry: os.DirEntry[str]) -> bool:
    return entry.name.endswith(".py")


def _one_thread() -> bool:
    return sum(1 for _ in Path("/proc/self/task").iterdir()) == 1


def _receive(line: socket.socket) -> tuple[dict[str, object], list[int]]:
    """Read a request and the three standard streams that come with it."""
    head, files, _, _ = socket.recv_fds(line, 4, 3)
    missing = int.from_bytes(head, "big") if len(head) == 4 else -1
    if missing < 0 or len(files) != 3:
        raise OSError("no request")
    parts = []
    while missing:
        part = line.recv(min(missing, 1 << 16))
        if not part:
            raise OSError("the request is cut")
        parts.append(part)
        missing -= len(part)
    return json.loads(b"".join(parts)), files


class Worker:
    """Answers the jobs of one run.

    Parameters
    ----------
    listening : socket
        Bound to a file in `folder`.
    folder : Path
        Of this run alone; gets a file for each job, named by the process that asked and containing the child's number.
    """

    def __init__(self, listening: socket.socket, folder: Path) -> None:
        self.listening, self.folder = listening, folder
        self.open = True
        self.code = _newest_code()
        self.lines: dict[int, socket.socket] = {}  # of children that run
        self.askers: dict[int, int] = {}
        self.selector = selectors.DefaultSelector()
        self.selector.register(listening, selectors.EVENT_READ)
        self.selector.register(0, selectors.EVENT_READ)  # closed when the run ends, however it ends
        self.wakes, write = os.pipe()
        os.set_blocking(write, False)
        os.set_blocking(self.wakes, False)
        self.selector.register(self.wakes, selectors.EVENT_READ)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.write = write

    def serve(self) -> None:
        """Answer until the run has ended and so have its jobs."""
        while self.open or self.lines:
            for key, _ in self.selector.select():
                if key.fileobj is self.listening:
                    self._take()
                elif key.fileobj == 0:
                    self._close()
                elif key.fileobj == self.wakes:
                    with suppress(BlockingIOError):
                        os.read(self.wakes, 4096)
                else:
                    self._left(key.data)
            self._reap()

    def _close(self) -> None:
        self.open = False
        self.selector.unregister(0)
        self.selector.unregister(self.listening)
        self.listening.close()

    def _take(self) -> None:
        line, _ = self.listening.accept()
        try:
            line.settimeout(30)
            request, files = _receive(line)
            line.settimeout(None)
        except (OSError, ValueError):
            line.close()
            return
        try:
            pid = self._fork(line, request, files)
            if pid is not None:
                asker = int.from_bytes(line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)[:4], sys.byteorder)
                (self.folder / str(asker)).write_text(str(pid))
                self.lines[pid], self.askers[pid] = line, asker
                self.selector.register(line, selectors.EVENT_READ, pid)
                with suppress(OSError):
                    line.sendall(f"runs {pid}\n".encode())
            else:
                line.close()
        finally:
            for file in files:
                os.close(file)

    def _fork(self, line: socket.socket, request: dict[str, object], files: list[int]) -> int | None:
        """Start the job; None where it must run by itself."""
        module, environment = str(request["module"]), request["environment"]
        if not isinstance(environment, dict) or not module.startswith(STAGES):
            return None
        if any(os.environ.get(name) != environment.get(name) for name in LOADED_BY):
            return None
        if _newest_code() != self.code:
            return None
        self._import([module])
        if not _one_thread():
            return None
        pid = os.fork()
        if not pid:
            _run(self, line, request, files)
        return pid

    def _import(self, names: list[str]) -> None:
        """Import what this job starts with and what earlier ones needed."""
        learned = sorted(self.folder.glob("*.modules"))
        for path in learned:
            names = [*names, *path.read_text(encoding="utf-8").splitlines()]
            path.unlink()
        new = [name for name in names if name not in sys.modules]
        for name in new:
            with suppress(BaseException):  # whatever it is, the job meets it in its own process
                importlib.import_module(name)
        if new:
            gc.collect()
            gc.freeze()  # so that collections in the children leave shared pages alone

    def _left(self, pid: int) -> None:
        """Kill the job of a process that has ended without it: somebody killed it, and means the job."""
        line = self.lines[pid]
        with suppress(OSError):
            if line.recv(1):
                return
        self.selector.unregister(line)
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)

    def _reap(self) -> None:
        while self.lines:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            line, asker = self.lines.pop(pid), self.askers.pop(pid)
            with suppress(KeyError):
                self.selector.unregister(line)
            with suppress(OSError):
                line.sendall(f"ended {os.waitstatus_to_exitcode(status)}\n".encode())
            line.close()
            (self.folder / str(asker)).unlink(missing_ok=True)


def _run(worker: Worker, line: socket.socket, request: dict[str, object], files: list[int]) -> None:
    """Become the job, in the child; does not return."""
    os.setsid()  # what it starts is killed with it
    _LIBC.prctl(_DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    worker.selector.close()
    for file in (worker.wakes, worker.write):
        os.close(file)
    for other in (worker.listening, line, *worker.lines.values()):
        other.close()
    for target, file in enumerate(files):
        os.dup2(file, target)
        os.close(file)
    before = set(sys.modules)
    status = _as_program(request)
    names = [name for name, module in sys.modules.items() if name not in before and getattr(module, "__spec__", None)]
    if status == 0:
        with suppress(OSError):
            path = worker.folder / f"{os.getpid()}.modules"
            path.with_suffix(".part").write_text("\n".join(names), encoding="utf-8")
            path.with_suffix(".part").replace(path)
    with suppress(BaseException):
        threading._shutdown()  # type: ignore[attr-defined]  # as at the end of a program: waits for its threads
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def _as_program(request: dict[str, object]) -> int:
    """Run the module as `python -m` does; return its exit status."""
    environment, arguments, module = request["environment"], request["arguments"], str(request["module"])
    assert isinstance(environment, dict) and isinstance(arguments, list)
    try:
        os.environ.clear()
        os.environ.update(environment)
        tempfile.tempdir = None
        os.chdir(str(request["folder"]))
        sys.argv = ["-m", *arguments]
        sys.orig_argv = [sys.executable, "-m", module, *arguments]
        sys.modules.pop(module, None)  # it is run as `__main__`, not imported
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return (end.code or 0) & 0xFF
        print(end.code, file=sys.stderr)
        return 1
    except BaseException as error:
        traceback.print_exc()
        return 130 if isinstance(error, KeyboardInterrupt) else 1
    return 0


if __name__ == "__main__":
    number, folder = int(sys.argv[1]), Path(sys.argv[2])
    Worker(socket.socket(fileno=number), folder).serve()
