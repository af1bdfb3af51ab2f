"""A first reading of a foreign HDF5 file in a process of its own.

The HDF5 library trusts the structure of a file. On a damaged one it may crash the process, never come to an end, or
take all memory, which nothing in Python can catch. So a child with limits reads the file first; what ends it is said
of the file.
"""

from __future__ import annotations

import faulthandler
import os
import re
import signal
import sys
from collections.abc import Callable
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

import h5py
import psutil

from workflow_scripts.core import limits
from workflow_scripts.core.errors import InputError

PROCESSOR_SECONDS = 60
"""Of the child; reading `BYTES` takes about one."""
CLOCK_SECONDS = 900
"""By the clock, for a child that waits without end."""
MEMORY, BY_BYTE = 2**30, 20
"""Bytes that the child may take beyond what this process has, and so many more for each byte of the file."""
BYTES = 64 * 2**20
"""As many bytes of values are read whole; of a dataset that exceeds them the first value and the last one."""

_FULL = -1
_SLOW = ("SIGXCPU", "SIGALRM")
_CRASHED = ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP", "SIGKILL")
# The library's words differ by what it allocates; a name in the file may be any word.
_NO_ROOM = re.compile(r"(memory|unable to|can't|cannot) alloc", re.IGNORECASE)


def require_survivor(path: Path, look: Callable[[Path], bool], remedy: str) -> None:
    """Refuse a file on which the HDF5 library crashes, takes gigabytes or does not come to an end; the answer is kept.

    Other errors are left to the reading that follows, which has a sentence for them. On systems other than Linux, where
    forking is not safe in general, nothing is tried.

    Parameters
    ----------
    path : Path
    look : callable
        Called in the child: opens the file, gives it to :func:`read_some`, and returns what that does.
    remedy : str

    Raises
    ------
    InputError
    """
    if sys.platform == "linux":
        status = path.stat()
        ended = _ended_by(path, status.st_size, status.st_mtime_ns, look)
        name = signal.Signals(ended).name if ended > 0 else ""
        if ended == _FULL:
            most = limits.human(_memory(status.st_size))
            raise InputError(path, f"is damaged: the HDF5 library asks for more than {most} of memory for it", remedy)
        if name in _SLOW:
            raise InputError(path, "is damaged: the HDF5 library does not come to an end on it", remedy)
        if name in _CRASHED:
            raise InputError(path, f"is damaged: the HDF5 library crashes on it ({name})", remedy)


def _memory(size: int) -> int:
    return MEMORY + BY_BYTE * size


@lru_cache(maxsize=100_000)
def _ended_by(path: Path, size: int, changed: int, look: Callable[[Path], bool]) -> int:
    """Signal that ended a child which read the file, `_FULL` where its memory did not suffice, 0 where all is well."""
    child = os.fork()
    if child == 0:
        full = False
        try:
            _limit(_memory(size))
            full = look(path)
        except Exception as error:
            full = _is_full(error)
        finally:
            os._exit(int(full))
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else _FULL if os.WEXITSTATUS(status) else 0


def _is_full(error: Exception) -> bool:
    return isinstance(error, MemoryError) or bool(_NO_ROOM.search(str(error)))


def _limit(memory: int) -> None:
    """Let this process end by the signal alone, without a word, a core file or a handler, in time and in bounds."""
    import resource  # not on every system

    faulthandler.disable()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_SECONDS, PROCESSOR_SECONDS + 1))
    most, hard = psutil.Process().memory_info().vms + memory, resource.getrlimit(resource.RLIMIT_AS)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    for name in _SLOW:
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    signal.alarm(CLOCK_SECONDS)


def read_some(handle: h5py.File) -> bool:
    """Read attributes and values of an open file; whether memory did not suffice."""
    left = BYTES
    full = False

    def visit(name: str, node: Any) -> None:
        nonlocal left, full
        try:
            dict(node.attrs)
            if isinstance(node, h5py.Dataset) and node.shape is not None:
                claimed = prod(node.shape) * node.dtype.itemsize
                if claimed <= left:
                    left -= claimed
                    node[()]
                else:
                    node[(0,) * node.ndim], node[(-1,) * node.ndim]
        except Exception as error:  # what fails here fails again in the reader, with its sentence
            full = full or _is_full(error)

    visit("", handle)
    handle.visititems(visit)
    return full
