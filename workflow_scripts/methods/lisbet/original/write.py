"""Write folders that the original program reads: models (:mod:`.interchange` reads them too) and embeddings."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any, Literal

import pandas as pd
import torch
import yaml
from torch import Tensor

from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.core.files import atomic_path, write_text
from workflow_scripts.core.names import slugify
from workflow_scripts.core.tables import write_csv
from workflow_scripts.formats.embeddings import open_embeddings
from workflow_scripts.methods.lisbet.module import Lisbet
from workflow_scripts.methods.lisbet.original.read import FLAT, NESTED, NEW_NAMES, POSITIONS
from workflow_scripts.views.tracks import DataSpec

WriteLayout = Literal["0.2.3", "seed", "newest"]


def _resize(table: Tensor, rows: int) -> Tensor:
    """Cut a position table, or add rows of zeros, which no window reaches."""
    return torch.cat([table[:rows], table.new_zeros(max(0, rows - len(table)), table.shape[1])])


def _flat_config(model: Lisbet, *, embedder: bool) -> dict[str, Any]:
    shape = model.config.backbone
    # 0.2.3 and 0.3.0 always have a table of twice the window, and an embedder's window is given by it alone.
    length = 2 * model.config.window_size
    sizes = (model.layout.features, shape.embedding_dim, shape.hidden_dim, length, shape.num_heads)
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


def write_original(model: Lisbet, folder: Path, *, layout: WriteLayout = "seed", embedder: bool = False) -> None:
    """Write a model folder that the original program loads.

    Parameters
    ----------
    model : Lisbet
    folder : Path
        Its name becomes the model's id. Gets `model_config.yml` and `weights/weights_last.pt`.
    layout : {"0.2.3", "seed", "newest"}
        Version 0.2.3 (norm: post), 0.3.0, or 0.4 and main (both norm: pre).
    embedder : bool
        Leave the heads out.

    Raises
    ------
    EthoMakeError
        When that version has no such model: another backbone, norm, input columns or heads. It would load another norm
        without a word and compute something else.
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
    wanted = "post" if layout == "0.2.3" else "pre"
    if model.config.backbone.norm != wanted:
        version = {"seed": "0.3.0", "newest": "0.4 and later"}.get(layout, layout)
        raise EthoMakeError(
            f"Version {version} computes with backbone.norm: {wanted}, and this model has norm: "
            f"{model.config.backbone.norm}; write the layout {'seed or newest' if wanted == 'post' else '0.2.3'}."
        )
    flat = layout != "newest"
    if flat and model.config.head_type == "linear" and not embedder:
        raise EthoMakeError("Versions 0.2.3 and 0.3.0 have no linear heads; write the layout newest.")
    if not embedder and any(head.kind == "geom" for head in model.heads):
        raise EthoMakeError("The contrastive head is not interchanged; write the embedder alone.")
    state = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
    if embedder:
        state = {name: tensor for name, tensor in state.items() if name.startswith("backbone.")}
    elif flat:
        for head in model.heads:
            old = f"task_heads.{NEW_NAMES.get(head.name, head.name)}."
            new = f"task_heads.{head.name}."
            state = {name.replace(new, old) if name.startswith(new) else name: value for name, value in state.items()}
    if flat:
        state[POSITIONS] = _resize(state[POSITIONS], 2 * model.config.window_size)
        config = _flat_config(model, embedder=embedder)
    else:
        config = _nested_config(model, folder.name, model.spec, embedder=embedder)
    with atomic_path(folder / "weights" / "weights_last.pt") as part:
        torch.save(state, part)
    write_text(folder / "model_config.yml", yaml.safe_dump(config, sort_keys=True))


def export_folders(
    model: Lisbet,
    run: Path,
    output: Path,
    *,
    run_id: str | None = None,
    layout: WriteLayout | None = None,
    embedder: bool = False,
) -> list[Path]:
    """Write a run where the original program looks for its own.

    Parameters
    ----------
    model : Lisbet
        The run's.
    run : Path
        Its folder; `training_history.log` and `embeddings.h5` are taken from there, if there are any.
    output : Path
        Gets `models/<run_id>/`, `models/<run_id>-embedder/` and `embeddings/<recording>/features_lisbet_embedding.csv`.
    run_id : str, optional
        Name of the model; default ``lisbet-`` and the last parts of the run's path.
    layout : {"0.2.3", "seed", "newest"}, optional
        See :func:`write_original`; default the version that the run's norm belongs to, 0.2.3 or 0.3.0.
    embedder : bool
        Leave the folder with the heads out.

    Returns
    -------
    list of Path
        Files written.

    Raises
    ------
    EthoMakeError
        When that version has no such model, or a recording's id is no path below a folder.
    """
    chosen: WriteLayout = layout or ("0.2.3" if model.config.backbone.norm == "post" else "seed")
    name = run_id or slugify("-".join(["lisbet", *run.resolve().parts[-2:]]))
    whole, bare = output / "models" / name, output / "models" / f"{name}-embedder"
    written = []
    write_original(model, bare, layout=chosen, embedder=True)
    folders = [bare]
    if model.heads and not embedder:
        write_original(model, whole, layout=chosen)
        folders.append(whole)
        history = run / "training_history.log"
        if history.is_file():
            write_text(whole / history.name, history.read_text(encoding="utf-8"))
            written.append(whole / history.name)
    for folder in folders:
        written += [folder / "model_config.yml", folder / "weights" / "weights_last.pt"]
    if (run / "embeddings.h5").is_file() and model.config.embedding == "token":
        with open_embeddings(run / "embeddings.h5") as reader:
            for identifier in reader.ids:
                place = PurePosixPath(identifier)
                if place.is_absolute() or ".." in place.parts:
                    raise EthoMakeError(f"The recording {identifier!r} cannot name a folder; rename it in the card.")
                path = output / "embeddings" / place / "features_lisbet_embedding.csv"
                write_csv(path, pd.DataFrame(reader.read(identifier)), index=True)
                written.append(path)
    return written
