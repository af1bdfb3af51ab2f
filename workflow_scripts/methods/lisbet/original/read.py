"""Read the original program's model folders, `model_config.yml` and `weights/*.pt`, keys strict."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.files import read_yaml
from workflow_scripts.core.validation import validate
from workflow_scripts.methods.lisbet.config import OLD_NAMES, BackboneOptions, Config
from workflow_scripts.methods.lisbet.network import TransformerBackbone
from workflow_scripts.training.checkpoints import load_weights

if TYPE_CHECKING:
    from workflow_scripts.methods.lisbet.module import Lisbet

POSITIONS = "backbone.pos_embedder.pos_emb"
WRAPPER = "_orig_mod."
"""torch.compile writes it into the names; the original then silently loads nothing."""
NEW_NAMES = {new: old for old, new in OLD_NAMES.items()}
FLAT = ("bp_dim", "emb_dim", "hidden_dim", "max_len", "num_heads", "num_layers")
NESTED = ("feature_dim", "embedding_dim", "hidden_dim", "max_length", "num_heads", "num_layers")


@dataclass(frozen=True)
class OriginalModel:
    """What an original model folder holds.

    Attributes
    ----------
    backbone : BackboneOptions
    features : int
        Columns of its input.
    outputs : dict of str to int
        Outputs of each head, by the newer task names; empty for an embedder.
    window_size, window_offset : int or None
        None where the folder does not say (embedders of version 0.3.0).
    input_features : dict
        Names and order of individuals, keypoints and space, where the folder says (newer layout).
    layout : {"seed", "newest"}
    state : dict of str to Tensor
        By the names of :class:`.model.Lisbet`.
    """

    backbone: BackboneOptions
    features: int
    outputs: dict[str, int]
    window_size: int | None
    window_offset: int | None
    input_features: dict[str, Any]
    layout: Literal["seed", "newest"]
    state: dict[str, Tensor]


def _weights_file(folder: Path) -> Path:
    files = sorted((folder / "weights").glob("*.pt"))
    last = folder / "weights" / "weights_last.pt"
    if last in files:
        return last
    if len(files) == 1:
        return files[0]
    raise InputError(
        folder / "weights",
        f"expected weights_last.pt or one .pt file, found {len(files)} files",
        "name the file you mean weights_last.pt",
    )


def read_state(path: Path) -> dict[str, Tensor]:
    """Read a bare state dict; code in the file is never run.

    Raises
    ------
    InputError
        When the file is absent, damaged, or holds anything but named tensors.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputError(path, "the file does not exist", "check the path") from error
    except (RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise InputError(
            path, "is no state dict of plain tensors", "save it with torch.save(model.state_dict())"
        ) from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(path, "holds more than named tensors", "save it with torch.save(model.state_dict())")
    return {name.replace(WRAPPER, ""): tensor for name, tensor in state.items()}


def _modern(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the heads to the newer task names."""
    found = {}
    for name, tensor in state.items():
        parts = name.split(".")
        if parts[0] == "task_heads" and len(parts) > 1:
            parts[1] = OLD_NAMES.get(parts[1], parts[1])
        found[".".join(parts)] = tensor
    return found


def _expect(path: Path, config: Mapping[str, Any], keys: tuple[str, ...]) -> list[int]:
    missing = [key for key in keys if not isinstance(config.get(key), int)]
    if missing:
        raise InputError(path, f"has no whole number under {', '.join(missing)}", "export the model again")
    return [int(config[key]) for key in keys]


def read_original(path: Path) -> OriginalModel:
    """Read an original model folder, of version 0.2.3 to 0.4.

    Parameters
    ----------
    path : Path
        The folder or its `model_config.yml`. Post-norm models (0.2.3) are told by their lack of a final norm.

    Raises
    ------
    InputError
        When a file is absent or damaged, the backbone is no transformer, or one weight is missing, unexpected or of
        another shape than the configuration says.
    """
    folder = path.parent if path.suffix in {".yml", ".yaml"} else path
    file = folder / "model_config.yml"
    config = read_yaml(file)
    if not isinstance(config, dict):
        raise InputError(file, "is no mapping of keys to values", "export the model again")
    weights = _weights_file(folder)
    state = _modern(read_state(weights))
    nested = isinstance(config.get("backbone"), dict)
    if nested:
        if config["backbone"].get("type", "transformer") != "transformer":
            raise InputError(file, f"has a {config['backbone']['type']} backbone", "only transformers are interchanged")
        sizes = _expect(file, config["backbone"], NESTED)
        # An embedder lists its own head, which has no parameters and no classes.
        told = {name: head.get("num_classes") for name, head in (config.get("out_heads") or {}).items()}
    else:
        sizes, told = _expect(file, config, FLAT), dict(config.get("out_dim") or {})
    outputs = {OLD_NAMES.get(name, name): int(size) for name, size in told.items() if size is not None}
    features, width, hidden, length, n_heads, layers = sizes
    shape = {"type": "transformer", "embedding_dim": width, "hidden_dim": hidden, "max_length": length}
    shape |= {"num_heads": n_heads, "num_layers": layers}
    shape["norm"] = "pre" if "backbone.layer_norm.weight" in state else "post"
    backbone = validate(BackboneOptions, shape, where=str(file))
    state = fit_positions(state, length)
    _check(weights, state, features, backbone, outputs)
    return OriginalModel(
        backbone=backbone,
        features=features,
        outputs=outputs,
        window_size=config.get("window_size"),
        window_offset=config.get("window_offset"),
        input_features=config.get("input_features") or {},
        layout="newest" if nested else "seed",
        state=state,
    )


def fit_positions(state: Mapping[str, Tensor], length: int) -> dict[str, Tensor]:
    """Cut the table of positions to `length` rows: version 0.3.0 carries twice the window, half of it never trained."""
    table = state.get(POSITIONS)
    if table is None or len(table) <= length:
        return dict(state)
    return {**state, POSITIONS: table[:length].clone()}


def _check(
    path: Path, state: Mapping[str, Tensor], features: int, backbone: BackboneOptions, outputs: Mapping[str, int]
) -> None:
    """Refuse a weight that is missing, unexpected, or of another shape than the configuration says."""
    model = TransformerBackbone(features, backbone)
    wanted = {f"backbone.{name}": tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    width, hidden = backbone.embedding_dim or 0, backbone.hidden_dim or 0
    for name, size in outputs.items():
        head = f"task_heads.{name}.logits"
        if f"{head}.weight" in state:
            wanted |= {f"{head}.weight": (size, width), f"{head}.bias": (size,)}
        else:
            wanted |= {f"{head}.linear1.weight": (hidden, width), f"{head}.linear1.bias": (hidden,)}
            wanted |= {f"{head}.linear2.weight": (size, hidden), f"{head}.linear2.bias": (size,)}
    compare_state(path, wanted, {name: tuple(tensor.shape) for name, tensor in state.items()})


def compare_state(path: Path, wanted: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]) -> None:
    """Raise an InputError that names every difference of two tables of names and shapes, if there is one."""
    problems = [f"{name} is missing" for name in wanted if name not in found]
    problems += [f"{name} is unexpected" for name in found if name not in wanted]
    problems += [
        f"{name} has the shape {found[name]}, not {shape}"
        for name, shape in wanted.items()
        if name in found and found[name] != shape
    ]
    if problems:
        shown = "; ".join(problems[:6]) + (f"; and {len(problems) - 6} more" if len(problems) > 6 else "")
        raise InputError(path, shown, "use weights of the model the configuration describes")


def load_backbone(model: Lisbet, path: Path) -> None:
    """Load the backbone of a run (`*.safetensors`), of an original model folder, or of an original `.pt`, strictly.

    Positions are cut to the model's table; heads are left as they are.

    Raises
    ------
    InputError
        When the file is absent, damaged, or holds another backbone.
    """
    if path.suffix == ".safetensors":
        state = load_weights(path)
    elif path.suffix == ".pt":
        state = read_state(path)
    else:
        state = read_original(path).state
    found = {name: tensor for name, tensor in state.items() if name.startswith("backbone.")}
    found = fit_positions(found, model.config.backbone.max_length or 0)
    wanted = {f"backbone.{name}": tuple(value.shape) for name, value in model.backbone.state_dict().items()}
    compare_state(path, wanted, {name: tuple(tensor.shape) for name, tensor in found.items()})
    model.backbone.load_state_dict({name.removeprefix("backbone."): tensor for name, tensor in found.items()})


def config_of(original: OriginalModel, *, window_size: int | None = None, **options: Any) -> Config:
    """Return the options under which :class:`.model.Lisbet` computes what the original model does.

    Parameters
    ----------
    original : OriginalModel
    window_size : int, optional
        For embedders that do not say; default half of a 0.3.0 position table.
    **options
        Further options (normalise, seed …).
    """
    length = original.backbone.max_length or 0
    size = original.window_size or window_size or (length // 2 if original.layout == "seed" else length)
    tasks = [task.split("_")[0] for task in original.outputs] or ["order"]
    told = {
        "mode": "faithful",
        "tasks": tasks,
        "backbone": original.backbone.model_dump(),
        "window_size": size,
        "window_offset": original.window_offset or 0,
    }
    return validate(Config, told | options, where="original model")
