"""Object `.npy` files (dictionaries of arrays) without unpickling: nothing in the file is ever called.

Such a file is a pickle behind numpy's header, and a pickle is a program. Here its instructions are read as data:
containers, texts, numbers and numpy's own description of an array are known, and everything else is refused. Long
arrays are not read at all but noted as a place in the file, so that a dictionary of several gigabytes opens in the
memory of its keys.
"""

from __future__ import annotations

import io
import pickletools
import tokenize
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from workflow_scripts.core import limits
from workflow_scripts.core.errors import InputError

NODES = 5_000_000
"""Values of one file, shared ones counted as often as they are named."""

STORED_ABOVE = 1 << 16
"""Bytes from which on an array stays in the file."""

_RECONSTRUCT = {"numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct"}
_SCALAR = {"numpy.core.multiarray scalar", "numpy._core.multiarray scalar"}
_ENCODE = "_codecs encode"
_ALLOWED = {*_RECONSTRUCT, *_SCALAR, _ENCODE, "numpy ndarray", "numpy dtype"}

_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERALS = {"BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE"}
_LITERALS |= {"BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"}
_IGNORED = {"PROTO", "FRAME"}


class StoredArray:
    """An array that lies in a file, read by slices of its first axis.

    Parameters
    ----------
    path : Path
    offset : int
        Byte where its values begin.
    dtype : numpy.dtype
    shape : tuple of int
    fortran : bool
        Whether the first axis runs fastest.
    """

    def __init__(self, path: Path, offset: int, dtype: np.dtype[Any], shape: tuple[int, ...], fortran: bool) -> None:
        self.path, self.offset, self.dtype, self.shape, self.fortran = path, offset, dtype, shape, fortran

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        if isinstance(key, slice) and not self.fortran:
            start, stop, step = key.indices(len(self))
            if step == 1:
                width = prod(self.shape[1:])
                count = max(stop - start, 0) * width
                offset = self.offset + start * width * self.dtype.itemsize
                values = np.fromfile(self.path, self.dtype, count, offset=offset)
                return values.reshape(-1, *self.shape[1:]) if count else np.empty((0, *self.shape[1:]), self.dtype)
        # Mapped afresh each time: pages of a lasting map would count as our memory until it is closed.
        mapped = np.memmap(self.path, self.dtype, "r", self.offset, self.shape, "F" if self.fortran else "C")
        return np.array(mapped[key])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        values = self[...]
        return values if dtype is None else values.astype(dtype, copy=False)


@dataclass
class _Bytes:
    """A run of bytes, in memory or left in the file."""

    length: int
    offset: int
    data: bytes | None


