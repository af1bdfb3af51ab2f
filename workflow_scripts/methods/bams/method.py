"""The five functions of the method `bams`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from workflow_scripts.core.errors import InputError
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.methods.bams.config import Config
from workflow_scripts.methods.bams.data import BamsData
from workflow_scripts.methods.bams.module import Bams
from workflow_scripts.methods.bams.network import original_state
from workflow_scripts.views.tracks import DataSpec, TrackView

BUFFERS = {"shift", "scale", "edges"}


def prepare(view: TrackView, config: Config) -> BamsData:
    """Return the training and validation sequences of a split (a LightningDataModule)."""
    return BamsData(view, config)


def build(config: Config, spec: DataSpec) -> Bams:
    """Return the model, with the original's weights where the options name them.

    Raises
    ------
    InputError
        When those weights are of another shape.
    """
    model = Bams(config, spec)
    if config.weights is not None:
        state = import_weights(config.weights)
        wanted = {name: tensor.shape for name, tensor in model.state_dict().items() if name not in BUFFERS}
        odd = sorted(set(wanted) ^ set(state))
        odd += sorted(name for name in set(wanted) & set(state) if wanted[name] != state[name].shape)
        if odd:
            raise InputError(
                config.weights,
                f"does not fit the model: {len(odd)} entries are missing, unknown or of another shape, the first "
                f"{odd[0]!r}",
                "set features, social, hoa_input and the widths and bins as they were in training",
            )
        model.load_state_dict(state, strict=False)  # all but the scales, which the checkpoint does not hold
    return model


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
    """Read an original ``.pt`` as entries of :class:`.model.Bams`; it holds no scales, which come from the data.

    Raises
    ------
    InputError
        When it is no state dict of BAMS.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputError(path, "the file does not exist", "check the path") from error
    except Exception as error:
        # torch raises whatever the damage brings; nothing in the file was run.
        raise InputError(path, "is no checkpoint of weights alone", "save the original's model.state_dict()") from error
    if not isinstance(state, dict) or not any(str(name).startswith("encoders.short_term") for name in state):
        raise InputError(path, "holds no weights of BAMS (encoders.short_term.…)", "use the original's .pt")
    return original_state(state)


def dimension_names(model: Bams) -> list[str]:
    """Name the dimensions of the embedding."""
    own = [f"{name}{k}" for name, width in model.widths.items() for k in range(width)]
    if model.pooling == "concat":
        return [f"{animal}.{name}" for animal in model.spec.individuals for name in own]
    return [f"{kind}.{name}" for kind in ("mean", "range") for name in own]
