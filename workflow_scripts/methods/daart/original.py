"""The original's ``best_val_model.pt``: its names for our tensors, both ways.

The names are those of its main branch (2023 to 2025). Its dilated blocks store every convolution twice, under an alias;
both are written, one is read. The decoder of ``lambda_recon`` was never trained and is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from workflow_scripts.core.errors import EthoMakeError, InputError
from workflow_scripts.core.files import atomic_path
from workflow_scripts.methods.daart.config import NetworkOptions
from workflow_scripts.training.weights import read_checkpoint

SCALE = ("centre", "scale")
"""Buffers of ours that the original lacks: it normalises every recording by itself."""
UNTRAINED = re.compile(r"model\.decoder\.")


def _blocks(ours: str, theirs: str, n: int, last: bool) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    parts = {"bias": "bias", "parametrizations.weight.original0": "weight_g"}
    parts |= {"parametrizations.weight.original1": "weight_v"}
    for k in range(n):
        block = f"{theirs}.tcn_block_{k:02d}"
        for number, name in enumerate(("first", "second")):
            for mine, other in parts.items():
                names[f"{ours}.blocks.{k}.{name}.{mine}"] = [
                    f"{block}.conv{number}.{other}",
                    f"{block}.block.conv1d_layer_{number}.{other}",
                ]
        for part in ("weight", "bias"):
            names[f"{ours}.blocks.{k}.residual.{part}"] = [f"{block}.downsample.{part}"]
    if last:
        for part in ("weight", "bias"):
            names[f"{ours}.last.{part}"] = [f"{theirs}.final_dense_{n:02d}.{part}"]
    return names


def _coder(ours: str, theirs: str, options: NetworkOptions, decoder: bool) -> dict[str, list[str]]:
    n, names = options.n_hid_layers, {}
    if options.backbone == "dtcn":
        return _blocks(ours, theirs, n, decoder)
    if options.backbone == "temporal-mlp":
        layers = {f"{ours}.{2 * k}": f"dense_layer_{k:02d}" for k in range(n + 1)}
        if not decoder:
            layers = {f"{ours}.layers.{2 * k + 1}": f"dense_layer_{k + 1:02d}" for k in range(n)}
            layers[f"{ours}.convolution"] = "conv1d_layer_00"
        return {f"{a}.{part}": [f"{theirs}.{b}.{part}"] for a, b in layers.items() for part in ("weight", "bias")}
    for layer in range(n):
        for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            for way in ("", "_reverse") if options.bidirectional else ("",):
                part = f"{kind}_l{layer}{way}"
                names[f"{ours}.rnn.{part}"] = [f"{theirs}.{options.backbone.upper()}_layer_00.{part}"]
    for part in ("weight", "bias"):
        names[f"{ours}.linear.{part}"] = [f"{theirs}.dense(prediction)_layer_01.{part}"]
    return names


def original_names(options: NetworkOptions) -> dict[str, list[str]]:
    """Names in the original, aliases after the first, of every tensor that a network with these options may have."""
    names = _coder("network.encoder", "model.encoder.model", options, False)
    names |= _coder("network.predictor", "model.predictor.model", options, True)
    heads = {
        "network.strong": "classifier.dense(classification)_layer_00",
        "network.weak": "classifier_weak.dense(classification)_layer_00",
        "network.task.0": "task_predictor.dense_layer_00",
        "network.task.2": "task_predictor.dense_layer_01",
    }
    depth = {"dtcn": options.n_hid_layers, "lstm": 2, "gru": 2}.get(options.backbone, 2 * options.n_hid_layers + 1)
    heads["network.mean"] = f"latent_mean.dense(latent_mean)_layer_{depth:02d}"
    heads["network.log_variance"] = f"latent_logvar.dense(latent_logvar)_layer_{depth:02d}"
    names |= {f"{a}.{part}": [f"model.{b}.{part}"] for a, b in heads.items() for part in ("weight", "bias")}
    names["class_weights"] = ["class_loss.weight"]
    return names


def to_original(state: Mapping[str, Tensor], options: NetworkOptions) -> dict[str, Tensor]:
    """Rename a state dict of :class:`.module.Segmenter` as the original has it; its log-variance is a log-deviation."""
    names = original_names(options)
    made: dict[str, Tensor] = {}
    for key, tensor in state.items():
        if key not in SCALE:
            value = tensor / 2 if key.startswith("network.log_variance") else tensor
            made |= {name: value.detach().cpu().clone() for name in names[key]}
    return made


def from_original(path: Path, found: Mapping[str, Tensor], options: NetworkOptions) -> dict[str, Tensor]:
    """Rename an original state dict as ours.

    Raises
    ------
    InputError
        When a tensor has a name we do not know; missing ones show when the model takes the state.
    """
    names = original_names(options)
    state: dict[str, Tensor] = {}
    for ours, theirs in names.items():
        if theirs[0] in found:
            tensor = found[theirs[0]]
            state[ours] = tensor * 2 if ours.startswith("network.log_variance") else tensor
    known = {name for aliases in names.values() for name in aliases}
    strange = sorted(name for name in found if name not in known and not UNTRAINED.match(name))
    if strange:
        raise InputError(path, f"holds the unknown tensor {strange[0]!r}", f"is its backbone {options.backbone}?")
    inputs, classes = _sizes(path, state, options)
    state.setdefault("class_weights", torch.ones(classes))
    return state | {"centre": torch.zeros(inputs), "scale": torch.ones(inputs)}


def _sizes(path: Path, state: Mapping[str, Tensor], options: NetworkOptions) -> tuple[int, int]:
    first = {
        "dtcn": "network.encoder.blocks.0.first.parametrizations.weight.original1",
        "temporal-mlp": "network.encoder.convolution.weight",
    }.get(options.backbone, "network.encoder.rnn.weight_ih_l0")
    head = "network.strong.bias" if "network.strong.bias" in state else "network.weak.bias"
    for name in (first, head):
        if name not in state:
            raise InputError(path, f"lacks the tensor {original_names(options)[name][0]!r}", "check the backbone")
    return int(state[first].shape[1]), len(state[head])


def read_original(path: Path) -> tuple[dict[str, Tensor], NetworkOptions]:
    """Read a ``best_val_model.pt``, its shape read from its tensors.

    Raises
    ------
    InputError
        When it is no checkpoint of plain tensors or holds unknown names.
    """
    found = read_checkpoint(path)
    options = guess_network(path, found)
    return from_original(path, found, options), options


def guess_network(path: Path, found: Mapping[str, Tensor]) -> NetworkOptions:
    """Tell backbone and sizes from names and shapes; what leaves no trace there (activation, dropout) is default."""
    inner = "model.encoder.model."
    names = [name.removeprefix(inner) for name in found if name.startswith(inner)]
    variational = any(name.startswith("model.latent_mean.") for name in found)
    shape: dict[str, object] = {"variational": variational}
    if any(name.startswith("tcn_block_") for name in names):
        weight = found[f"{inner}tcn_block_00.conv0.weight_v"]
        layers = len({name.split(".")[0] for name in names})
        shape |= {"backbone": "dtcn", "n_lags": weight.shape[2] // 2, "n_hid_units": len(weight)}
    elif any(name.startswith("conv1d_layer_00") for name in names):
        weight = found[f"{inner}conv1d_layer_00.weight"]
        layers = len({name.split(".")[0] for name in names if name.startswith("dense_layer_")})
        shape |= {"backbone": "temporal-mlp", "n_lags": weight.shape[2] // 2, "n_hid_units": len(weight)}
        shape["activations"] = "first"
    elif any(name.startswith(("LSTM_layer_00", "GRU_layer_00")) for name in names):
        kind = "lstm" if any(name.startswith("LSTM") for name in names) else "gru"
        layers = len([name for name in names if re.search(r"\.weight_hh_l\d+$", name)])
        both = any(name.endswith("_reverse") for name in names)
        width = found[f"{inner}{kind.upper()}_layer_00.weight_hh_l0"].shape[1]
        shape |= {"backbone": kind, "bidirectional": both, "n_hid_units": width}
    else:
        raise InputError(path, "holds no encoder of a backbone we know", "check that it is daart's best_val_model.pt")
    return NetworkOptions.model_validate(shape | {"n_hid_layers": layers})


def write_original(path: Path, state: Mapping[str, Tensor], options: NetworkOptions) -> None:
    """Write ``best_val_model.pt`` for the original's scripts, whole or not at all.

    Raises
    ------
    EthoMakeError
        When the original would compute something else with these weights.
    """
    deep = options.backbone == "temporal-mlp" and options.n_hid_layers > 1
    if deep and options.activations != "first" and options.activation != "linear":
        raise EthoMakeError(
            "The original's temporal-mlp has an activation after the first layer alone and would compute something "
            "else with these weights; train with network.activations: first."
        )
    with atomic_path(path) as part:
        torch.save(to_original(state, options), part)
