"""The instructions of a pickle read as data: nothing in it is ever called; see :mod:`.npy_objects`."""

from __future__ import annotations

import io
import mmap
import pickletools
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from workflow_scripts.core.errors import InputError
from workflow_scripts.sources.shared.nested import require_size

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
    """An array that is in a file, read by slices of its first axis.

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
        with open(self.path, "rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            values = np.ndarray(self.shape, self.dtype, mapped, self.offset, order="F" if self.fortran else "C")
            found = np.array(values[key])
            del values  # the map can be closed once nothing looks at it
            return found

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


class Stepper:
    """A file that steps over long runs of bytes instead of reading them."""

    def __init__(self, handle: BinaryIO, size: int, stored_above: int = STORED_ABOVE) -> None:
        self.handle, self.size, self.stored_above = handle, size, stored_above
        self.last = 0

    def read(self, n: int) -> Any:
        """Read `n` bytes, or step over them where they are many."""
        self.last = self.handle.tell()
        if n < self.stored_above:
            return self.handle.read(n) if 0 <= n <= self.size else b""
        if self.last + n > self.size:
            return b""
        self.handle.seek(n, io.SEEK_CUR)
        return _Skipped(n)

    def readline(self) -> bytes:
        """Read up to the next line break, 4 kB at most."""
        return self.handle.readline(4096)

    def tell(self) -> int:
        """Return the place in the file."""
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


class Machine:
    """Interprets the few pickle instructions that numpy's dictionaries need."""

    def __init__(self, path: Path, stepper: Stepper) -> None:
        self.path, self.stepper = path, stepper
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.finished: set[int] = set()
        self.tuples: dict[int, tuple[Any, Any]] = {}

    def refuse(self, what: str) -> InputError:
        """Return the sentence about an instruction that is not read."""
        return InputError(
            self.path,
            f"byte {self.stepper.tell()}: {what}; only texts, numbers, lists, dictionaries and numpy arrays are read",
            "get the file from its official place, and do not load it with pickle",
        )

    def run(self) -> Any:
        """Return what the pickle describes.

        Raises
        ------
        InputError
            When it is damaged, or wants more than data.
        """
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
            if not (isinstance(attribute, str) and isinstance(module, str)):  # nested tuples would be written out
                raise self.refuse("found a call of something without a name")
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
            raise InputError(self.path, f"the key {key!r} is there twice", "keep one of the two entries")
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
            if not isinstance(state[1], str):
                raise self.refuse("found an array of unknown byte order")
            target.order = state[1]
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
