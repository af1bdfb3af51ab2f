"""Import of MVD's and VideoMAE's checkpoints: plain tensors alone, every missing or unexpected name an error."""

from __future__ import annotations

import argparse
import logging
import pickle
import re
from collections.abc import Mapping
from pathlib import Path, PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from typing import Any

import torch
from torch import Tensor

from workflow_scripts.core.errors import InputError
from workflow_scripts.methods.mvd.network import VideoTransformer
from workflow_scripts.training.weights import load_weights

log = logging.getLogger("ethomake.mvd")

CONTAINERS = ("model", "module", "state_dict")
"""Where a checkpoint keeps its weights: MVD and VideoMAE, DeepSpeed, others."""

HUGGING_FACE = (
    (r"^videomae\.", ""),
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^encoder\.layer\.(\d+)\.attention\.output\.dense\.", r"blocks.\1.attn.proj."),
    (r"^encoder\.layer\.(\d+)\.attention\.attention\.q_bias$", r"blocks.\1.attn.q_bias"),
    (r"^encoder\.layer\.(\d+)\.attention\.attention\.v_bias$", r"blocks.\1.attn.v_bias"),
    (r"^encoder\.layer\.(\d+)\.attention\.attention\.query\.bias$", r"blocks.\1.attn.q_bias"),
    (r"^encoder\.layer\.(\d+)\.attention\.attention\.value\.bias$", r"blocks.\1.attn.v_bias"),
    (r"^encoder\.layer\.(\d+)\.layernorm_before\.", r"blocks.\1.norm1."),
    (r"^encoder\.layer\.(\d+)\.layernorm_after\.", r"blocks.\1.norm2."),
    (r"^encoder\.layer\.(\d+)\.intermediate\.dense\.", r"blocks.\1.mlp.fc1."),
    (r"^encoder\.layer\.(\d+)\.output\.dense\.", r"blocks.\1.mlp.fc2."),
    (r"^classifier\.", "head."),
    (r"^layernorm\.", "norm."),
    (r"^embeddings\.position_embeddings$", "pos_embed"),
)
"""Names of VideoMAE in transformers → those of MVD."""

JOINT = re.compile(r"^encoder\.layer\.(\d+)\.attention\.attention\.(query|key|value)\.weight$")

PATHS = (PurePosixPath, PureWindowsPath, PosixPath, WindowsPath)
"""Paths in the command line that some training kept in its checkpoints: plain text, which opens nothing."""

PREFIX = re.compile(r"^(?:module\.|backbone\.|encoder\.)+")

PRETRAINING = re.compile(
    r"^(pos_embed(_img|_vid)?|norm\.(weight|bias)|mask_token(_img|_vid)?|down_(img|vid)\..+"
    r"|decoder(_img|_vid)?\..+|encoder_to_decoder\..+)$"
)
"""Parts that a classifier leaves behind: the decoders, their inputs, and the fixed tables."""


