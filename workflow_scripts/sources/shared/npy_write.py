"""Object `.npy` files (dictionaries of arrays) as numpy writes them, whole or not at all."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Iterable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from workflow_scripts.core.files import atomic_path


def save(path: str | Path, value: dict[str, Any]) -> None:
    """Write a dictionary as numpy does (``np.load(path, allow_pickle=True).item()`` gives it back), whole or not."""
    with atomic_path(path) as part, open(part, "wb") as handle:
        np.lib.format.write_array(handle, np.array(value, dtype=object), allow_pickle=True)


class _Hole:
    """Pickles as an array whose bytes are `_Hole.mark`, to be replaced by others in the file."""

    # Above 64 KiB a pickle of protocol 4 writes bytes outside its frames, so that their length may change.
    mark = bytes(range(256)) * 1024

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.shape, self.dtype = shape, dtype

    def __reduce__(self) -> tuple[Any, ...]:
        reduced = np.empty(0, self.dtype).__reduce__()
        return (*reduced[:2], (1, self.shape, self.dtype, False, self.mark))


def save_rows(
    path: str | Path,
    value: dict[str, Any],
    key: str,
    chunks: Iterable[npt.NDArray[Any]],
    *,
    shape: tuple[int, ...],
    dtype: npt.DTypeLike = np.float32,
) -> None:
    """Write a dictionary of which one array comes in pieces, as numpy would write it whole.

    Parameters
    ----------
    path : str or Path
    value : dict
        The other entries; they come first.
    key : str
        Of the array.
    chunks : iterable of ndarray
        Its rows, piece by piece.
    shape : tuple of int
    dtype : dtype

    Raises
    ------
    ValueError
        When the pieces are not of that shape.
    """
    kind = np.dtype(dtype)
    whole = np.array({**value, key: _Hole(shape, kind)}, dtype=object)
    before, mark, after = pickle.dumps(whole, protocol=4).partition(_Hole.mark)
    assert mark and before[-5:-4] == pickle.BINBYTES
    length = prod(shape) * kind.itemsize
    written = 0
    with atomic_path(path) as part, open(part, "wb") as handle:
        header = {"descr": "|O", "fortran_order": False, "shape": ()}
        np.lib.format.write_array_header_1_0(handle, header)
        handle.write(before[:-5] + pickle.BINBYTES8 + struct.pack("<Q", length))
        for chunk in chunks:
            rows = np.ascontiguousarray(chunk, dtype=kind)
            if rows.shape[1:] != shape[1:]:
                raise ValueError(f"a piece of shape {rows.shape} in an array of shape {shape}")
            handle.write(rows.data)
            written += rows.nbytes
        if written != length:
            raise ValueError(f"{written} bytes for an array of shape {shape}")
        handle.write(after)
