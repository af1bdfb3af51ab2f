"""What all our HDF5 files share: a kind, one schema version, readers that refuse others."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.files import atomic_path

SCHEMA_VERSION = 1
"""The one version of every canonical file; readers refuse any other."""

COMPRESSION = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
"""Fast lossless compression; every h5py build reads it."""


class _PatientFile(io.FileIO):
    """A file that keeps its first writing error to itself until it is asked.

    The HDF5 library does not survive a failed write: on a full disk it crashes the process while it closes the file.
    """

    error: OSError | None = None

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes
        if self.error is None:
            try:
                written = super().write(data)
                while written < size:  # a nearly full disk takes a part
                    written += super().write(memoryview(data).cast("B")[written:])
            except OSError as error:
                self.error = error
        return size

    def truncate(self, size: int | None = None) -> int:
        if self.error is None:
            try:
                return super().truncate(size)
            except OSError as error:
                self.error = error
        return size or 0


@contextmanager
def create(path: str | Path, kind: str) -> Iterator[h5py.File]:
    """Open a new canonical file of `kind` for writing; it appears at `path` only when complete.

    Raises
    ------
    InputError
        When the disk is full or the folder cannot be written to.
    """
    with atomic_path(path) as part, _PatientFile(part, "w+") as raw:
        try:
            with h5py.File(raw, "w", libver=("v110", "v110")) as handle:
                handle.attrs["kind"] = kind
                handle.attrs["schema_version"] = SCHEMA_VERSION
                yield handle
        except Exception as error:
            # After a lost write the library may stumble over its own file; the cause is the write.
            raise (raw.error or error) from error
        if raw.error is not None:
            raise raw.error


@contextmanager
def open_checked(path: str | Path, kind: str) -> Iterator[h5py.File]:
    """Open a canonical file for reading.

    Raises
    ------
    InputError
        When the file is absent, is no HDF5, is of another kind or of an unknown schema version.
    """
    if not Path(path).is_file():
        raise InputError(path, "the file does not exist", "run the workflow, which makes it")
    try:
        handle = h5py.File(path, "r")
    except OSError as error:
        raise InputError(path, "is no readable HDF5 file", "delete it and run the workflow again") from error
    try:
        found = handle.attrs.get("kind")
        if found != kind:
            raise InputError(path, f"expected an EthoMake {kind} file, found kind {found!r}", "check the path")
        version = handle.attrs.get("schema_version")
        if version != SCHEMA_VERSION:
            raise InputError(
                path,
                f"has schema version {version}, and this EthoMake reads version {SCHEMA_VERSION}",
                "delete it and run the workflow again, or install the EthoMake that wrote it",
            )
        yield handle
    finally:
        handle.close()


def file_kind(path: str | Path) -> str:
    """Return the kind of a canonical file.

    Raises
    ------
    InputError
        When the file is absent or is no HDF5 of ours.
    """
    if not Path(path).is_file():
        raise InputError(path, "the file does not exist", "run the workflow, which makes it")
    try:
        with h5py.File(path, "r") as handle:
            return str(handle.attrs["kind"])
    except (OSError, KeyError) as error:
        raise InputError(path, "is no HDF5 file of EthoMake", "delete it and run the workflow again") from error
