"""Write model folders that the original program loads (:mod:`.interchange` reads them)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
import yaml

from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.core.files import atomic_path, write_text
from workflow_scripts.methods.lisbet.module import Lisbet
from workflow_scripts.methods.lisbet.original.read import FLAT, NESTED, NEW_NAMES
from workflow_scripts.views.tracks import DataSpec


def _flat_config(model: Lisbet, *, embedder: bool) -> dict[str, Any]:
    shape = model.config.backbone
    sizes = (model.layout.features, shape.embedding_dim, shape.hidden_dim, shape.max_length, shape.num_heads)
    config: dict[str, Any] = dict(zip(FLAT, (*sizes, shape.num_layers), strict=True))
    config["output_token_idx"] = model.target_token
    if not embedder:
        config |= {"window_size": model.config.window_size, "window_offset": model.config.window_offset}
        config["out_dim"] = {NEW_NAMES.get(head.name, head.name): head.outputs for head in model.heads}
    return config


def _nested_config(model: Lisbet, model_id: str, spec: DataSpec, *, embedder: bool) -> dict[str, Any]:
    shape = model.config.backbone
    hidden = shape.hidden_dim if model.config.head_type == "mlp" else None
    out: dict[str, dict[str, Any]] = {}
    for head in model.heads:
        token = {"output_token_idx": model.target_token} if head.labels else {}
        out[head.name] = {**token, "input_dim": shape.embedding_dim, "num_classes": head.outputs, "hidden_dim": hidden}
    sizes = (model.layout.features, shape.embedding_dim, shape.hidden_dim, shape.max_length, shape.num_heads)
    return {
        "backbone": {"type": "transformer", **dict(zip(NESTED, (*sizes, shape.num_layers), strict=True))},
        "input_features": {
            "individuals": list(spec.individuals),
            "keypoints": list(spec.keypoints),
            "space": list("xyz"[: spec.space]),
        },
        "model_id": model_id,
        "out_heads": {"embedding": {"output_token_idx": model.target_token}} if embedder else out,
        "window_offset": model.config.window_offset,
        "window_size": model.config.window_size,
    }


def write_original(
    model: Lisbet, folder: Path, *, layout: Literal["seed", "newest"] = "seed", embedder: bool = False
) -> None:
    """Write a model folder that the original program loads.

    Parameters
    ----------
    model : Lisbet
    folder : Path
        Its name becomes the model's id. Gets `model_config.yml` and `weights/weights_last.pt`.
    layout : {"seed", "newest"}
        Version 0.3.0, or 0.4.
    embedder : bool
        Leave the heads out.

    Raises
    ------
    EthoMakeError
        When the original has no such model: another backbone, input columns or heads.
    """
    if model.config.backbone.type != "transformer":
        raise EthoMakeError("Only transformer backbones are interchanged with the original program.")
    if (
        model.config.seen
        or model.layout.quantities
        or model.config.frame != "arena"
        or model.config.normalise == "body"
    ):
        raise EthoMakeError(
            "The original program cannot compute this model's input; "
            "train with mode: faithful (seen: false, frame: arena, normalise: original) to interchange it."
        )
    if model.config.supervised and model.config.head_input != "token" and not embedder:
        raise EthoMakeError("The original's heads see the target frame alone; train with head_input: token.")
    if layout == "seed" and model.config.head_type == "linear" and not embedder:
        raise EthoMakeError("Version 0.3.0 has no linear heads; write layout newest.")
    if not embedder and any(head.kind == "geom" for head in model.heads):
        raise EthoMakeError("The contrastive head is not interchanged; write the embedder alone.")
    state = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
    if embedder:
        state = {name: tensor for name, tensor in state.items() if name.startswith("backbone.")}
    elif layout == "seed":
        for head in model.heads:
            old = f"task_heads.{NEW_NAMES.get(head.name, head.name)}."
            new = f"task_heads.{head.name}."
            state = {name.replace(new, old) if name.startswith(new) else name: value for name, value in state.items()}
    if layout == "seed":
        config = _flat_config(model, embedder=embedder)
    else:
        config = _nested_config(model, folder.name, model.spec, embedder=embedder)
    with atomic_path(folder / "weights" / "weights_last.pt") as part:
        torch.save(state, part)
    write_text(folder / "model_config.yml", yaml.safe_dump(config, sort_keys=True))
