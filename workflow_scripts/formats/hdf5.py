"""What all our HDF5 files share, and the one way in which any HDF5 file is opened for reading.

HDF5 can name other files in four ways: external links, external storage of a dataset, virtual datasets, and soft links
that pass through one of these. A foreign file that does so would copy whatever its reader may read into the results,
so :func:`open_hdf5` looks at every link and every dataset first. The only exception is our own index of a dataset,
whose links name files of its own folder.
"""

from __future__ import annotations

import io
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from workflow_scripts.core import limits
from workflow_scripts.core.boundary import reading
from workflow_scripts.core.documents import require_plain
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.files import atomic_path
from workflow_scripts.formats.trial import read_some, require_survivor

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


EXPECTED = "an HDF5 file that holds all of its data itself"
_LINKED = "write it again with the data in the file itself"


def _inside(path: Path, link: h5py.h5l.LinkProxy, name: bytes) -> bool:
    """Whether an external link is one of our index: to the same recording in a file of the index's folder."""
    file, target = link.get_val(name)
    if not name.startswith(b"recordings/") or target != b"/" + name or file.startswith(b"/"):
        return False
    folder = path.parent.resolve()
    return (folder / os.fsdecode(file)).resolve().is_relative_to(folder)


def _check_dataset(path: Path, name: str, node: Any) -> None:
    """Refuse a dataset that keeps its values elsewhere, or claims more than its bytes can hold."""
    plan = node.get_create_plist()
    if plan.get_layout() == h5py.h5d.VIRTUAL:
        raise InputError(path, f"the dataset {name!r} is virtual: its values are in other files", _LINKED)
    if plan.get_layout() == h5py.h5d.CONTIGUOUS and plan.get_external_count():
        raise InputError(path, f"the dataset {name!r} keeps its values in another file", _LINKED)
    shapes = [("shape", node.shape)]
    if plan.get_layout() == h5py.h5d.CHUNKED:
        chunks = plan.get_chunk()
        shapes.append(("chunks", chunks))
        if len(chunks) != len(node.shape):  # the library takes the sizes of the other axes from anywhere
            raise InputError(
                path,
                f"is damaged: the dataset {name!r} of the shape {node.shape} has chunks of the shape {chunks}",
                "download or export it again",
            )
    for what, shape in shapes:
        claimed = prod(shape) * node.dtype.itemsize
        if claimed > 2**26 and claimed > limits.RATIO * node.get_storage_size():
            stored = limits.human(node.get_storage_size())
            raise InputError(
                path,
                f"the dataset {name!r} with {what} {shape} claims {limits.human(claimed)} and stores {stored}",
                "download or export it again",
            )
    kind = node.get_type()
    if kind.get_class() == h5py.h5t.VLEN or (kind.get_class() == h5py.h5t.STRING and kind.is_variable_str()):
        _check_lengths(path, name, node, plan)


_REFERENCE = np.dtype([("length", "<u4"), ("heap", "<u8"), ("number", "<u4")])
"""How HDF5 stores a value of any length in a dataset (HDF5 File Format Specification 3.0, VIII.B)."""


