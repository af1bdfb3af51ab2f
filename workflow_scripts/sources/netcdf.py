"""NetCDF of two kinds, as xarray writes it: version 3 (its scipy engine) and version 4, which is HDF5.

Of HDF5 only what is in the file itself is read: a link out of it is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
from scipy.io import netcdf_file

from workflow_scripts.core import limits
from workflow_scripts.core.documents import require_plain
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.files import atomic_path
from workflow_scripts.formats.hdf5 import open_hdf5, read_values

AGAIN = "write it again with to_netcdf of xarray or movement"
DAMAGE = (OSError, EOFError, TypeError, ValueError, KeyError, IndexError, AssertionError, OverflowError, MemoryError)
"""What scipy and h5py raise on files that are cut short or no NetCDF."""


@dataclass(frozen=True)
class Variable:
    """An array with the names of its axes; text as ``str`` objects, missing numbers as NaN."""

    dims: tuple[str, ...]
    values: npt.NDArray[Any]

    def over(self, path: Path, name: str, dims: Sequence[str]) -> npt.NDArray[Any]:
        """Return the values with their axes in the order of `dims`.

        Raises
        ------
        InputError
            When it has other axes.
        """
        if sorted(self.dims) != sorted(dims):
            raise InputError(path, f"{name} has the axes {', '.join(self.dims)}, expected {', '.join(dims)}", AGAIN)
        return self.values.transpose([self.dims.index(axis) for axis in dims])


@dataclass(frozen=True)
class Dataset:
    """Variables (coordinates among them) and attributes of a file."""

    variables: dict[str, Variable]
    attributes: dict[str, Any]


def read_netcdf(path: Path, rename: Mapping[str, str] | None = None) -> Dataset:
    """Read all of a file.

    Parameters
    ----------
    path : Path
    rename : mapping of str to str, optional
        Name in the file → name used here, of axes and variables.

    Raises
    ------
    InputError
        When it is no NetCDF, is cut short, or refers to another file.
    """
    require_plain(path)
    with open(path, "rb") as handle:
        start = handle.read(4)
    try:
        if start[:3] == b"CDF":
            found = _read_classic(path)
        elif start == b"\x89HDF":
            found = _read_hdf5(path)
        else:
            raise InputError(path, "is no NetCDF file", AGAIN)
    except DAMAGE as error:
        raise InputError(path, f"is damaged or no NetCDF file ({' '.join(str(error).split())})", AGAIN) from error
    names = dict(rename or {})
    variables = {
        names.get(name, name): Variable(tuple(names.get(axis, axis) for axis in one.dims), one.values)
        for name, one in found.variables.items()
    }
    return Dataset(variables, found.attributes)


def _text(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if isinstance(value, np.ndarray) and value.size == 1:
        return _text(value.reshape(-1)[0])
    return value.item() if isinstance(value, np.generic) else value


def _decode(values: npt.NDArray[Any], attributes: Mapping[str, Any]) -> npt.NDArray[Any]:
    """Apply fill value, scale and offset, the conventions that xarray writes by."""
    if values.dtype.kind not in "iuf":
        return values
    values = values.astype(values.dtype.newbyteorder("="))
    fills = [attributes[key] for key in ("_FillValue", "missing_value") if attributes.get(key) is not None]
    holes = [fill for fill in fills if fill == fill]  # NaN marks itself
    scale, offset = attributes.get("scale_factor"), attributes.get("add_offset")
    if holes or scale is not None or offset is not None:
        wide = values.astype(np.float64)
        for fill in holes:
            wide[values == fill] = np.nan
        return wide * (1.0 if scale is None else scale) + (0.0 if offset is None else offset)
    return values


def _read_classic(path: Path) -> Dataset:
    variables = {}
    with netcdf_file(path, "r", mmap=False) as handle:
        for name, found in handle.variables.items():
            values, dims = np.array(found.data), tuple(found.dimensions)
            attributes = {key: _text(value) for key, value in found._attributes.items()}
            if values.dtype.kind == "S" and values.ndim:  # an axis of single characters
                joined = [b"".join(row.tolist()) for row in values.reshape(-1, values.shape[-1])]
                texts = np.array([text.rstrip(b"\0").decode("utf-8", errors="replace") for text in joined], object)
                values, dims = texts.reshape(values.shape[:-1]), dims[:-1]
            variables[name] = Variable(dims, _decode(values, attributes))
        return Dataset(variables, {key: _text(value) for key, value in handle._attributes.items()})


def _read_hdf5(path: Path) -> Dataset:
    variables = {}
    with open_hdf5(path, "a NetCDF file") as handle:
        nodes: dict[str, h5py.Dataset] = {}
        for name in handle:
            if not isinstance(handle.get(name, getlink=True), h5py.HardLink):
                raise InputError(path, f"{name} is a link to somewhere else", AGAIN)
            node = handle[name]
            if isinstance(node, h5py.Dataset):
                if node.is_virtual or node.external:
                    raise InputError(path, f"{name} is in another file", AGAIN)
                nodes[name] = node
        for name, node in nodes.items():
            attributes = {key: _text(node.attrs[key]) for key in _plain_names(node)}
            bare = str(attributes.get("NAME", "")).startswith("This is a netCDF dimension but not a netCDF variable")
            if bare:  # the length of an axis without coordinates
                continue
            limits.require_shape(path, name, node.shape or (), max(node.dtype.itemsize, 8))
            values = np.asarray(node.asstr()[()] if h5py.check_string_dtype(node.dtype) else read_values(path, node))
            variables[name] = Variable(_axes(handle, name, node), _decode(values, attributes))
        return Dataset(variables, {key: _text(handle.attrs[key]) for key in _plain_names(handle)})


def _plain_names(node: Any) -> list[str]:
    return [key for key in node.attrs if key not in {"DIMENSION_LIST", "REFERENCE_LIST", "_nc3_strict"}]


def _axes(handle: h5py.File, name: str, node: h5py.Dataset) -> tuple[str, ...]:
    """Name the axes of a variable; a coordinate is its own axis."""
    if "DIMENSION_LIST" in node.attrs:
        return tuple(str(handle[references[0]].name).rsplit("/", 1)[-1] for references in node.attrs["DIMENSION_LIST"])
    return (name,) if node.ndim == 1 else tuple(f"axis{k}" for k in range(node.ndim))


def write_classic(
    path: Path, variables: Mapping[str, tuple[Sequence[str], npt.NDArray[Any]]], attributes: Mapping[str, Any]
) -> None:
    """Write NetCDF 3 that xarray's scipy engine reads, whole or not at all.

    Parameters
    ----------
    path : Path
    variables : mapping of str to (axes, values)
        Text becomes characters in UTF-8 along an axis of its own; whole numbers become 32 bits wide.
    attributes : mapping
    """
    with atomic_path(path) as part, netcdf_file(part, "w") as handle:
        for key, value in attributes.items():
            setattr(handle, key, value)
        sizes: dict[str, int] = {}
        for dims, values in variables.values():
            sizes |= dict(zip(dims, values.shape, strict=True))
        for name, size in sizes.items():
            handle.createDimension(name, size)
        for name, (dims, values) in variables.items():
            if values.dtype.kind in "UO":
                encoded = [str(text).encode() for text in values]
                width = max(map(len, encoded))
                if f"string{width}" not in handle.dimensions:
                    handle.createDimension(f"string{width}", width)
                made = handle.createVariable(name, "c", (*dims, f"string{width}"))
                made[:] = np.array([list(text.ljust(width, b"\0")) for text in encoded], np.uint8).view("S1")
                made._Encoding = "utf-8"
                continue
            kind = "i" if values.dtype.kind in "iub" else values.dtype.char
            made = handle.createVariable(name, kind, tuple(dims))
            made[:] = values
            if values.dtype.kind == "f":
                made._FillValue = values.dtype.type(np.nan)
