"""What all our HDF5 files share: a kind, one schema version, readers that refuse others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from workflow_scripts.errors import InputError
from workflow_scripts.files import atomic_path

SCHEMA_VERSION = 1
"""The one version of every canonical file; readers refuse any other."""

COMPRESSION = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
"""Fast lossless compression; every h5py build reads it."""


@contextmanager
def create(path: str | Path, kind: str) -> Iterator[h5py.File]:
    """Open a new canonical file of `kind` for writing; it appears at `path` only when complete."""
    with atomic_path(path) as part, h5py.File(part, "w", libver=("v110", "v110")) as handle:
        handle.attrs["kind"] = kind
        handle.attrs["schema_version"] = SCHEMA_VERSION
        yield handle


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
