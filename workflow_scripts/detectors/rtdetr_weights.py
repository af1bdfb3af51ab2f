"""RT-DETRv2 built from a size, and the original project's checkpoints read into it.

Names follow lyuwenyu/RT-DETR (Apache-2.0) on one side and transformers 5 on the other. Every tensor without a place,
and every place without a tensor, is an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers.models.rt_detr.configuration_rt_detr_resnet import RTDetrResNetConfig
from transformers.models.rt_detr_v2.configuration_rt_detr_v2 import RTDetrV2Config
from transformers.models.rt_detr_v2.modeling_rt_detr_v2 import RTDetrV2ForObjectDetection

from workflow_scripts.core.errors import InputError

Size: TypeAlias = Literal["tiny", "r18", "r34", "r50m", "r50", "r101"]
Sampling: TypeAlias = Literal["default", "discrete"]
Weights: TypeAlias = dict[str, torch.Tensor]

SMALL = {"hidden_sizes": [64, 128, 256, 512], "layer_type": "basic"}
LARGE = {"hidden_sizes": [256, 512, 1024, 2048], "layer_type": "bottleneck"}
BACKBONES: dict[str, dict[str, Any]] = {
    "tiny": {"hidden_sizes": [16, 32, 48, 64], "layer_type": "basic", "depths": [1, 1, 1, 1], "embedding_size": 16},
    "r18": SMALL | {"depths": [2, 2, 2, 2]},
    "r34": SMALL | {"depths": [3, 4, 6, 3]},
    "r50m": LARGE | {"depths": [3, 4, 6, 3]},
    "r50": LARGE | {"depths": [3, 4, 6, 3]},
    "r101": LARGE | {"depths": [3, 4, 23, 3]},
}
HEADS: dict[str, dict[str, Any]] = {
    "tiny": {
        "encoder_hidden_dim": 64,
        "encoder_ffn_dim": 128,
        "encoder_attention_heads": 4,
        "hidden_expansion": 0.5,
        "d_model": 64,
        "decoder_in_channels": [64, 64, 64],
        "decoder_layers": 2,
        "decoder_ffn_dim": 128,
        "decoder_attention_heads": 4,
        "num_queries": 30,
        "num_denoising": 20,
        "freeze_backbone_batch_norms": False,  # they have never seen a picture
    },
    "r18": {"hidden_expansion": 0.5, "decoder_layers": 3},
    "r34": {"hidden_expansion": 0.5, "decoder_layers": 4},
    "r50m": {"hidden_expansion": 0.5},
    "r50": {},
    "r101": {"encoder_hidden_dim": 384, "encoder_ffn_dim": 2048, "decoder_in_channels": [384, 384, 384]},
}


def build(size: Size, classes: int = 1, sampling: Sampling = "default") -> Any:
    """Return an untrained network of one of the published sizes (or a tiny one for tests).

    Parameters
    ----------
    size : str
    classes : int
        Number of classes of objects.
    sampling : {"default", "discrete"}
        How the decoder samples the picture; `discrete` in the published files whose names hold `dsp`.
    """
    options: dict[str, Any] = {"embedding_size": 64, **BACKBONES[size], "out_features": ["stage2", "stage3", "stage4"]}
    backbone = RTDetrResNetConfig(**options)
    options = {"backbone_config": backbone, "encoder_in_channels": options["hidden_sizes"][1:], "num_labels": classes}
    config = RTDetrV2Config(**options, **HEADS[size], decoder_method=sampling)
    return RTDetrV2ForObjectDetection(config)


_LAYER = [
    (r"\.linear([12])\.", r".mlp.fc\1."),
    (r"\.self_attn\.out_proj\.", ".self_attn.o_proj."),
]
_RENAMED = [
    *((rf"^backbone\.conv1\.conv1_{k + 1}\.", f"model.backbone.model.embedder.embedder.{k}.") for k in range(3)),
    (r"^backbone\.res_layers\.(\d+)\.blocks\.(\d+)\.", r"model.backbone.model.encoder.stages.\1.layers.\2."),
    (r"^encoder\.input_proj\.(\d)\.conv\.", r"model.encoder_input_proj.\1.0."),
    (r"^encoder\.input_proj\.(\d)\.norm\.", r"model.encoder_input_proj.\1.1."),
    (r"^encoder\.encoder\.(\d+)\.layers\.", r"model.encoder.aifi.\1.layers."),
    (r"^encoder\.", "model.encoder."),
    (r"^decoder\.input_proj\.(\d)\.conv\.", r"model.decoder_input_proj.\1.0."),
    (r"^decoder\.input_proj\.(\d)\.norm\.", r"model.decoder_input_proj.\1.1."),
    (r"^decoder\.decoder\.layers\.", "model.decoder.layers."),
    (r"^decoder\.enc_output\.proj\.", "model.enc_output.0."),
    (r"^decoder\.enc_output\.norm\.", "model.enc_output.1."),
    (r"^decoder\.query_pos_head\.", "model.decoder.query_pos_head."),
    (r"^decoder\.dec_score_head\.", "class_embed."),
    (r"^decoder\.dec_bbox_head\.", "bbox_embed."),
    (r"^decoder\.(denoising_class_embed|enc_score_head|enc_bbox_head)\.", r"model.\1."),
]
IGNORED = ("decoder.anchors", "decoder.valid_mask")


def _rename(name: str) -> str:
    for pattern, new in _RENAMED:
        changed = re.sub(pattern, new, name)
        if changed != name:
            name = changed
            break
    if name.startswith("model.backbone"):
        for letter, place in (("a", "0"), ("b", "1"), ("c", "2")):
            name = name.replace(f".branch2{letter}.", f".layer.{place}.")
        # The first stage keeps its size: its short cut is a convolution alone, the others' follows a pooling.
        name = (
            name.replace(".short.", ".shortcut.")
            if ".stages.0." in name
            else name.replace(".short.conv.", ".shortcut.1.")
        )
        name = re.sub(r"(embedder\.\d|layer\.\d|shortcut(?:\.1)?)\.conv\.", r"\1.convolution.", name)
        name = re.sub(r"(embedder\.\d|layer\.\d|shortcut(?:\.1)?)\.norm\.", r"\1.normalization.", name)
    if ".aifi." in name or ".decoder.layers." in name:
        for pattern, new in _LAYER:
            name = re.sub(pattern, new, name)
        norms = ["self_attn_layer_norm", "final_layer_norm"]
        if ".decoder.layers." in name:
            norms.insert(1, "encoder_attn_layer_norm")
            name = name.replace(".cross_attn.", ".encoder_attn.").replace("num_points_scale", "n_points_scale")
        for number, norm in enumerate(norms, start=1):
            name = name.replace(f".norm{number}.", f".{norm}.")
    return name


def from_original(state: Mapping[str, torch.Tensor]) -> Weights:
    """Rename the original project's tensors, and split its joint query, key and value matrices.

    Parameters
    ----------
    state : mapping of str to Tensor

    Returns
    -------
    dict of str to Tensor
    """
    found: Weights = {}
    for old, tensor in state.items():
        if old in IGNORED or old.endswith("num_batches_tracked"):
            continue
        name = _rename(old)
        joint = re.match(r"(.*\.self_attn)\.in_proj_(weight|bias)$", name)
        if joint:
            for part, third in zip("qkv", tensor.chunk(3), strict=True):
                found[f"{joint[1]}.{part}_proj.{joint[2]}"] = third.clone()
        else:
            found[name] = tensor
        if name.startswith(("class_embed.", "bbox_embed.")):
            found[f"model.decoder.{name}"] = tensor  # one module under two names
    return found


def read_state(path: Path) -> Weights:
    """Read an original checkpoint (.pth) or our own file (.safetensors), by our names.

    Raises
    ------
    InputError
        When the file is no such checkpoint.
    """
    try:
        if path.suffix == ".safetensors":
            state: Weights = load_file(path)
        else:
            whole = torch.load(path, map_location="cpu", weights_only=True)
            inner = whole.get("ema", {}).get("module") if isinstance(whole.get("ema"), dict) else None
            state = from_original(inner or whole.get("model") or whole)
    except (OSError, RuntimeError, SafetensorError, AttributeError, EOFError, ValueError) as error:
        first = " ".join(str(error).split())[:120]
        raise InputError(path, f"is no checkpoint of RT-DETRv2 ({first})", "give the .pth of a training") from error
    except Exception as error:  # pickle's own error type, without importing pickle
        raise InputError(
            path, "holds more than weights, or is damaged", "give a checkpoint of weights alone"
        ) from error
    return state


def size_of(path: Path) -> Size:
    """Tell which size a checkpoint is of, by the names and shapes of its tensors.

    Raises
    ------
    InputError
        When it is of no published size, or tells more than one class apart.
    """
    state = read_state(path)
    given = {name: tuple(tensor.shape) for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    classes = len(state["class_embed.0.bias"]) if "class_embed.0.bias" in state else 1
    for size in BACKBONES:
        with torch.device("meta"):
            own = build(size, classes).state_dict()  # type: ignore[arg-type]
        if given == {name: tuple(t.shape) for name, t in own.items() if not name.endswith("num_batches_tracked")}:
            if classes != 1:
                raise InputError(path, f"tells {classes} classes apart", "a detector of mice has one class")
            return size  # type: ignore[return-value]
    raise InputError(path, "is an RT-DETRv2 of no published size", f"expected one of {', '.join(BACKBONES)}")


def load_weights(path: Path, model: Any) -> None:
    """Load an original checkpoint (.pth) or our own file (.safetensors), strictly.

    Parameters
    ----------
    path : Path
    model : RTDetrV2ForObjectDetection

    Raises
    ------
    InputError
        When the file is no such checkpoint, or was made for another size or number of classes.
    """
    state = read_state(path)
    own = model.state_dict()
    wanted = {name for name in own if not name.endswith("num_batches_tracked")}
    given = {name for name in state if not name.endswith("num_batches_tracked")}
    if missing := sorted(wanted - given):
        raise InputError(
            path, f"lacks {len(missing)} tensors, the first {missing[0]}", "choose the size it was made for"
        )
    if more := sorted(given - wanted):
        raise InputError(
            path, f"has {len(more)} tensors too many, the first {more[0]}", "choose the size it was made for"
        )
    for name in sorted(wanted):
        if own[name].shape != state[name].shape:
            raise InputError(
                path,
                f"{name} has shape {tuple(state[name].shape)}, and this size wants {tuple(own[name].shape)}",
                "choose the size it was made for; a detector of mice has one class",
            )
    model.load_state_dict(state, strict=False)
