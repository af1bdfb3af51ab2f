"""Read the original program's model folders, `model_config.yml` and `weights/*.pt`, keys strict."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.core.files import read_yaml
from workflow_scripts.core.validation import validate
from workflow_scripts.methods.lisbet.config import MODES, OLD_NAMES, BackboneOptions, Config
from workflow_scripts.methods.lisbet.network import TransformerBackbone
from workflow_scripts.training.weights import load_weights

if TYPE_CHECKING:
    from workflow_scripts.methods.lisbet.module import Lisbet
    from workflow_scripts.views.tracks import DataSpec

POSITIONS = "backbone.pos_embedder.pos_emb"
WRAPPER = "_orig_mod."
"""torch.compile writes it into the names; the original then silently loads nothing."""
NEW_NAMES = {new: old for old, new in OLD_NAMES.items()}
Layouts = Literal["seed", "0.3.1", "newest"]
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
    window_size : int or None
        From `window_size`, else from the position table: half of it in versions 0.2.3 and 0.3.0, all of it since
        0.3.1; None where the table has an odd number of rows and so tells nothing.
    window_offset : int
        From `window_offset`, else from `output_token_idx`.
    input_features : dict
        Names and order of individuals, keypoints and space, where the folder says (0.3.1 and later).
    layout : {"seed", "0.3.1", "newest"}
        ``seed`` is 0.2.3 and 0.3.0, ``0.3.1`` also 0.3.2, ``newest`` 0.4 and main.
    state : dict of str to Tensor
        By the names of :class:`.model.Lisbet`.
    """

    backbone: BackboneOptions
    features: int
    outputs: dict[str, int]
    window_size: int | None
    window_offset: int
    input_features: dict[str, Any]
    layout: Layouts
    state: dict[str, Tensor]


def weights_file(folder: Path) -> Path:
    """Return the weights of an original model folder: `weights_last.pt`, or its only `.pt` file."""
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
        The folder or its `model_config.yml`. Post-norm models (0.2.3) are given by their lack of a final norm.

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
    weights = weights_file(folder)
    state = _modern(read_state(weights))
    nested = isinstance(config.get("backbone"), dict)
    if nested:
        if config["backbone"].get("type", "transformer") != "transformer":
            raise InputError(file, f"has a {config['backbone']['type']} backbone", "only transformers are interchanged")
        sizes = _expect(file, config["backbone"], NESTED)
        # An embedder lists its own head, which has no parameters and no classes.
        stated = {name: head.get("num_classes") for name, head in (config.get("out_heads") or {}).items()}
    else:
        sizes, stated = _expect(file, config, FLAT), dict(config.get("out_dim") or {})
    outputs = {OLD_NAMES.get(name, name): int(size) for name, size in stated.items() if size is not None}
    features, width, hidden, length, n_heads, layers = sizes
    layout = _layout(config)
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
        window_size=_window_size(file, config, length, layout),
        window_offset=_window_offset(file, config),
        input_features=config.get("input_features") or {},
        layout=layout,
        state=state,
    )


def _layout(config: Mapping[str, Any]) -> Layouts:
    """Tell the version: 0.3.1 kept the flat keys, renamed the tasks and began to name the input's columns."""
    if isinstance(config.get("backbone"), dict):
        return "newest"
    renamed = set(config.get("out_dim") or {}) & set(NEW_NAMES)
    return "0.3.1" if config.get("input_features") or renamed else "seed"


def _whole(file: Path, config: Mapping[str, Any], key: str) -> int | None:
    value = config.get(key)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise InputError(file, f"{key} is {value!r}, expected a whole number", "export the model again")
    return value


def _window_size(file: Path, config: Mapping[str, Any], length: int, layout: Layouts) -> int | None:
    stated = _whole(file, config, "window_size")
    if stated is not None:
        return stated
    if layout != "seed":
        return length
    return None if length % 2 else length // 2