class _Skipped:
    """Stands for bytes that were stepped over; pickletools asks for nothing but the length."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __len__(self) -> int:
        return self.length


class _Stepper:
    """A file that steps over long runs of bytes instead of reading them."""

    def __init__(self, handle: BinaryIO, size: int, stored_above: int = STORED_ABOVE) -> None:
        self.handle, self.size, self.stored_above = handle, size, stored_above
        self.last = 0

    def read(self, n: int) -> Any:
        self.last = self.handle.tell()
        if n < self.stored_above:
            return self.handle.read(n) if 0 <= n <= self.size else b""
        if self.last + n > self.size:
            return b""
        self.handle.seek(n, io.SEEK_CUR)
        return _Skipped(n)

    def readline(self) -> bytes:
        return self.handle.readline()

    def tell(self) -> int:
        return self.handle.tell()


@dataclass
class _Name:
    """Something the pickle names and that is in `_ALLOWED`."""

    name: str


@dataclass
class _Dtype:
    text: str
    order: str = "|"


@dataclass
class _Pending:
    """An array whose description is still to come (`BUILD`)."""

    value: Any = None


_MARK = object()


class _Machine:
    """Interprets the few pickle instructions that numpy's dictionaries need."""

    def __init__(self, path: Path, stepper: _Stepper) -> None:
        self.path, self.stepper = path, stepper
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.finished: set[int] = set()
        self.tuples: dict[int, tuple[Any, Any]] = {}

    def refuse(self, what: str) -> InputError:
        return InputError(
            self.path,
            f"byte {self.stepper.tell()}: {what}; only texts, numbers, lists, dictionaries and numpy arrays are read",
            "get the file from its official place, and do not load it with pickle",
        )

    def run(self) -> Any:
        try:
            for op, argument, _ in pickletools.genops(self.stepper):  # type: ignore[arg-type]
                if op.name == "STOP":
                    value = self._finish(self.stack.pop())
                    require_size(self.path, value)
                    return value
                self._step(op.name, argument)
        except (ValueError, UnicodeDecodeError) as error:
            raise InputError(
                self.path, f"byte {self.stepper.tell()}: ends early or is damaged ({error})", "download it again"
            ) from error
        except (ArithmeticError, AttributeError, LookupError, RecursionError, SyntaxError, TypeError) as error:
            raise InputError(
                self.path, f"byte {self.stepper.tell()}: is no whole pickle", "download it again"
            ) from error
        raise InputError(self.path, "ends in the middle", "download it again")

    def _step(self, name: str, argument: Any) -> None:
        if name in _LITERALS:
            self.stack.append(self._literal(name, argument))
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in {"GLOBAL", "STACK_GLOBAL"}:
            self._name(name, argument)
        elif name in {"BINPUT", "LONG_BINPUT"}:
            self.memo[argument] = self.stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = self.stack[-1]
        elif name in {"BINGET", "LONG_BINGET"}:
            self.stack.append(self.memo[argument])
        elif name not in _IGNORED:
            handler = getattr(self, f"_{name.lower()}", None)
            if handler is None:
                raise self.refuse(f"found the pickle instruction {name}")
            handler()

    def _literal(self, name: str, argument: Any) -> Any:
        if "BYTES" not in name:
            return argument
        kept = None if isinstance(argument, _Skipped) else argument
        return _Bytes(len(argument), self.stepper.last, kept)

    def _name(self, opcode: str, argument: Any) -> None:
        if opcode == "STACK_GLOBAL":
            attribute, module = self.stack.pop(), self.stack.pop()
            argument = f"{module} {attribute}"
        if argument not in _ALLOWED:
            raise self.refuse(f"the file wants to call {str(argument).replace(' ', '.')!r}")
        self.stack.append(_Name(argument))

    def _since_mark(self) -> list[Any]:
        at = len(self.stack) - 1
        while self.stack[at] is not _MARK:
            at -= 1
            if at < 0:
                raise IndexError
        found = self.stack[at + 1 :]
        del self.stack[at:]
        return found

    def _mark(self) -> None:
        self.stack.append(_MARK)

    def _empty_dict(self) -> None:
        self.stack.append({})

    def _empty_list(self) -> None:
        self.stack.append([])

    def _empty_tuple(self) -> None:
        self.stack.append(())

    def _tuple(self) -> None:
        self.stack.append(tuple(self._since_mark()))

    def _tuple1(self) -> None:
        self.stack[-1:] = [tuple(self.stack[-1:])]

    def _tuple2(self) -> None:
        self.stack[-2:] = [tuple(self.stack[-2:])]

    def _tuple3(self) -> None:
        self.stack[-3:] = [tuple(self.stack[-3:])]

    def _append(self) -> None:
        value = self.stack.pop()
        self.stack[-1].append(value)

    def _appends(self) -> None:
        values = self._since_mark()
        self.stack[-1].extend(values)

    def _setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._store(key, value)

    def _setitems(self) -> None:
        items = self._since_mark()
        for key, value in zip(items[::2], items[1::2], strict=True):
            self._store(key, value)

    def _store(self, key: Any, value: Any) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict) or not isinstance(key, str | int):
            raise self.refuse("found a dictionary whose keys are neither texts nor whole numbers")
        if key in target:
            raise InputError(self.path, f"the key {key!r} stands twice", "keep one of the two entries")
        target[key] = value

    def _reduce(self) -> None:
        arguments, called = self.stack.pop(), self.stack.pop()
        if not isinstance(called, _Name):
            raise self.refuse("found a call of something that is no function")
        if called.name in _RECONSTRUCT:
            self.stack.append(_Pending())
        elif called.name == _ENCODE and arguments[1:] == ("latin1",) and isinstance(arguments[0], str):
            data = arguments[0].encode("latin1")  # how pickles of the old protocols write bytes
            self.stack.append(_Bytes(len(data), 0, data))
        elif called.name == "numpy dtype" and isinstance(arguments[0], str):
            self.stack.append(_Dtype(arguments[0]))
        elif called.name in _SCALAR:
            self.stack.append(self._array((), arguments[0], False, arguments[1])[()])
        else:
            raise self.refuse(f"the file wants to call {called.name.replace(' ', '.')!r}")

    def _build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, _Dtype):
            if any(part is not None for part in state[2:5]):
                raise self.refuse("found an array with named fields")
            target.order = str(state[1])
        elif isinstance(target, _Pending):
            _, shape, dtype, fortran, data = state
            target.value = self._array(shape, dtype, fortran, data)
        else:
            raise self.refuse("found an object that is no array")

    def _array(self, shape: Any, dtype: Any, fortran: Any, data: Any) -> Any:
        sizes = tuple(int(size) for size in shape)
        if min(sizes, default=0) < 0 or not isinstance(dtype, _Dtype):
            raise self.refuse("found an array without shape or kind")
        if dtype.text.startswith("O"):
            if not isinstance(data, list) or len(data) != prod(sizes):
                raise self.refuse("found an array of objects of another length than its shape")
            held = np.empty(len(data), object)
            held[:] = [self._finish(item) for item in data]
            return held.reshape(sizes, order="F" if fortran else "C")
        kind = np.dtype(dtype.text)
        if kind.kind not in "biufUS" or not isinstance(data, _Bytes):
            raise self.refuse(f"found an array of kind {dtype.text!r}")
        kind = kind.newbyteorder("=" if dtype.order not in "<>" else dtype.order)  # type: ignore[arg-type]
        if data.length != prod(sizes) * kind.itemsize:
            raise self.refuse(f"found an array of shape {sizes} in {data.length} bytes")
        if data.data is None:
            return StoredArray(self.path, data.offset, kind, sizes, bool(fortran))
        return np.frombuffer(data.data, kind).reshape(sizes, order="F" if fortran else "C")

    def _finish(self, value: Any) -> Any:
        """Put the arrays in the place of their descriptions, in containers too."""
        if isinstance(value, _Pending):
            return value.value
        if isinstance(value, dict | list):
            if id(value) in self.finished:  # one list named a thousand times is finished once
                return value
            self.finished.add(id(value))
        if isinstance(value, dict):
            for key, item in value.items():
                value[key] = self._finish(item)
        elif isinstance(value, list):
            value[:] = [self._finish(item) for item in value]
        elif isinstance(value, tuple):
            if id(value) not in self.tuples:  # the tuple is kept, or its id could be another's later
                self.tuples[id(value)] = value, tuple(self._finish(item) for item in value)
            return self.tuples[id(value)][1]
        elif isinstance(value, _Bytes | _Name | _Dtype):
            raise self.refuse("found bytes or a name where a value should be")
        return value


