"""Object `.npy` files (dictionaries of arrays) without unpickling: nothing in the file is ever called.

Such a file is a pickle behind numpy's header, and a pickle is a program. Here its instructions are read as data:
containers, texts, numbers and numpy's own description of an array are known, and everything else is refused. Long
arrays are not read at all but noted as a place in the file, so that a dictionary of several gigabytes opens in the
memory of its keys.
"""

from __future__ import annotations

import io
import tokenize
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from workflow_scripts.core import limits
from workflow_scripts.core.documents import read_bounded
from workflow_scripts.core.errors import InputError
from workflow_scripts.sources.shared.pickles import STORED_ABOVE as STORED_ABOVE
from workflow_scripts.sources.shared.pickles import Machine, Stepper
from workflow_scripts.sources.shared.pickles import StoredArray as StoredArray


def read_plain(path: Path) -> npt.NDArray[Any]:
    """Read an npy file of numbers, whose bytes are those of its shape.

    Raises
    ------
    InputError
    """
    raw = read_bounded(path, 2**63)
    limits.require_memory(path, "its array", len(raw))
    try:
        return from_bytes(path, raw, "it", objects=False)
    except InputError as error:
        problem = f"is no plain npy file ({error.problem})"
        raise InputError(path, problem, "save it again as an array of numbers") from error


def from_bytes(path: Path, content: bytes, place: str, *, objects: bool) -> npt.NDArray[Any]:
    """Read an npy that is in memory.

    Parameters
    ----------
    path : Path
        File it came from, for the error's sentence.
    content : bytes
    place : str
        Where in that file.
    objects : bool
        Read arrays of objects too, by the interpreter of this module.

    Raises
    ------
    InputError
        When it is no npy, has not the bytes of its shape, or holds objects.
    """
    buffer = io.BytesIO(content)
    try:
        shape, _, dtype = _header(buffer)
    except (ValueError, EOFError, SyntaxError, TypeError, tokenize.TokenError) as error:
        raise InputError(path, f"{place} is no npy ({error})", "export it again") from error
    if not dtype.hasobject:
        held = len(content) - buffer.tell()
        if held != prod(shape) * dtype.itemsize:
            raise InputError(path, f"{place} has {held} bytes, not those of the shape {shape}", "export it again")
        buffer.seek(0)
        return np.asarray(np.load(buffer, allow_pickle=False))
    if not objects:
        raise InputError(
            path,
            f"{place} holds Python objects, which are not read by default because they could run code",
            "save it as a plain array, or set the source option object_arrays: true to read it restricted",
        )
    try:
        value = Machine(path, Stepper(buffer, len(content), stored_above=2**63)).run()
    except InputError as error:
        problem = f"{place} holds objects that are no arrays ({error.problem})"
        raise InputError(path, problem, "save it as a plain array") from error
    if not isinstance(value, np.ndarray):
        raise InputError(path, f"{place} holds objects that are no array", "save it as a plain array")
    return value


def _header(handle: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    major, _ = np.lib.format.read_magic(handle)
    reader = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = reader(handle)
    if any(size < 0 for size in shape):
        raise ValueError(f"the shape {shape} is negative")
    return shape, fortran, dtype


def load(path: str | Path) -> Any:
    """Read an `.npy` file, be it an array or an object, without running anything in it.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    object
        An object file's dictionary (or list), its arrays as ndarray or, above `STORED_ABOVE` bytes, as
        :class:`StoredArray`; a plain file's array as StoredArray.

    Raises
    ------
    InputError
        When the file is absent, is no npy, is damaged, repeats a key or holds anything else than data.
    """
    path = Path(path)
    try:
        handle = open(path, "rb")  # noqa: SIM115 - closed by the block below
    except OSError as error:
        raise InputError(path, "the file cannot be opened", "check the path") from error
    with handle:
        try:
            shape, fortran, dtype = _header(handle)
        except ValueError as error:
            raise InputError(path, f"is no npy file ({error})", "download or export it again") from error
        size = path.stat().st_size
        if not dtype.hasobject:
            stored = StoredArray(path, handle.tell(), dtype, shape, fortran)
            if size - stored.offset != prod(shape) * dtype.itemsize:
                raise InputError(path, f"has not the bytes of an array of shape {shape}", "download it again")
            return stored
        value = Machine(path, Stepper(handle, size)).run()
    if isinstance(value, np.ndarray) and value.dtype == object and value.shape == ():
        value = value[()]
    return value


def load_dict(path: str | Path, keys: tuple[str, ...], what: str) -> dict[str, Any]:
    """Read an object file and ask for keys.

    Parameters
    ----------
    path : str or Path
    keys : tuple of str
        All must be there.
    what : str
        What the file should be, for the error's sentence.

    Raises
    ------
    InputError
        When it is no dictionary or a key is missing.
    """
    value = load(path)
    if not isinstance(value, dict):
        shape = getattr(value, "shape", None)
        found = f"a {type(value).__name__}" if shape is None else f"an array of shape {shape}"
        raise InputError(path, f"holds {found}, expected {what}", "check the path")
    for key in keys:
        if key not in value:
            found = ", ".join(str(name) for name in list(value)[:6])
            raise InputError(path, f"has no key {key!r} (it has {found}), expected {what}", "check the path")
    return value