def _window_offset(file: Path, config: Mapping[str, Any]) -> int:
    """Read frames after the target frame; `output_token_idx` counts the target's token from the end."""
    stated = _whole(file, config, "window_offset")
    heads = config.get("out_heads") or {}
    places = [config, *(head for head in heads.values() if isinstance(head, dict))]
    tokens = {_whole(file, place, "output_token_idx") for place in places} - {None}
    by_token = {-(token + 1) for token in tokens if token is not None}
    found = by_token | ({stated} if stated is not None else set())
    if len(found) > 1 or min(found, default=0) < 0:
        raise InputError(
            file,
            f"window_offset {stated} and output_token_idx {sorted(token for token in tokens if token is not None)} "
            "name different target frames",
            "expected output_token_idx = -(window_offset + 1); correct the wrong one",
        )
    return found.pop() if found else 0


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
        When the file is absent, damaged, or holds another backbone, or one that reads other inputs: another order of
        keypoints, or coordinates laid out or scaled in another way.
    """
    if path.suffix == ".safetensors":
        state = load_weights(path)
        _check_run_inputs(model, path)
    else:
        _check_original_inputs(model, path)
        if path.suffix == ".pt":
            state = read_state(path)
            config = path.parent.parent / "model_config.yml"
            features = (read_yaml(config) or {}).get("input_features") if config.is_file() else None
        else:
            original = read_original(path)
            state, features = original.state, original.input_features
        check_features(model.spec, features or {}, path)
    found = {name: tensor for name, tensor in state.items() if name.startswith("backbone.")}
    found = fit_positions(found, model.config.backbone.max_length or 0)
    wanted = {f"backbone.{name}": tuple(value.shape) for name, value in model.backbone.state_dict().items()}
    compare_state(path, wanted, {name: tuple(tensor.shape) for name, tensor in found.items()})
    model.backbone.load_state_dict({name.removeprefix("backbone."): tensor for name, tensor in found.items()})


def check_features(spec: DataSpec, features: Mapping[str, Any], path: Path) -> None:
    """Refuse a model whose columns are not the data's; what `features` leaves out is not compared.

    Raises
    ------
    InputError
        When keypoints or axes differ in name or order, or individuals in number or, under the same names, in order.
    """
    mine = {
        "keypoints": list(spec.keypoints),
        "space": list("xyz"[: spec.space]),
        "individuals": list(spec.individuals),
    }
    for name, here in mine.items():
        there = [str(value) for value in features.get(name) or here]
        same = there == here
        if name == "individuals" and not same:
            # Animals of two datasets have different names; their number and, under the same names, order must agree.
            same = len(there) == len(here) and set(there) != set(here)
        if not same:
            raise InputError(
                path,
                f"was trained on the {name} {', '.join(there)}, the data have {', '.join(here)}",
                f"name and order the {name} of the card as the model has them",
            )


READS = ("normalise", "frame", "seen", "quantities")
"""Options that decide what a backbone reads."""


def _check_original_inputs(model: Lisbet, path: Path) -> None:
    config = model.config
    if config.seen or config.quantities != "none" or config.frame != "arena" or config.normalise == "body":
        raise InputError(
            path,
            "is an original backbone, which reads coordinates as filmed, divided to the range 0 to 1",
            "set normalise: original, frame: arena, seen: false and quantities: none, or use mode: faithful",
        )


def _check_run_inputs(model: Lisbet, path: Path) -> None:
    """Compare with the run's `hparams.yaml`, or the embedder's `config.yaml`, where it is beside the weights."""
    beside = [path.parent / name for name in ("hparams.yaml", "config.yaml") if (path.parent / name).is_file()]
    stated = read_yaml(beside[0]) if beside else {}
    if not isinstance(stated, dict) or not isinstance(stated.get("spec"), dict):
        return
    check_features(model.spec, {key: stated["spec"].get(key) for key in ("keypoints", "individuals")}, path)
    options = stated.get("options") or {}
    by_mode = MODES.get(options.get("mode", "sound"), {})
    for name in READS:
        there = by_mode.get(name) if options.get(name) is None else options[name]
        here = getattr(model.config, name)
        if name in options and there != here:
            raise InputError(
                path, f"was trained with {name}: {there}, this run has {name}: {here}", f"set {name}: {there}"
            )


def config_of(original: OriginalModel, *, window_size: int | None = None, **options: Any) -> Config:
    """Return the options under which :class:`.model.Lisbet` computes what the original model does.

    Parameters
    ----------
    original : OriginalModel
    window_size : int, optional
        For folders that do not say, and whose position table does not tell.
    **options
        Further options (normalise, seed …).

    Raises
    ------
    ConfigError
        When the window's size is neither in the folder nor given.
    """
    size = original.window_size or window_size
    if size is None:
        raise ConfigError("The original model states no window_size, and its position table does not tell; give it.")
    stated = {
        "mode": "faithful",
        "tasks": list(dict.fromkeys(task.split("_")[0] for task in original.outputs)),
        "backbone": original.backbone.model_dump(),
        "head_type": "linear" if any(name.endswith(".logits.weight") for name in original.state) else "mlp",
        "window_size": size,
        "window_offset": original.window_offset,
        # Since 0.3.1 a missing point is 0 before coordinates are scaled; before, it was interpolated.
        "fill": "interpolate" if original.layout == "seed" else "zero",
    }
    return validate(Config, stated | options, where="original model")
