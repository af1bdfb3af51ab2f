"""Find and read the array of a recording: what a file is, its first bytes say, not its name."""

from __future__ import annotations

import csv
from pathlib import Path

import h5py
import numpy as np

from workflow_scripts.core import limits
from workflow_scripts.core.boundary import reading
from workflow_scripts.core.documents import require_plain
from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.core.names import slugify
from workflow_scripts.core.typing import Float32Array
from workflow_scripts.core.validation import nearest
from workflow_scripts.formats.hdf5 import open_hdf5, read_values
from workflow_scripts.formats.tracks import escape_id
from workflow_scripts.sources.shared import npy_objects

NPY, HDF5 = b"\x93NUMPY", b"\x89HDF\r\n\x1a\n"
SUFFIXES = (".npy", ".csv", ".h5", ".hdf5")
COLUMN = "recording"


def read_array(path: Path, recording: str, frames: int) -> Float32Array:
    """Read the embedding of a recording.

    Parameters
    ----------
    path : Path
        Folder or file, as the option `path` describes them.
    recording : str
    frames : int
        Rows that it must have.

    Returns
    -------
    ndarray, float32, shape (frames, dim)
        Finite.

    Raises
    ------
    InputError
        When there is no array of the recording, or it is none of numbers, of another length, not finite or not flat.
    """
    file = _file_of(path, recording) if path.is_dir() else path
    if not file.is_file():
        raise InputError(file, "the file does not exist", "correct methods.external.path")
    with file.open("rb") as handle:
        first = handle.read(8)
    with reading(file, "an npy, HDF5 or csv file of numbers", "write it again"):
        if first.startswith(NPY):
            if not path.is_dir():
                raise InputError(
                    file, "one npy file does not say whose frames it holds", "give a folder of <recording>.npy"
                )
            found = npy_objects.read_plain(file)
        elif first == HDF5:
            found = _read_h5(file, recording, alone=path.is_dir())
        else:
            limits.require_memory(file, "its table", 12 * require_plain(file))
            found = _read_csv(file, None if path.is_dir() else recording)
    return _checked(file, recording, found, frames)


def _file_of(folder: Path, recording: str) -> Path:
    there = sorted(path for path in folder.iterdir() if path.is_file())
    names = {recording, slugify(recording), escape_id(recording)}
    own = [path for path in there if path.stem in names and path.suffix.lower() in SUFFIXES]
    if len(own) == 1:
        return own[0]
    if own:
        listed = " and ".join(path.name for path in own)
        raise InputError(folder, f"holds {listed} for one recording, {recording!r}", "keep one of them")
    known = sorted({path.stem for path in there if path.suffix.lower() in SUFFIXES})
    raise InputError(
        folder,
        f"holds no array of recording {recording!r}{nearest(recording, known)}",
        f"expected {slugify(recording)}.npy, .csv or .h5; write one file for each recording of the dataset",
    )


def _read_h5(file: Path, recording: str, *, alone: bool) -> np.ndarray:
    try:
        with open_hdf5(file) as handle:
            keys = list(handle)
            wanted = [key for key in (recording, escape_id(recording), slugify(recording)) if key in keys]
            # A file of one recording may name its dataset as it likes.
            wanted = wanted or (keys if alone and len(keys) == 1 else [])
            if not wanted:
                near = nearest(recording, keys)
                raise InputError(file, f"holds no dataset {recording!r}{near}", "write one dataset for each recording")
            # An external link would read a file that nobody named.
            if isinstance(handle.get(wanted[0], getlink=True), h5py.ExternalLink):
                raise InputError(file, f"{wanted[0]!r} is a link to another file", "write the array itself")
            node = handle[wanted[0]]
            if not isinstance(node, h5py.Dataset) or node.is_virtual or node.external:
                raise InputError(file, f"{wanted[0]!r} is no dataset of its own", "write the array itself")
            found: np.ndarray = read_values(file, node)
    except (OSError, KeyError) as error:
        raise InputError(file, f"is no readable HDF5 file ({error})", "write it again, with h5py") from error
    return found


def _read_csv(file: Path, recording: str | None) -> np.ndarray:
    """Read a table of numbers, with or without a header; of many recordings, the rows of one."""
    rows: list[list[float]] = []
    others: set[str] = set()
    try:
        with file.open(newline="", encoding="utf-8-sig") as handle:
            lines = csv.reader(handle)
            header = next(lines, [])
            column = header.index(COLUMN) if COLUMN in header else None
            if recording is not None and column is None:
                raise InputError(
                    file, f"has no column {COLUMN!r} in its header", f"add it, or give a folder of <{COLUMN}>.csv"
                )
            if column is None and _numbers(header) is not None:
                rows.append(_numbers(header) or [])
            for number, line in enumerate(lines, 2):
                if not line:
                    continue
                if column is not None:
                    owner = line.pop(column) if column < len(line) else ""
                    if recording is not None and owner != recording:
                        others.add(owner)
                        continue
                values = _numbers(line)
                if values is None or len(values) != len(header) - (column is not None):
                    expected = len(header) - (column is not None)
                    raise InputError(
                        file, f"line {number}: expected {expected} numbers, found {','.join(line)[:60]!r}", "correct it"
                    )
                rows.append(values)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(file, f"is no npy, HDF5 or csv file ({error})", "write one of these") from error
    if recording is not None and not rows:
        near = nearest(recording, sorted(others))
        raise InputError(file, f"has no row of recording {recording!r}{near}", "add one row for each of its frames")
    return np.array(rows, dtype=np.float64)


def _numbers(line: list[str]) -> list[float] | None:
    try:
        return [float(value) for value in line]
    except ValueError:
        return None


def _checked(file: Path, recording: str, found: np.ndarray, frames: int) -> Float32Array:
    if found.dtype.kind not in "fiub":
        raise InputError(file, f"recording {recording!r} has values of type {found.dtype}", "write floats")
    if found.ndim != 2 or (frames and not found.shape[1]):
        shape = " × ".join(map(str, found.shape)) or "one number"
        raise InputError(file, f"recording {recording!r}: expected (time, dim), found {shape}", "write one row a frame")
    if len(found) != frames:
        raise InputError(
            file,
            f"recording {recording!r} has {len(found)} rows and {frames} frames",
            "write one row a frame of the recording; repeat the first and last where windows left frames out",
        )
    with np.errstate(over="ignore"):
        values = found.astype(np.float32)
    bad = ~np.isfinite(values).all(axis=1)
    if bad.any():
        raise InputError(
            file,
            f"recording {recording!r} is NaN, infinite or too large for float32 in frame {int(np.flatnonzero(bad)[0])}",
            "fill it in where the encoder saw nothing",
        )
    return values


def named_path(path: str | None) -> Path:
    """Return the path of the option, where it names one.

    Raises
    ------
    ConfigError
        When it names nothing, or nothing is there.
    """
    if not path:
        raise ConfigError("methods.external.path: name the folder or file of your embeddings (docs/external.md).")
    if not Path(path).exists():
        raise ConfigError(f"methods.external.path: {path} does not exist; write your embeddings there first.")
    return Path(path)