def require_size(path: Path, value: Any, most: int = NODES) -> None:
    """Refuse nested values that are too deep, or too many once what is shared in them is written out.

    A tuple of two references to a tuple of two references … has few bytes and, printed or copied, fills any memory.

    Raises
    ------
    InputError
    """
    sizes: dict[int, int] = {}

    def size(item: Any, depth: int) -> int:
        if depth > limits.DEPTH:
            raise InputError(path, f"holds values nested over {limits.DEPTH} deep", "check where the file comes from")
        if id(item) not in sizes:  # each is looked at once, however often it is named
            children = [*item, *item.values()] if isinstance(item, dict) else list(item)
            inner = (child for child in children if isinstance(child, dict | list | tuple | np.ndarray))
            sizes[id(item)] = len(children) + sum(
                size(child, depth + 1) for child in inner if not isinstance(child, np.ndarray) or child.dtype == object
            )
        return sizes[id(item)]

    if isinstance(value, dict | list | tuple) and size(value, 0) > most:
        raise InputError(path, f"holds more than {most:,} values, written out", "check where the file comes from")


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
    value = _Machine(path, _Stepper(buffer, len(content), stored_above=2**63)).run()
    if not isinstance(value, np.ndarray):
        raise InputError(path, f"{place} holds objects that are no array", "save it as a plain array")
    return value


def _header(handle: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    major, _ = np.lib.format.read_magic(handle)  # type: ignore[arg-type]
    reader = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = reader(handle)  # type: ignore[arg-type]
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
        value = _Machine(path, _Stepper(handle, size)).run()
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
        raise InputError(path, f"holds a {type(value).__name__}, expected {what}", "check the path")
    for key in keys:
        if key not in value:
            found = ", ".join(str(name) for name in list(value)[:6])
            raise InputError(path, f"has no key {key!r} (it has {found}), expected {what}", "check the path")
    return value
