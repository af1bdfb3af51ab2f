"""The boundary around every reader of foreign files: whatever goes wrong inside becomes one sentence.

A foreign file may raise anything: KeyError, zlib.error, RecursionError, MemoryError, a library's own types. Lists of
types by reader always miss some, so one context manager catches them all. What it must not hide is a defect of ours,
and that is distinguished by where the exception arises:

- our code raises :class:`~workflow_scripts.core.errors.EthoMakeError` on purpose and nothing else, so a `raise` of
  another type in our code is a defect;
- a NameError, an ImportError, a failed assertion, a wrong call of a function and an attribute that a module lacks do
  not depend on the file;
- code in rooms that never see foreign bytes (`ROOMS` lists those that do) and code inside :func:`checked`, which works
  on what has been validated, cannot blame the file.

Only the reading goes inside the boundary; what is done with the result stays outside.
"""

from __future__ import annotations

import dis
import logging
import sysconfig
import traceback
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workflow_scripts.core.errors import EthoMakeError, InputError

log = logging.getLogger(__name__)

PACKAGE = str(Path(__file__).parents[1])

ROOMS = ("sources", "formats", "core", "fetch", "video", "cards", "training", "detectors", "methods", "views")
"""Rooms of the package whose code handles bytes or trees from outside."""

_LIBRARIES = tuple({sysconfig.get_path(name) + "/" for name in ("stdlib", "platstdlib", "purelib", "platlib")})

_CALL = ("unexpected keyword argument", "required positional argument", "required keyword-only", "positional argument")


class DamageError(ValueError):
    """Raised by our parsers on foreign content: no defect, and no sentence yet, since they do not know the file."""


class _Checked:
    """Marks the frame of :func:`checked` in a traceback."""


@contextmanager
def checked() -> Iterator[None]:
    """Mark code that works on a validated structure: what it raises is a defect, inside a boundary too."""
    try:
        yield
    except EthoMakeError:
        raise
    except Exception as error:
        error.add_note(_Checked.__name__)
        raise


def is_defect(error: BaseException) -> bool:
    """Whether an exception that left a reader is a defect of EthoMake and not the file's fault.

    Parameters
    ----------
    error : BaseException
        With its traceback.
    """
    if _Checked.__name__ in getattr(error, "__notes__", ()):
        return True
    if isinstance(error, MemoryError | RecursionError | DamageError):
        return False
    if isinstance(error, NameError | ImportError):
        return True
    if isinstance(error, AttributeError) and isinstance(getattr(error, "obj", None), types.ModuleType):
        return True
    places: list[types.TracebackType] = []
    step = error.__traceback__
    while step is not None:
        places.append(step)
        step = step.tb_next
    own = [place for place in places if not _is_library(place.tb_frame.f_code.co_filename)]
    if not own:
        return False
    last = own[-1]
    if isinstance(error, TypeError) and last is places[-1] and any(words in str(error) for words in _CALL):
        return True
    file = last.tb_frame.f_code.co_filename
    if file.startswith(PACKAGE) and Path(file).relative_to(PACKAGE).parts[0] not in ROOMS:
        return True
    return last is places[-1] and _raised_there(last)


def _is_library(file: str) -> bool:
    """Whether a code file belongs to Python or an installed library, compiled ones included."""
    if file.startswith(PACKAGE) or file in {"<string>", "<stdin>"}:
        return False
    return not file.startswith("/") or file.startswith(_LIBRARIES) or "-packages/" in file


def _raised_there(place: types.TracebackType) -> bool:
    """Whether the instruction that failed is a `raise`, and not a re-raise of what a library had raised."""
    for instruction in dis.get_instructions(place.tb_frame.f_code):
        if instruction.offset == place.tb_lasti:
            return instruction.opname == "RAISE_VARARGS" and instruction.arg != 0
    return False


def _place(error: BaseException) -> str:
    """File and line at which an exception was raised, the innermost place of ours first."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not _is_library(frame.filename)] or frames
    return f"{own[-1].filename}:{own[-1].lineno} in {own[-1].name}" if own else "an unknown place"


def _words(error: BaseException) -> str:
    """Say what a library said, in at most 200 characters of one line."""
    said = " ".join(str(error).split())
    if isinstance(error, MemoryError):
        return f"it asks for more memory than there is{f' ({said[:120]})' if said else ''}"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    kind = type(error).__name__
    text = (
        f"{kind}: {said}" if isinstance(error, LookupError | TypeError | AttributeError | ZeroDivisionError) else said
    )
    return (text or kind)[:200]


@contextmanager
def reading(path: str | Path, expected: str = "", remedy: str = "download or export it again") -> Iterator[None]:
    """Turn whatever the reading of a foreign file raises into one sentence, and let defects of ours through.

    Parameters
    ----------
    path : str or Path
        The file being read.
    expected : str
        What the file should be.
    remedy : str
        What the user can do, an imperative clause.

    Raises
    ------
    InputError
        From the cause, which is also logged with its traceback.
    """
    try:
        yield
    except EthoMakeError:
        raise
    except Exception as error:
        if is_defect(error):
            raise
        log.info("%s: %r, raised at %s", path, error, _place(error))
        log.debug("%s: the cause", path, exc_info=error)
        if isinstance(error, FileNotFoundError) and error.filename and str(error.filename) == str(path):
            raise InputError(path, "the file does not exist", "check the path") from error
        if isinstance(error, IsADirectoryError):
            raise InputError(path, "is a folder, not a file", "name the file in it") from error
        tail = f", expected {expected}" if expected else ""
        raise InputError(path, f"cannot be read or is damaged ({_words(error)}){tail}", remedy) from error
