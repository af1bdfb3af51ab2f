"""MATLAB 5 files (`.mat`, not the HDF5 of version 7.3): structs of numbers, read without a library.

scipy's reader of them is compiled and ends the process on some damaged files; here every size is checked against the
bytes there are. Numbers and structs of one element are read; what else a file holds is passed over.

MATLAB's "MAT-File Format", https://www.mathworks.com/help/pdf_doc/matlab/matfile_format.pdf.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from workflow_scripts.core import limits
from workflow_scripts.core.boundary import DamageError
from workflow_scripts.core.documents import read_bounded

HEADER = 128
MATRIX, COMPRESSED = 14, 15
TYPES = {1: "i1", 2: "u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8", 12: "<i8", 13: "<u8", 16: "u1"}
STRUCT, NUMBERS = 2, range(6, 16)
COMPLEX, FIELDS = 0x08, 100_000


def read_structs(path: Path) -> dict[str, Any]:
    """Read the variables of a file: arrays of numbers, and structs as dictionaries of both.

    Raises
    ------
    InputError
        When it is no regular file, or unpacks to more than there is memory for.
    DamageError
        When it is no MATLAB 5 file, or damaged.
    """
    raw = read_bounded(path, limits.TEXT_BYTES)
    if len(raw) < HEADER or raw[124:128] != b"\x00\x01IM":
        raise DamageError("it has no header of MATLAB 5")
    found: dict[str, Any] = {}
    for kind, data in _elements(raw[HEADER:]):
        content = data
        if kind == COMPRESSED:
            most = limits.RATIO * len(data)
            limits.require_memory(path, "a variable, unpacked", most if most > 2**28 else 0)
            inner = list(_elements(zlib.decompressobj().decompress(data, most)))
            if len(inner) != 1:
                raise DamageError("a compressed variable is damaged")
            kind, content = inner[0]
        if kind == MATRIX:
            name, value = _matrix(content, 0)
            found[name] = value
    return found


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield kind and content of the elements in some bytes, which they fill."""
    place = 0
    while place + 8 <= len(data):
        kind, size = (int(value) for value in np.frombuffer(data, "<u4", 2, place))
        if kind >> 16:  # a small element: its size and content are in the tag
            kind, size, start = kind & 0xFFFF, kind >> 16, place + 4
            end = place + 8
            if size > 4:
                raise DamageError("a small element claims more than four bytes")
        else:
            start = place + 8
            end = start + size + (0 if kind == COMPRESSED else -size % 8)
        if start + size > len(data):
            raise DamageError("an element claims more bytes than there are")
        yield kind, data[start : start + size]
        place = end


def _matrix(data: bytes, depth: int) -> tuple[str, Any]:
    """Return name and value of an array; None of what is neither numbers nor a struct of one element."""
    if depth > limits.DEPTH:
        raise DamageError("it is nested too deeply")
    parts = list(_elements(data))
    if len(parts) < 3 or len(parts[0][1]) < 8 or len(parts[1][1]) % 4:
        return "", None
    flags = int.from_bytes(parts[0][1][:4], "little")
    shape = tuple(int(size) for size in np.frombuffer(parts[1][1], "<i4"))
    name = parts[2][1].decode("utf-8", errors="replace")
    if any(size < 0 for size in shape):
        raise DamageError("an array has a negative size")
    kind = flags & 0xFF
    if kind == STRUCT and prod(shape) == 1:
        return name, _struct(parts, depth)
    if kind in NUMBERS and not (flags >> 8) & COMPLEX and len(parts) > 3 and parts[3][0] in TYPES:
        held, dtype = parts[3][1], np.dtype(TYPES[parts[3][0]])
        if len(held) != prod(shape) * dtype.itemsize:
            raise DamageError(f"an array of the shape {shape} has {len(held)} bytes of {dtype}")
        values = np.frombuffer(held, dtype)
        return name, values.reshape(shape, order="F")
    return name, None


def _struct(parts: list[tuple[int, bytes]], depth: int) -> dict[str, Any]:
    if len(parts) < 5 or len(parts[3][1]) != 4:
        raise DamageError("a struct has no list of fields")
    width = int.from_bytes(parts[3][1], "little", signed=True)
    listed, values = parts[4][1], parts[5:]
    if width < 1 or len(listed) % width or len(listed) // width != len(values) or len(values) > FIELDS:
        raise DamageError("a struct has not the fields that it names")
    names = [
        listed[k : k + width].split(b"\0")[0].decode("utf-8", errors="replace") for k in range(0, len(listed), width)
    ]
    return {
        name: _matrix(content, depth + 1)[1] if kind == MATRIX else None
        for name, (kind, content) in zip(names, values, strict=True)
    }
