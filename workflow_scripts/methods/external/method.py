"""The five functions of embeddings made elsewhere."""

from __future__ import annotations

import hashlib
from functools import cached_property

import numpy as np
import numpy.typing as npt

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.files import digest
from workflow_scripts.core.typing import Float32Array, Int64Array
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.methods.external.arrays import named_path, read_array
from workflow_scripts.methods.external.config import Config
from workflow_scripts.training.closed_form import (
    ClosedFormModel,
    dimension_names,
    embed,
    import_weights,
    predict,
    prepare,
)
from workflow_scripts.views.tracks import DataSpec, TrackView

__all__ = ["build", "dimension_names", "embed", "import_weights", "predict", "prepare"]


class External(ClosedFormModel):
    """Stands for an encoder that is not here: keeps how wide its arrays are, and the checksum of its files."""

    dim: Int64Array
    checksum: npt.NDArray[np.uint8]

    def __init__(self, config: Config, spec: DataSpec) -> None:
        super().__init__(spec)
        self.config = config
        self.register_buffer("dim", np.int64(0))
        self.register_buffer("checksum", np.zeros(32, np.uint8))

    @cached_property
    def _found(self) -> bytes:
        """Checksum of the files as they are."""
        named_path(self.config.path)
        digests = " ".join(digest(file) for file in self.config.files())
        return hashlib.sha256(digests.encode()).digest()

    def _fit(self, view: TrackView) -> dict[str, float]:
        path = named_path(self.config.path)
        width = 0
        # Every recording, so that a missing or short array is found here and not after hours in `embed`.
        for recording in view.everything():
            found = read_array(path, recording.id, recording.n_frames)
            if width and found.shape[1] != width:
                raise InputError(
                    path,
                    f"recording {recording.id!r} has {found.shape[1]} dimensions and those before it {width}",
                    "embed all recordings with one encoder",
                )
            width = found.shape[1]
        self.dim.fill(width)
        # With the checksum among the weights, edited arrays make other weights, and what follows is made again.
        self.checksum[...] = np.frombuffer(self._found, np.uint8)
        return {"dimensions": float(width)}

    def dimension_names(self) -> list[str]:
        """Number the dimensions."""
        return [f"x{k + 1}" for k in range(int(self.dim))]

    def _embed(self, recording: Recording) -> Float32Array:
        path = named_path(self.config.path)
        if self._found != self.checksum.tobytes():
            raise InputError(path, "has changed since this run was made", "run the workflow again")
        found = read_array(path, recording.id, recording.n_frames)
        if found.shape[1] != int(self.dim):
            raise InputError(
                path,
                f"recording {recording.id!r} has {found.shape[1]} dimensions, not {int(self.dim)}",
                "embed it again",
            )
        return found


def build(config: Config, spec: DataSpec) -> External:
    """Make the model; files are read once it is fitted."""
    return External(config, spec)
