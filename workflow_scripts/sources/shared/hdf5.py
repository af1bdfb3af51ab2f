"""HDF5 files of other programs, opened so that a damaged one is one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from workflow_scripts.core.errors import InputError


@contextmanager
def open_hdf5(path: Path, expected: str) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading.

    Parameters
    ----------
    path : Path
    expected : str
        What the file should be, for the message.

    Raises
    ------
    InputError
        When it is no HDF5 file, or damaged anywhere that is read while it is open.
    """
    try:
        with h5py.File(path, "r") as handle:
            yield handle
    except (OSError, KeyError) as error:
        problem = " ".join(str(error).split()).rstrip(".")
        raise InputError(path, f"is damaged or no HDF5 file ({problem})", f"expected {expected}") from error
