"""A ``version_N`` folder, ours or the original's, as a model of a dataset's tracks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from workflow_scripts.core.errors import EthoMakeError, InputError
from workflow_scripts.core.validation import validate
from workflow_scripts.methods import Facts, Imported
from workflow_scripts.methods.daart.config import Config, NetworkOptions
from workflow_scripts.methods.daart.inputs import column_names
from workflow_scripts.methods.daart.project.data import read_inputs
from workflow_scripts.methods.daart.project.options import ProjectOptions
from workflow_scripts.methods.daart.project.versions import HPARAMS, load_version
from workflow_scripts.sources import daart_csv
from workflow_scripts.views.tracks import DataSpec

WEIGHTS = "best_val_model.pt"
KEPT = ("network.encoder.", "network.mean.", "network.log_variance.")
FIRST = {
    "dtcn": ("encoder.blocks.0.first.parametrizations.weight.original1", "encoder.blocks.0.residual.weight"),
    "temporal-mlp": ("encoder.convolution.weight",),
    "lstm": ("encoder.rnn.weight_ih_l0", "encoder.rnn.weight_ih_l0_reverse"),
    "gru": ("encoder.rnn.weight_ih_l0", "encoder.rnn.weight_ih_l0_reverse"),
}
"""Tensors whose second axis is the input's columns, by backbone."""


def recognises(path: Path) -> bool:
    """Whether a path is a ``version_N`` folder."""
    return (path / HPARAMS).is_file() and (path / WEIGHTS).is_file()


def imported(folder: Path, facts: Facts) -> Imported:
    """Read a version trained on markers: encoder and classifier.

    Columns are sorted from all x before all y to the order of tracks, point by point, and the class of unscored frames,
    which no frame taught, is left out, so that the probabilities of the others sum to 1.

    Raises
    ------
    InputError
        When the folder is damaged, its inputs are no markers, or the names given do not fit it.
    """
    model, options, hparams = load_version(folder)
    if options.input_type != daart_csv.MARKERS:
        raise InputError(
            folder / HPARAMS,
            f"was trained on the input_type {options.input_type}, and tracks have no such columns",
            "predict files of that kind with methods.daart.project.predict",
        )
    if facts.fps is None:
        raise InputError(folder, "states no frame rate", "tell fps, frames per second of the recordings it is for")
    notes: list[str] = []
    size = len(model.centre)
    each = 2 * (1 + options.velocity) + options.likelihood
    individuals = facts.individuals or ("individual1",)
    keypoints = _keypoints(folder, options, hparams, facts, size // (each * len(individuals)), notes)
    if len(individuals) * len(keypoints) * each != size:
        raise InputError(
            folder,
            f"has {size} columns, and {len(individuals)} individuals × {len(keypoints)} keypoints make "
            f"{len(individuals) * len(keypoints) * each}",
            "tell the individuals and keypoints it was trained on",
        )
    names = _classes(folder, options, hparams, facts, model.classes, notes)
    scored = [k for k in range(model.classes) if k != options.unscored]
    if len(scored) < model.classes:
        notes.append(f"the class {names[options.unscored or 0]!r} means unscored and is left out")
    classes = tuple(names[k] for k in scored)
    spec = DataSpec(individuals, keypoints, 2, facts.fps, facts.unit, facts.image_size, {facts.task: classes})
    config = _config(options, model.network.options, facts.task)
    state = _state(model.state_dict(), model.network.options, scored, _order(spec, config, options))
    theirs = "identity" not in hparams
    version = "daart" if theirs else "EthoMake's command of daart"
    return Imported(config, spec, state, [folder / HPARAMS, folder / WEIGHTS], version, notes)


def _config(options: ProjectOptions, network: NetworkOptions, task: str) -> Config:
    stated: dict[str, Any] = {
        "seed": options.rng_seed_model,
        "strong": task,
        "velocity": options.velocity,
        "likelihood": options.likelihood,
        "network": network.model_dump(),
        "sequences": options.sequences.model_dump(),
        "learning_rate": options.learning_rate,
        "l2_reg": options.l2_reg,
    }
    return validate(Config, stated, where="the imported version")


def _order(spec: DataSpec, config: Config, options: ProjectOptions) -> list[int]:
    """Number, in the version's order of columns, each column of a dataset's tracks."""
    points = [f"{who}.{point}" for who in spec.individuals for point in spec.keypoints]
    theirs = [f"{point}.{axis}" for axis in "xy" for point in points]
    theirs += [f"{name}.velocity" for name in theirs] if options.velocity else []
    theirs += [f"{point}.likelihood" for point in points] if options.likelihood else []
    return [theirs.index(name) for name in column_names(spec, config)]


def _state(found: dict[str, Tensor], network: NetworkOptions, scored: list[int], order: list[int]) -> dict[str, Tensor]:
    state = {name: tensor for name, tensor in found.items() if name.startswith(KEPT)}
    head = "network.strong" if "network.strong.bias" in found else "network.weak"
    state |= {f"network.strong.{part}": found[f"{head}.{part}"][scored] for part in ("weight", "bias")}
    for name in FIRST[network.backbone]:
        if f"network.{name}" in state:
            state[f"network.{name}"] = state[f"network.{name}"][:, order]
    state |= {name: found[name][order] for name in ("centre", "scale")}
    state["class_weights"] = found["class_weights"][scored]
    return {name: torch.clone(tensor.detach()).contiguous() for name, tensor in state.items()}


def _keypoints(
    folder: Path, options: ProjectOptions, hparams: dict[str, Any], facts: Facts, n: int, notes: list[str]
) -> tuple[str, ...]:
    """Take the names given, else those of the columns, else those of the markers it was trained on, else numbers."""
    if facts.keypoints:
        return facts.keypoints
    names = hparams.get("input_names")
    if not names:
        try:
            path = daart_csv.find_input(options.data_dir, options.input_type, options.expt_ids[0])
            names = read_inputs(path, options)[1]
        except (EthoMakeError, OSError):
            notes.append(f"its {n} keypoints have no names and are numbered")
            return tuple(f"point{k + 1}" for k in range(n))
    found = [str(name).removesuffix(".x") for name in names if str(name).endswith(".x")]
    if len(found) != n:
        notes.append(f"its {n} keypoints have no names and are numbered")
        return tuple(f"point{k + 1}" for k in range(n))
    return tuple(found)


def _classes(
    folder: Path, options: ProjectOptions, hparams: dict[str, Any], facts: Facts, n: int, notes: list[str]
) -> tuple[str, ...]:
    """Name all outputs; names given may leave out the class of unscored frames."""
    stated = facts.classes
    if stated is not None and options.unscored is not None and len(stated) == n - 1:
        stated = (*stated[: options.unscored], "background", *stated[options.unscored :])
    if stated is None and hparams.get("class_names"):
        stated = tuple(map(str, hparams["class_names"]))
    if stated is None:
        try:
            path = daart_csv.find_labels(options.data_dir, "labels-hand", options.expt_ids[0])
            stated = daart_csv.read_one_hot(path)[1] if path else None
        except (EthoMakeError, OSError):
            stated = None
    if stated is None:
        notes.append(f"its {n} classes have no names and are numbered")
        stated = tuple(f"class{k}" for k in range(n))
    if len(stated) != n or len(set(stated)) != n:
        raise InputError(folder, f"has {n} classes, and the names are {', '.join(stated)}", "name each once, in order")
    return stated
