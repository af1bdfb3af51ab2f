"""Embeddings: `/recordings/<id>` float32 (or, where asked for, float16) of shape (time, dim), one file per run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from workflow_scripts.core.boundary import reading
from workflow_scripts.core.errors import InputError
from workflow_scripts.formats.hdf5 import create, open_checked
from workflow_scripts.formats.tracks import escape_id, unescape_id

KIND = "embeddings"


def write_embeddings(
    path: str | Path,
    embeddings: Iterable[tuple[str, npt.NDArray[np.float32]]],
    *,
    names: Iterable[str] = (),
    attributes: dict[str, Any] | None = None,
    half: bool = False,
) -> None:
    """Write embeddings as they come, one recording in memory at a time.

    Parameters
    ----------
    path : str or Path
        The HDF5 file to make, whole or not at all.
    embeddings : iterable of (str, ndarray)
        Recording id and float32 array (time, dim); finite, the same `dim` throughout.
    names : iterable of str
        Name of each dimension, where they have any (hand features do).
    attributes : dict
        Where they come from (method, seed, …); stored as JSON.
    half : bool
        Store float16, of three digits and up to 65504: half the file. It is read as float32.

    Raises
    ------
    InputError
        When an array holds NaN or infinity, is beyond float16 where that is asked for, or differs in width.
    """
    with create(path, KIND) as handle:
        handle.attrs["names"] = json.dumps(list(names))
        handle.attrs["attributes"] = json.dumps(attributes or {})
        parent = handle.create_group("recordings")
        dim: int | None = None
        for recording, array in embeddings:
            if not np.isfinite(array).all():
                raise InputError(path, f"recording {recording!r} got a NaN or infinite embedding", "check its tracks")
            if dim is not None and array.shape[1] != dim:
                raise InputError(path, f"recording {recording!r} has {array.shape[1]} dims, others {dim}", "report it")
            dim = int(array.shape[1])
            # Uncompressed on purpose: float32 noise does not compress, and readers take slices.
            if half and np.abs(array).max(initial=0) > np.finfo(np.float16).max:
                problem = f"recording {recording!r} has embeddings beyond {np.finfo(np.float16).max:g}"
                raise InputError(path, problem, "set embedding_precision: single")
            parent.create_dataset(
                escape_id(recording), data=array.astype(np.float16 if half else np.float32, copy=False)
            )
        handle.attrs["dim"] = dim or 0


class EmbeddingsReader:
    """Read embeddings by recording; get one from :func:`open_embeddings`."""

    def __init__(self, path: str | Path, handle: h5py.File) -> None:
        self.path = Path(path)
        with self._damage():
            self._recordings: h5py.Group = handle["recordings"]
            self.dim = int(handle.attrs["dim"])
            self.names: list[str] = json.loads(str(handle.attrs["names"]))
            self.attributes: dict[str, Any] = json.loads(str(handle.attrs["attributes"]))
            self.ids: list[str] = [unescape_id(key) for key in self._recordings]

    def _damage(self) -> AbstractContextManager[None]:
        return reading(self.path, "an embeddings file that EthoMake made", "delete it and run the embed rule again")

    def _dataset(self, recording: str) -> h5py.Dataset:
        try:
            return self._recordings[escape_id(recording)]
        except KeyError as error:
            raise InputError(self.path, f"has no recording {recording!r}", "run the embed rule again") from error

    def n_frames(self, recording: str) -> int:
        """Number of frames of a recording."""
        with self._damage():
            return int(self._dataset(recording).shape[0])

    def read(self, recording: str, start: int = 0, stop: int | None = None) -> npt.NDArray[np.float32]:
        """Read frames `start` to `stop` of a recording, shape (time, dim)."""
        with self._damage():
            held = self._dataset(recording)
            if held.shape[1:] != (self.dim,):
                raise InputError(
                    self.path,
                    f"{recording}: expected (time, {self.dim}), found the shape {held.shape}",
                    "delete it and run the embed rule again",
                )
            array: npt.NDArray[np.float32] = held[start:stop].astype(np.float32, copy=False)
        return array


@contextmanager
def open_embeddings(path: str | Path) -> Iterator[EmbeddingsReader]:
    """Open an embeddings file for reading (errors as :func:`workflow_scripts.formats.hdf5.open_checked`)."""
    with open_checked(path, KIND) as handle:
        yield EmbeddingsReader(path, handle)
