"""The five functions of the method `lisbet`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from workflow_scripts.core.errors import ConfigError
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.methods import Facts, Imported
from workflow_scripts.methods.lisbet.config import Config
from workflow_scripts.methods.lisbet.data import LisbetData
from workflow_scripts.methods.lisbet.imported import imported
from workflow_scripts.methods.lisbet.inference import embed_recording, predict_recording
from workflow_scripts.methods.lisbet.labels import heads
from workflow_scripts.methods.lisbet.module import Lisbet
from workflow_scripts.methods.lisbet.original.read import read_original
from workflow_scripts.methods.lisbet.original.write import export_folders
from workflow_scripts.views.tracks import DataSpec, TrackView


def prepare(view: TrackView, config: Config) -> LisbetData:
    """Return the training and validation windows of a split.

    Raises
    ------
    ConfigError
        When there is no task to train.
    """
    if not config.task_ids:
        raise ConfigError("methods.lisbet.tasks: expected at least one task to train, found none.")
    return LisbetData(view, config)


def build(config: Config, spec: DataSpec) -> Lisbet:
    """Return the model; training starts from `load_backbone` where the options name one."""
    return Lisbet(config, spec)


def embed(model: Lisbet, recording: Recording) -> npt.NDArray[np.float32]:
    """Embed every frame, float32 (time, dim)."""
    return embed_recording(model, recording)


def predict(model: Lisbet, recording: Recording) -> dict[str, npt.NDArray[np.float32]] | None:
    """Class probabilities by labelled task, each (time, classes); None for a model trained without labels."""
    if not any(head.labels for head in heads(model.config, model.spec)):
        return None
    return predict_recording(model, recording)


def import_weights(path: str | Path) -> dict[str, torch.Tensor]:
    """Read an original model folder (or its `model_config.yml`) as the state dict of :class:`.model.Lisbet`."""
    return read_original(Path(path)).state


def recognises(path: Path) -> bool:
    """Whether a path is an original model folder, or its `model_config.yml`."""
    return path.name == "model_config.yml" or (path / "model_config.yml").is_file()


def import_original(path: Path, facts: Facts) -> Imported:
    """Read an original model folder, of version 0.2.3 to main, with its heads."""
    return imported(path, facts)


def export_original(model: Lisbet, run: Path, output: Path, **options: Any) -> list[Path]:
    """Write a run as the original's `models/` and `embeddings/` folders."""
    return export_folders(model, run, output, **options)


def dimension_names(model: Lisbet) -> list[str]:
    """Name the dimensions of the embedding."""
    width = model.config.backbone.embedding_dim or 0
    return [f"{'token' if k < width else 'window'}{k % width}" for k in range(model.dimensions)]
