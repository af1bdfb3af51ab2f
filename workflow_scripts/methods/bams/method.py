"""The five functions of the method `bams`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from workflow_scripts.errors import InputError
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.methods.bams.config import Config
from workflow_scripts.methods.bams.data import BamsData
from workflow_scripts.methods.bams.features import compute
from workflow_scripts.methods.bams.model import Bams
from workflow_scripts.methods.bams.network import original_state
from workflow_scripts.training.data import DataSpec, TrackView

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


@torch.no_grad()
def embed_individuals(model: Bams, recording: Recording) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Embed every animal by itself.

    Returns
    -------
    latents : ndarray, float32, shape (individual, time, dim)
        Short-term, then long-term latents.
    present : ndarray of bool, shape (individual,)
        False for an animal without a single point.
    """
    found = compute(recording.position, model.layout, model.config)
    inputs = model.statistics.normalise(np.ascontiguousarray(found.inputs.transpose(1, 0, 2)))
    parts = []
    was_training = model.training
    model.eval()
    for animal in torch.from_numpy(inputs).to(model.shift.device):
        latents = model.encode(animal[None])
        parts.append(torch.cat(list(latents.values()), dim=-1)[0].cpu().numpy())
    model.train(was_training)
    return np.stack(parts), found.present


def _pooling(model: Bams) -> Literal["mean_range", "concat"]:
    if model.config.pooling == "auto":
        return "concat" if len(model.spec.individuals) <= 2 else "mean_range"
    return model.config.pooling


def pool(
    latents: npt.NDArray[np.float32], present: npt.NDArray[np.bool_], how: Literal["mean_range", "concat"]
) -> npt.NDArray[np.float32]:
    """Bring the latents of a group together.

    Parameters
    ----------
    latents : ndarray, shape (individual, time, dim)
    present : ndarray of bool, shape (individual,)
        Only these count (all, should none be).
    how : {"mean_range", "concat"}
        ``mean_range``: mean, then largest minus smallest; blind to who is who. ``concat``: side by side.

    Returns
    -------
    ndarray, float32, shape (time, 2 dim or individual · dim)
    """
    if how == "concat":
        return np.ascontiguousarray(np.concatenate(list(latents), axis=-1), dtype=np.float32)
    chosen = latents[present] if present.any() else latents
    return np.concatenate([chosen.mean(0), chosen.max(0) - chosen.min(0)], axis=-1).astype(np.float32)


def embed(model: Bams, recording: Recording) -> npt.NDArray[np.float32]:
    """Embed every frame, float32 (time, dim)."""
    latents, present = embed_individuals(model, recording)
    return pool(latents, present, _pooling(model))


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
    if _pooling(model) == "concat":
        return [f"{animal}.{name}" for animal in model.spec.individuals for name in own]
    return [f"{kind}.{name}" for kind in ("mean", "range") for name in own]
