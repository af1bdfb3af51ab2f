"""Checkpoints in the layout of published programs, written from our models."""

from pathlib import Path

import torch

from workflow_scripts.detectors.rtdetr_training import save
from workflow_scripts.detectors.rtdetr_weights import build
from workflow_scripts.methods.bams.module import Bams
from workflow_scripts.methods.mvd.network import VideoTransformer
from workflow_scripts.methods.mvd.sizes import SIZES

CLASSES = ["idle", "Self-Grooming", "Head/Body TWITCH"]
"""Outputs of the published app's classifier."""


def published_app(folder: Path) -> VideoTransformer:
    """Write `MVD/` as the published app leaves it, weights of DeepSpeed and options line by line, and `detector/`."""
    torch.manual_seed(0)
    dims = SIZES["nano"]
    network = VideoTransformer(dims.dim, dims.depth, dims.heads, len(CLASSES), image_size=32, num_frames=8)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    (folder / "MVD" / "checkpoint-best").mkdir(parents=True)
    torch.save({"module": network.state_dict()}, folder / "MVD/checkpoint-best/mp_rank_00_model_states.pt")
    settings = "num_frames 16\nmodel vit\nnum_frames 8\nsampling_rate 2\ninput_size 32\n"
    (folder / "MVD" / "config.txt").write_text(settings)
    (folder / "detector").mkdir()
    save(folder / "detector" / "model.safetensors", build("tiny"))
    return network.eval()


def original_checkpoint(model: Bams) -> dict:
    """The same weights under the names of the original, whose blocks list their layers twice."""
    state = {}
    for name, tensor in model.state_dict().items():
        if name in {"shift", "scale", "edges"}:
            continue
        name = name.replace(".conv2.parametrizations.weight.original0", ".conv2.weight_g")
        name = name.replace(".conv2.parametrizations.weight.original1", ".conv2.weight_v")
        state[name] = tensor
        for number, part in ((0, "conv1"), (2, "relu1"), (4, "conv2"), (6, "relu2")):
            if f".{part}." in name:
                state[name.replace(f".{part}.", f".net.{number}.")] = tensor
    return state
