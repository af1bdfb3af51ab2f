"""The five functions of the method `mvd`, for crop videos instead of tracks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from workflow_scripts.formats.clips import ClipRecording
from workflow_scripts.methods import Decided
from workflow_scripts.methods.mvd.config import Config
from workflow_scripts.methods.mvd.data import ClipData
from workflow_scripts.methods.mvd.distil import MvdDistiller
from workflow_scripts.methods.mvd.files import predict_file, watch
from workflow_scripts.methods.mvd.imported import import_run, recognises
from workflow_scripts.methods.mvd.inference import make_slider, read_chunks, slide
from workflow_scripts.methods.mvd.module import MvdClassifier
from workflow_scripts.methods.mvd.original import read_state
from workflow_scripts.views.clips import ClipSpec, ClipView

__all__ = [
    "build",
    "dimension_names",
    "embed",
    "import_run",
    "import_weights",
    "predict",
    "predict_file",
    "prepare",
    "recognises",
]


def prepare(view: ClipView, config: Config) -> ClipData:
    """Return the training windows and validation videos of a split."""
    return ClipData(view, config.resolved())


def build(config: Config, spec: ClipSpec) -> MvdClassifier | MvdDistiller:
    """Return the model; training starts from `load_backbone` where the options name one."""
    config = config.resolved(vocabularies=spec.vocabularies)
    return MvdClassifier(config, spec) if config.objective == "classify" else MvdDistiller(config, spec)


def embed(model: MvdClassifier | MvdDistiller, recording: ClipRecording) -> npt.NDArray[np.float32]:
    """Embed every frame, float32 (time, dim): features averaged over the windows that cover it."""
    if isinstance(model, MvdDistiller):
        config = model.eval().config
        chunks = read_chunks(recording, config.side)
        embed = model.network.patch_embed
        return slide(embed, model.moments, chunks, recording.n_frames, make_slider(config), model.device).frames
    return watch(model, recording).features


def predict(model: MvdClassifier, recording: ClipRecording) -> dict[str, Decided]:
    """Class of every frame after the stored rules, and the calibrated probabilities (time, classes)."""
    said = watch(model, recording)
    return {model.task: Decided(said.codes, said.probabilities)}


def import_weights(path: str | Path) -> dict[str, torch.Tensor]:
    """Read an MVD or VideoMAE checkpoint, by the names of :class:`.network.VideoTransformer`.

    Raises
    ------
    InputError
        When the file is damaged, holds code, or holds another kind of model.
    """
    return read_state(path)


def dimension_names(model: MvdClassifier | MvdDistiller) -> list[str]:
    """Number the features."""
    return [f"feature{k}" for k in range(model.network.dim)]
