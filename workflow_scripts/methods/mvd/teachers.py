"""Teachers of masked video distillation: frozen encoders of single frames (MAE) and of windows (VideoMAE)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from workflow_scripts.core.errors import InputError
from workflow_scripts.methods.mvd.augment import resize
from workflow_scripts.methods.mvd.network import Block, VideoTransformer
from workflow_scripts.methods.mvd.original import CONTAINERS, PREFIX, compare, read_file, read_state
from workflow_scripts.methods.mvd.sizes import TUBELET

HEAD_WIDTHS = {1280: 80}
"""Width of a head where it is not 64 (ViT-H)."""


class Shape(NamedTuple):
    """What the names and shapes of a teacher's weights say."""

    dim: int
    depth: int
    heads: int
    patch: int


def shape_of(path: str | Path, state: Mapping[str, Tensor]) -> Shape:
    """Read a transformer's shape off its weights."""
    if "patch_embed.proj.weight" not in state:
        raise InputError(path, "has no patch_embed.proj.weight", "give a checkpoint of a vision transformer")
    dim = len(state["patch_embed.proj.weight"])
    depth = 1 + max((int(name.split(".")[1]) for name in state if name.startswith("blocks.")), default=-1)
    width = HEAD_WIDTHS.get(dim, 64)
    return Shape(dim, depth, max(1, dim // width), int(state["patch_embed.proj.weight"].shape[-1]))


class ImageTransformer(nn.Module):
    """MAE's encoder (He et al. 2022) on single frames, up to its last block.

    Its keys have a bias, which adds the same to a query's product with every key and so cancels in the softmax: it is
    dropped on import.

    Parameters
    ----------
    shape : Shape
    places : int
        Tokens of an image.
    """

    def __init__(self, shape: Shape, places: int) -> None:
        super().__init__()
        self.side = math.isqrt(places) * shape.patch
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, shape.dim, shape.patch, stride=shape.patch)})
        self.cls_token = nn.Parameter(torch.zeros(1, 1, shape.dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, places + 1, shape.dim))
        self.blocks = nn.ModuleList(Block(shape.dim, shape.heads) for _ in range(shape.depth))

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, 3, side, side) to tokens (n, places, dim), the class token left out."""
        tokens = self.patch_embed["proj"](images).flatten(2).transpose(1, 2) + self.pos_embed[:, 1:]
        first = (self.cls_token + self.pos_embed[:, :1]).expand(len(tokens), -1, -1)
        x = torch.cat([first, tokens], dim=1)
        for block in self.blocks:
            x = block(x)
        return x[:, 1:]


def load_image_teacher(path: str | Path) -> ImageTransformer:
    """Read an MAE checkpoint (pre-trained), strictly.

    Raises
    ------
    InputError
        When the file is damaged, or a weight is missing or unexpected.
    """
    found = read_file(path)
    inner = next((found[key] for key in CONTAINERS if isinstance(found.get(key), Mapping)), found)
    left = ("decoder", "mask_token", "norm.", "head.", "fc_norm.")
    state = {PREFIX.sub("", name): value for name, value in inner.items()}
    state = {name: value for name, value in state.items() if not name.startswith(left)}
    for name in [name for name in state if name.endswith("attn.qkv.bias")]:
        query, _, value = state.pop(name).chunk(3)
        state[name.replace("qkv.bias", "q_bias")], state[name.replace("qkv.bias", "v_bias")] = query, value
    shape = shape_of(path, state)
    table = state.get("pos_embed")
    teacher = ImageTransformer(shape, 1 if table is None else table.shape[1] - 1)
    compare(path, teacher.state_dict(), state)
    teacher.load_state_dict(state)
    return teacher.requires_grad_(False).eval()


def load_video_teacher(path: str | Path, side: int, num_frames: int) -> VideoTransformer:
    """Read a VideoMAE checkpoint's encoder, strictly, for windows of our size.

    Raises
    ------
    InputError
        When the file is damaged, or a weight is missing or unexpected.
    """
    state = {name: value for name, value in read_state(path).items() if not name.startswith(("head.", "fc_norm."))}
    dim, depth, heads, patch = shape_of(path, state)
    if side % patch:
        raise InputError(path, f"has patches of {patch} pixels", f"choose an image_size that is a multiple, not {side}")
    teacher = VideoTransformer(
        dim, depth, heads, 0, image_size=side, patch=patch, num_frames=num_frames, positions="1d"
    )
    compare(path, teacher.state_dict(), state)
    teacher.load_state_dict(state)
    return teacher.requires_grad_(False).eval()


@torch.no_grad()
def image_features(teacher: ImageTransformer, video: Tensor, grid: int) -> Tensor:
    """Features of every second frame, (n, steps · grid², dim), in the order of the student's tokens.

    Parameters
    ----------
    teacher : ImageTransformer
    video : Tensor, shape (n, 3, time, side, side)
        Normalised.
    grid : int
        Places of the student along a side; a teacher of other patches sees the frames at the size that gives as many.
    """
    frames = video[:, :, ::TUBELET]
    n, _, steps = frames.shape[:3]
    images = resize(frames, teacher.side).transpose(1, 2).flatten(0, 1)
    features = teacher(images)
    own = math.isqrt(features.shape[1])
    if own != grid:
        maps = features.transpose(1, 2).reshape(len(features), -1, own, own)
        features = functional.interpolate(maps, (grid, grid), mode="bilinear").flatten(2).transpose(1, 2)
    ordered: Tensor = features.reshape(n, steps * grid * grid, -1)
    return ordered