def read_file(path: str | Path) -> dict[str, Any]:
    """Read a torch file of tensors and plain values, or safetensors; no code in it is run.

    The published files also hold the command line they were made with, an `argparse.Namespace`, at times with paths in
    it: bare containers, which are let through.

    Raises
    ------
    InputError
        When the file is absent, damaged, or holds anything else.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        return dict(load_weights(path))
    try:
        # Paths moved to a module of their own in Python 3.13, and back in 3.14.
        moved = [(kind, f"{module}.{kind.__name__}") for kind in PATHS for module in ("pathlib", "pathlib._local")]
        with torch.serialization.safe_globals([argparse.Namespace, *moved]):
            found = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputError(path, "the file does not exist", "check the path") from error
    except (RuntimeError, EOFError, ValueError, KeyError, NotImplementedError, pickle.UnpicklingError) as error:
        raise InputError(
            path, "is no torch file of plain tensors", "download it again, or save its state dict alone"
        ) from error
    if not isinstance(found, dict):
        raise InputError(path, f"holds a {type(found).__name__}, not tensors by name", "save the state dict alone")
    return found


def read_state(path: str | Path) -> dict[str, Tensor]:
    """Read a checkpoint's weights by MVD's names, those of pre-training left behind.

    MVD's and VideoMAE's own files are read, VideoMAE of transformers, and weights of runs of our own.

    Returns
    -------
    dict of str to Tensor
        `patch_embed.*`, `blocks.*` and, of a fine-tuned model, `fc_norm.*` and `head.*`.

    Raises
    ------
    InputError
        When the file cannot be read or holds no such weights.
    """
    found = read_file(path)
    inner = next((found[key] for key in CONTAINERS if isinstance(found.get(key), Mapping)), found)
    if "network.patch_embed.proj.weight" in inner:  # a run of our own
        chosen = "average." if "average.patch_embed.proj.weight" in inner else "network."
        state = {name.removeprefix(chosen): value for name, value in inner.items() if name.startswith(chosen)}
    elif any("patch_embeddings.projection" in name for name in inner):
        state = from_hugging_face(inner)
    else:
        state = {PREFIX.sub("", name): value for name, value in inner.items()}
    state = {name: value for name, value in state.items() if not PRETRAINING.match(name)}
    if "patch_embed.proj.weight" not in state or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(
            path, "holds no weights of a video transformer (patch_embed.proj.weight)", "give an MVD or VideoMAE file"
        )
    return state


def from_hugging_face(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Rename the tensors of VideoMAE in transformers, and join its query, key and value matrices."""
    found: dict[str, Tensor] = {}
    parts: dict[str, dict[str, Tensor]] = {}
    for old, value in state.items():
        name = old.removeprefix("videomae.")
        if joint := JOINT.match(name):
            parts.setdefault(joint[1], {})[joint[2]] = value
            continue
        for pattern, new in HUGGING_FACE:
            name = re.sub(pattern, new, name)
        found[name] = value
    for layer, three in parts.items():
        if len(three) == 3:
            found[f"blocks.{layer}.attn.qkv.weight"] = torch.cat([three[key] for key in ("query", "key", "value")])
    # Its keys have no bias: one that is stored is zero.
    return {name: value for name, value in found.items() if not name.endswith("attention.key.bias")}


def compare(path: str | Path, wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    """Raise an InputError that names the differences of two state dicts, if there is one."""
    problems = [f"{name} is missing" for name in wanted if name not in found]
    problems += [f"{name} is unexpected" for name in found if name not in wanted]
    problems += [
        f"{name} has the shape {tuple(found[name].shape)}, not {tuple(wanted[name].shape)}"
        for name in wanted
        if name in found and found[name].shape != wanted[name].shape
    ]
    if problems:
        more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise InputError(
            path, "; ".join(problems[:3]) + more, "choose the size, patch and tubelet the weights were trained with"
        )


def load_network(network: VideoTransformer, path: str | Path) -> None:
    """Load a checkpoint into a network, strictly.

    A pre-trained file leaves `fc_norm` and `head` as they are; a fine-tuned one of another number of classes leaves
    the head. A network with a channel of motion starts blind to it.

    Raises
    ------
    InputError
        When the file is of another size, or a weight is missing or unexpected: one sentence.
    """
    state = read_state(path)
    wanted = dict(network.state_dict())
    patches, mine = state["patch_embed.proj.weight"], wanted["patch_embed.proj.weight"]
    if patches.ndim == 5 and patches.shape[1] == 3 and mine.shape[1] == 4:
        state["patch_embed.proj.weight"] = torch.cat([patches, torch.zeros_like(patches[:, :1])], dim=1)
    fresh: list[str] = []
    if "head.weight" not in state:
        fresh = [name for name in wanted if name.startswith(("fc_norm.", "head."))]
    elif "head.weight" in wanted and len(state["head.weight"]) != len(wanted["head.weight"]):
        fresh = ["head.weight", "head.bias"]
        state = {name: tensor for name, tensor in state.items() if name not in fresh}
    compare(path, {name: tensor for name, tensor in wanted.items() if name not in fresh}, state)
    network.load_state_dict(state, strict=not fresh)
    log.info("loaded %s; started fresh: %s", path, ", ".join(fresh) or "nothing")