def _check_lengths(path: Path, name: str, node: Any, plan: Any) -> None:
    """Refuse texts that claim more bytes than the file has: the library takes that much memory before it finds out.

    Values behind filters are passed over.
    """
    if plan.get_layout() == h5py.h5d.CONTIGUOUS:
        places = [(node.get_offset(), node.get_storage_size())]
    elif plan.get_layout() == h5py.h5d.CHUNKED and not plan.get_nfilters():
        chunks = (node.get_chunk_info(k) for k in range(node.get_num_chunks()))
        places = [(chunk.byte_offset, chunk.size) for chunk in chunks]
    else:
        return
    whole = path.stat().st_size
    with path.open("rb") as file:
        for place, size in places:
            if place is None:  # nothing was written
                continue
            file.seek(place)
            read = file.read(min(size, whole))
            found = np.frombuffer(read, _REFERENCE, len(read) // _REFERENCE.itemsize)["length"]
            if len(found) and found.max() > whole:
                raise InputError(
                    path,
                    f"is damaged: a text of the dataset {name!r} claims {limits.human(int(found.max()))}, the file has "
                    f"{limits.human(whole)}",
                    "download or export it again",
                )


def _audit(path: Path, handle: h5py.File, *, index: bool) -> None:
    found: list[tuple[bytes, int]] = []

    def note(name: bytes, info: Any) -> bool | None:
        # An exception must not pass through the library, which goes on in an undefined state.
        found.append((name, info.type))
        return True if len(found) > limits.HDF5_OBJECTS else None

    handle.id.links.visit(note, info=True)
    limits.require_most(path, "the number of its objects", len(found), limits.HDF5_OBJECTS)
    for name, kind in found:
        shown = name.decode("utf-8", "replace")
        if kind == h5py.h5l.TYPE_EXTERNAL and index and _inside(path, handle.id.links, name):
            continue
        if kind not in (h5py.h5l.TYPE_HARD, h5py.h5l.TYPE_SOFT) or (index and kind != h5py.h5l.TYPE_HARD):
            raise InputError(path, f"the link {shown!r} leads to another file", _LINKED)
        try:
            node = h5py.h5o.open(handle.id, name)
        except KeyError as error:
            raise InputError(path, f"the link {shown!r} leads nowhere", _LINKED) from error
        if isinstance(node, h5py.h5d.DatasetID):
            _check_dataset(path, shown, node)


def _look(path: Path) -> bool:
    with h5py.File(path, "r") as handle:
        _audit(path, handle, index=False)  # what it refuses is not read
        return read_some(handle)


HEAPS_WITHIN = 64 * 2**20
"""Bytes of a file whose heaps of texts are looked at; a look at larger ones would take longer than reading them."""
_HEAP = b"GCOL\x01\0\0\0"


def _heaps_end(raw: mmap.mmap) -> bool:
    """Say whether the library would come to the end of every heap: some sizes of its parts make it go round for ever.

    HDF5 File Format Specification 3.0, III.E (global heap), https://docs.hdfgroup.org/hdf5/develop/_s_p_e_c.html.
    """
    start = raw.find(_HEAP)
    while start >= 0:
        place, end = start + 16, min(start + int.from_bytes(raw[start + 8 : start + 16], "little"), len(raw))
        while place + 16 <= end:
            number = int.from_bytes(raw[place : place + 2], "little")
            size = int.from_bytes(raw[place + 8 : place + 16], "little")
            # Past the end the library's sum of places overflows, and it comes back to where it was.
            if size > end - place or (number == 0 and size == 0):
                return False
            place += size if number == 0 else 16 + size + -size % 8
        start = raw.find(_HEAP, start + 1)
    return True


@contextmanager
def open_hdf5(
    path: str | Path,
    expected: str = EXPECTED,
    remedy: str = "download or export it again",
    *,
    index: bool = False,
    own: bool = False,
) -> Iterator[h5py.File]:
    """Open any HDF5 file for reading, after a look at every link and dataset in it.

    Parameters
    ----------
    path : str or Path
    expected : str
        What the file should be, for the error's sentence.
    remedy : str
    index : bool
        Allow the links of our own index: relative, to recordings in files of its own folder.
    own : bool
        One of our own files, as an index is: no child reads it first.

    Raises
    ------
    InputError
        When it is no regular file, no readable HDF5, reaches outside itself, or claims more than it can hold.
    """
    size = require_plain(path)
    with reading(path, expected, remedy):
        if 0 < size <= HEAPS_WITHIN:
            # Mapped, so that the bytes of a large file are looked at without being held.
            with Path(path).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as raw:
                endless = not _heaps_end(raw)
            if endless:
                raise InputError(path, f"is damaged (a heap of texts that never ends), expected {expected}", remedy)
        if not (index or own):
            require_survivor(Path(path), _look, remedy)
        try:
            handle = h5py.File(path, "r")
        except OSError as error:
            raise InputError(path, f"is no readable HDF5 file, expected {expected}", remedy) from error
        try:
            _audit(Path(path), handle, index=index)
        except BaseException:
            handle.close()
            raise
    with handle:
        yield handle


@lru_cache(maxsize=100_000)
def _audited(path: Path, size: int, changed: int) -> None:
    with open_hdf5(path, own=True):
        pass


def require_own(path: Path) -> None:
    """Refuse the target of an index's link where it reaches outside itself; the answer is kept while it is unchanged.

    Raises
    ------
    InputError
    """
    require_plain(path)
    status = path.stat()
    _audited(path, status.st_size, status.st_mtime_ns)


def read_values(path: str | Path, node: Any, name: str = "", *, ndim: int | None = None) -> npt.NDArray[Any]:
    """Read a dataset (or one child of a group) whole, after a check of its kind and size.

    Parameters
    ----------
    path : str or Path
        The file, for the error's sentence.
    node : h5py.Dataset or h5py.Group
    name : str
        Child of the group; empty = the node itself.
    ndim : int or None
        Number of axes it must have.

    Raises
    ------
    InputError
        When it is absent, is no dataset, has another number of axes or does not fit into memory.
    """
    if name:
        if name not in node:
            raise InputError(path, f"{node.name} has no dataset {name!r}", "download or export it again")
        node = node[name]
    if not isinstance(node, h5py.Dataset) or node.shape is None:
        raise InputError(path, f"{getattr(node, 'name', name)} is no dataset of values", "download or export it again")
    if ndim is not None and node.ndim != ndim:
        raise InputError(path, f"{node.name} has {node.ndim} axes, expected {ndim}", "download or export it again")
    limits.require_shape(path, node.name, node.shape, node.dtype.itemsize)
    return np.asarray(node[()])


@contextmanager
def open_checked(path: str | Path, kind: str) -> Iterator[h5py.File]:
    """Open a canonical file for reading.

    Raises
    ------
    InputError
        When the file is absent, is no HDF5, reaches outside itself, is of another kind or of an unknown schema version.
    """
    if not Path(path).exists():
        raise InputError(path, "the file does not exist", "run the workflow, which makes it")
    remedy = "delete it and run the workflow again"
    with open_hdf5(path, f"an EthoMake {kind} file", remedy, index=True) as handle:
        with reading(path, f"an EthoMake {kind} file", remedy):
            found = handle.attrs.get("kind")
            version = handle.attrs.get("schema_version")
            known = isinstance(version, int | np.integer) and int(version) == SCHEMA_VERSION
        if not isinstance(found, str) or found != kind:
            raise InputError(path, f"expected an EthoMake {kind} file, found kind {found!r}", "check the path")
        if not known:
            raise InputError(
                path,
                f"has schema version {version}, and this EthoMake reads version {SCHEMA_VERSION}",
                "delete it and run the workflow again, or install the EthoMake that wrote it",
            )
        yield handle


def file_kind(path: str | Path) -> str:
    """Return the kind of a canonical file.

    Raises
    ------
    InputError
        When the file is absent or is no HDF5 of ours.
    """
    if not Path(path).exists():
        raise InputError(path, "the file does not exist", "run the workflow, which makes it")
    require_plain(path)
    try:
        with h5py.File(path, "r") as handle:
            return str(handle.attrs["kind"])
    except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise InputError(path, "is no HDF5 file of EthoMake", "delete it and run the workflow again") from error
