"""Weights of the published BAMS: read, loaded into a model, and made a run that embeds without training."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.formats.tracks import open_tracks
from workflow_scripts.methods import parse, runs
from workflow_scripts.methods.bams.config import Config
from workflow_scripts.methods.bams.features import MOUSE_INPUTS, TARGETS, Layout, compute
from workflow_scripts.methods.bams.module import Bams
from workflow_scripts.methods.bams.network import LONG, SHORT, original_state
from workflow_scripts.methods.bams.statistics import Statistics
from workflow_scripts.views.tracks import DataSpec

log = logging.getLogger("ethomake.bams")


def read_original(path: str | Path) -> dict[str, Tensor]:
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


def recognises(path: Path) -> bool:
    """Whether a path is a ``.pt`` of the published program."""
    if path.suffix != ".pt" or not path.is_file():
        return False
    try:
        read_original(path)
    except InputError:
        return False
    return True


def load_original(model: Bams, path: str | Path) -> None:
    """Load an original's weights into a model, all but the scales, which the checkpoint does not hold.

    Raises
    ------
    InputError
        When those weights are of another shape.
    """
    state = read_original(path)
    wanted = {name: tensor.shape for name, tensor in model.state_dict().items() if name not in Statistics.BUFFERS}
    odd = sorted(set(wanted) ^ set(state))
    odd += sorted(name for name in set(wanted) & set(state) if wanted[name] != state[name].shape)
    if odd:
        raise InputError(
            path,
            f"does not fit the model: {len(odd)} entries are missing, unknown or of another shape, the first "
            f"{odd[0]!r}",
            "set features, social, hoa_input and the widths and bins as they were in training",
        )
    model.load_state_dict(state, strict=False)


def options_of(state: Mapping[str, Tensor], spec: DataSpec, path: str | Path) -> dict[str, Any]:
    """Return the options that weights were trained with, as far as their shapes show them.

    Parameters
    ----------
    state : mapping of str to Tensor
        Of :func:`read_original`.
    spec : DataSpec
        The data they are to embed.
    path : str or Path
        For messages.

    Raises
    ------
    InputError
        When the weights take other inputs than the data have.
    """

    def convolutions(name: str) -> list[Tensor]:
        pattern = f"encoders.{name}.network.{{}}.conv1.weight"
        count = sum(key.startswith(f"encoders.{name}.") and key.endswith(".conv1.weight") for key in state)
        return [state[pattern.format(k)] for k in range(count)]

    first = convolutions(SHORT)[0]
    coordinates = len(spec.keypoints) * spec.space
    inputs = int(first.shape[1])
    mouse = Layout.of(spec, Config()).kind == "mouse"
    known = {len(MOUSE_INPUTS): "mouse"} if mouse else {}
    known |= {2 * coordinates: "keypoints", coordinates: "state_action"}
    if inputs not in known:
        sizes = ", ".join(f"{size} ({kind})" for size, kind in known.items())
        raise InputError(
            path, f"takes {inputs} inputs a frame, the data give {sizes}", "use data of the kind it was trained on"
        )
    kind = known[inputs]
    targets = {"mouse": len(TARGETS), "keypoints": coordinates, "state_action": len(spec.keypoints)}[kind]
    last = max((key for key in state if key.startswith("predictor.layers.") and state[key].ndim == 2), key=_number)
    return {
        "features": kind,
        "short_term": [int(weight.shape[0]) for weight in convolutions(SHORT)],
        "long_term": [int(weight.shape[0]) for weight in convolutions(LONG)],
        "kernel_size": int(first.shape[2]),
        "hoa_bins": int(state[last].shape[0]) // targets,
    }


def _number(key: str) -> int:
    return int(key.split(".")[2])


def largest_inputs(data: Path, config: Config, spec: DataSpec) -> tuple[Statistics, int]:
    """Measure the largest magnitude of every input over all recordings, as the original does before it embeds.

    Returns
    -------
    statistics : Statistics
        Without the edges of the bins, which training alone needs.
    recordings : int
    """
    layout = Layout.of(spec, config)
    scale = np.zeros(len(layout.inputs))
    with open_tracks(data) as reader:
        for identifier in reader.ids:
            recording = reader.read(identifier)
            spec.check(recording)
            found = compute(recording.position, layout, config)
            scale = np.maximum(scale, np.abs(found.inputs).max(axis=(0, 1), initial=0))
        count = len(reader.ids)
    scale[scale < 1e-12] = 1
    edges = np.zeros((len(layout.targets), config.hoa_bins - 1), np.float32)
    return Statistics(np.zeros(len(scale), np.float32), scale.astype(np.float32), edges), count


def import_run(
    path: str | Path, folder: str | Path, options: Mapping[str, Any], *, data: str | Path | None = None
) -> None:
    """Make an original ``.pt`` a run that embeds, without training.

    The checkpoint holds no scales: as in the original they are the largest magnitudes over all recordings it embeds.

    Parameters
    ----------
    path : str or Path
        The original's ``.pt``.
    folder : str or Path
        Gets `hparams.yaml`, `weights_best.safetensors`, `weights_last.safetensors`, `embedder/` and `model_card.md`.
    options : mapping
        Options of the method that shapes do not show, such as `pooling`.
    data : str or Path
        `tracks.h5` of a converted dataset of the kind the weights were trained on; it cannot be left out.

    Raises
    ------
    InputError
        When the file holds no weights of BAMS, or the data are of another kind.
    ConfigError
        When an option is unknown or contradicts the weights, or `data` is left out.
    """
    if data is None:
        raise ConfigError(f"{path}: a checkpoint of BAMS holds no scales of its inputs; name the recordings by --data.")
    data = Path(data)
    spec = DataSpec.of_file(data)
    shown = options_of(read_original(path), spec, path)
    given = shown | {"mode": "faithful"} | dict(options) | {"weights": str(path)}
    config: Any = parse("bams", given)
    config = config.resolved()
    model = Bams(config, spec)
    load_original(model, path)
    statistics, count = largest_inputs(data, config, spec)
    model.keep(statistics)
    dataset = data.resolve().parent.name
    about = (
        f"Scales of the inputs: largest magnitudes over the {count} recordings of {dataset}, none of them trained on."
    )
    runs.keep_imported(Path(folder), model, "bams", config, spec, source=Path(path), dataset=dataset, about=about)
    log.info("%s became a run in %s; %d recordings gave the scales", path, folder, count)
