"""Tables that pandas wrote to HDF5, read without PyTables and without executing a pickle.

pandas keeps column names as pickled lists of tuples of text in attributes. They are read by an unpickler that refuses
every class and function, so that nothing but lists, tuples, dicts, numbers and text can come out of it.
"""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from workflow_scripts.core import limits
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.validation import nearest
from workflow_scripts.formats.hdf5 import open_hdf5, read_values
from workflow_scripts.sources.shared.nested import require_size


@dataclass(frozen=True)
class HdfTable:
    """A data frame: `columns` are tuples, one name a level; `levels` names the levels; `values` is (rows, columns)."""

    columns: list[tuple[str, ...]]
    levels: tuple[str, ...]
    index: npt.NDArray[np.generic]
    values: npt.NDArray[np.float32]


class _PlainUnpickler(pickle._Unpickler):
    # The one written in Python: that in C believes the number of memo entries a pickle claims.

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"the attribute wants {module}.{name}")


def _plain(path: Path, place: str, value: object) -> Any:
    """Decode an attribute that is a pickle of plain values."""
    try:
        data = bytes(value)  # type: ignore[call-overload]
        found = _PlainUnpickler(io.BytesIO(data)).load()
    except Exception as error:  # a damaged pickle may raise nearly anything
        raise InputError(
            path,
            f"the attribute {place} holds more than plain names ({error})",
            "it is not read for safety; write the table as csv from the program that made it",
        ) from error
    require_size(path, found, most=max(10_000, 4 * len(data)))
    return found


def _text(value: object) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def read_hdf(path: Path, key: str | None = None) -> HdfTable:
    """Read one data frame of a pandas HDF5 file, of the layouts `table` and `fixed`.

    Parameters
    ----------
    path : Path
    key : str or None
        Name of the data frame, where the file holds several.

    Returns
    -------
    HdfTable

    Raises
    ------
    InputError
        When the file is no HDF5, holds no such data frame, is compressed by a filter h5py lacks, or its attributes
        hold more than plain names.
    """
    try:
        with open_hdf5(path, "a data frame of pandas", "write it again, uncompressed or as csv") as handle:
            return _read(path, handle, key)
    except OSError as error:
        # blosc, the usual choice beside zlib, is a plug-in that plain h5py does not bring.
        foreign = "filter" in str(error) or "plugin" in str(error)
        reason = "uses a compression that h5py lacks" if foreign else f"is no readable HDF5 file ({error})"
        raise InputError(path, reason, "write it again, uncompressed or as csv") from error


def _read(path: Path, handle: h5py.File, key: str | None) -> HdfTable:
    keys = [name for name, node in handle.items() if isinstance(node, h5py.Group) and "pandas_type" in node.attrs]
    if key is None and len(keys) != 1:
        found = f"holds the data frames {', '.join(keys)}" if keys else "holds no pandas data frame"
        raise InputError(path, found, "name one under key" if keys else "check the path and the source in the card")
    if key is not None and key not in keys:
        raise InputError(path, f"holds no data frame {key!r}{nearest(key, keys).removesuffix('?')}", "check key")
    node = handle[key or keys[0]]
    kind = _text(node.attrs["pandas_type"])
    if kind == "frame_table":
        return _read_table(path, node)
    if kind == "frame":
        return _read_fixed(path, node)
    raise InputError(path, f"expected a pandas data frame, found {kind!r}", "write it again from a data frame")


def _read_table(path: Path, node: h5py.Group) -> HdfTable:
    if _text(node.attrs.get("table_type", "appendable_frame")) != "appendable_frame":
        raise InputError(path, "the rows have an index of several levels", "write one row a frame, counted from 0")
    axes = _plain(path, "non_index_axes", node.attrs["non_index_axes"])
    info = _plain(path, "info", node.attrs["info"])
    columns = [tuple(map(str, name)) if isinstance(name, tuple) else (str(name),) for name in axes[0][1]]
    names = (info.get(axes[0][0]) or {}).get("names") or []
    rows = read_values(path, node, "table", ndim=1)
    where: dict[tuple[str, ...], npt.NDArray[np.float32]] = {}
    for field in rows.dtype.names or ():
        if field == "index":
            continue
        held = _plain(path, f"{field}_kind", node["table"].attrs[f"{field}_kind"])
        block = rows[field].reshape(len(rows), -1).astype(np.float32)
        if len(held) != block.shape[1]:
            raise InputError(path, f"{field} has {block.shape[1]} columns and {len(held)} names", "write it again")
        for place, name in enumerate(held):
            where[tuple(map(str, name)) if isinstance(name, tuple) else (str(name),)] = block[:, place]
    missing = [name for name in columns if name not in where]
    if missing:
        raise InputError(path, f"the column {' / '.join(missing[0])} has no values", "write it again")
    values = np.stack([where[name] for name in columns], axis=1) if columns else np.empty((len(rows), 0), np.float32)
    return HdfTable(columns, tuple(map(str, names)), rows["index"], values)


def _axis(path: Path, node: h5py.Group, axis: str) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    """Column names and level names of an axis of the `fixed` layout."""
    if _text(node.attrs.get(f"{axis}_variety", "regular")) != "multi":
        return [(_text(name),) for name in read_values(path, node, axis, ndim=1)], ("",)
    levels = int(node.attrs[f"{axis}_nlevels"])
    parts, names = [], []
    for k in range(levels):
        known = [_text(value) for value in read_values(path, node, f"{axis}_level{k}", ndim=1)]
        parts.append([known[code] for code in read_values(path, node, f"{axis}_label{k}", ndim=1)])
        names.append(_text(node[f"{axis}_level{k}"].attrs.get("name", b"")))
    return list(zip(*parts, strict=True)), tuple(names)


def _read_fixed(path: Path, node: h5py.Group) -> HdfTable:
    columns, levels = _axis(path, node, "axis0")
    index = read_values(path, node, "axis1", ndim=1) if "axis1" in node else np.empty(0)
    limits.require_shape(path, "the table", (len(index), len(columns)), 4)
    values = np.full((len(index), len(columns)), np.nan, dtype=np.float32)
    place = {name: i for i, name in enumerate(columns)}
    for k in range(int(node.attrs["nblocks"])):
        held, _ = _axis(path, node, f"block{k}_items")
        block = read_values(path, node, f"block{k}_values", ndim=2)
        if block.dtype.kind not in "iuf":
            raise InputError(path, f"block{k}_values holds no numbers", "write the coordinates as numbers")
        values[:, [place[name] for name in held]] = block
    return HdfTable(columns, levels, index, values)
