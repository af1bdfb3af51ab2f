"""The five functions of the method `bams`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from workflow_scripts.formats.tracks import Recording
from workflow_scripts.methods.bams.config import Config
from workflow_scripts.methods.bams.data import BamsData
from workflow_scripts.methods.bams.module import Bams
from workflow_scripts.methods.bams.original import import_run, read_original, recognises
from workflow_scripts.views.tracks import DataSpec, TrackView

__all__ = [
    "build",
    "dimension_names",
    "embed",
    "embed_individuals",
    "import_run",
    "import_weights",
    "predict",
    "prepare",
    "recognises",
]


def prepare(view: TrackView, config: Config) -> BamsData:
    """Return the training and validation sequences of a split."""
    return BamsData(view, config)


def build(config: Config, spec: DataSpec) -> Bams:
    """Return the model; training starts from `weights` where the options name them."""
    return Bams(config, spec)


def embed_individuals(model: Bams, recording: Recording) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Embed every animal by itself; see :meth:`.model.Bams.embed_individuals`."""
    return model.embed_individuals(recording)


def embed(model: Bams, recording: Recording) -> npt.NDArray[np.float32]:
    """Embed every frame, float32 (time, dim)."""
    return model.embed_recording(recording)


def predict(model: Bams, recording: Recording) -> None:
    """BAMS predicts no labels of its own."""
    return


def import_weights(path: str | Path) -> dict[str, torch.Tensor]:
    """Read an original ``.pt``; see :func:`.original.read_original`."""
    return read_original(path)


def dimension_names(model: Bams) -> list[str]:
    """Name the dimensions of the embedding."""
    own = [f"{name}{k}" for name, width in model.widths.items() for k in range(width)]
    if model.pooling == "concat":
        return [f"{animal}.{name}" for animal in model.spec.individuals for name in own]
    return [f"{kind}.{name}" for kind in ("mean", "range") for name in own]
