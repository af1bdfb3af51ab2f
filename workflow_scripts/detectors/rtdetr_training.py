"""Fine-tune RT-DETRv2 on boxed pictures of one class of animal.

The recipe is that of the seed's detector app: AdamW 1e-4 (backbone a tenth), weight decay 1e-4, the rate falling
tenfold after 70 % and 90 % of the epochs, linear warm-up, gradients clipped at 0.1, a moving average of the weights.
The losses (varifocal, L1, GIoU, with denoising queries) come with transformers.
"""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save_file

from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.core.files import atomic_path
from workflow_scripts.detectors.rtdetr_weights import Size, build, load_weights
from workflow_scripts.detectors.rtdetrv2 import resize

log = logging.getLogger("ethomake.detectors")


@dataclass(frozen=True)
class Recipe:
    """How the detector is fine-tuned; defaults are the seed's."""

    size: Size = "r50"
    epochs: int = 50
    batch: int = 16
    lr: float = 1e-4
    backbone_lr: float = 1e-5
    weight_decay: float = 1e-4
    warmup_steps: int = 1000
    clip: float = 0.1
    ema: float = 0.9999
    ema_warmup: int = 2000
    image_size: int = 640
    seed: int = 0


def _targets(boxes: npt.NDArray[np.float32], sizes: npt.NDArray[np.float32]) -> list[dict[str, torch.Tensor]]:
    """Return one box a picture, relative to its size, as centre, width and height; pictures without one have none."""
    targets = []
    for box, (width, height) in zip(boxes, sizes, strict=True):
        relative = torch.from_numpy(box / np.array([width, height, width, height], np.float32))
        seen = not bool(torch.isnan(relative).any())
        middle, extent = (relative[:2] + relative[2:]) / 2, relative[2:] - relative[:2]
        boxed = torch.cat([middle, extent])[None] if seen else torch.zeros(0, 4)
        targets.append({"class_labels": torch.zeros(len(boxed), dtype=torch.long), "boxes": boxed.float()})
    return targets


def _augment(
    images: torch.Tensor, targets: list[dict[str, torch.Tensor]], generator: torch.Generator
) -> tuple[torch.Tensor, list[dict[str, torch.Tensor]]]:
    """Mirror left and right or up and down, and change brightness and contrast."""
    images = images.clone()
    for k, target in enumerate(targets):
        for axis, dim in ((0, -1), (1, -2)):
            if torch.rand((), generator=generator) < 0.5:
                images[k] = images[k].flip(dim)
                target["boxes"][:, axis] = 1 - target["boxes"][:, axis]
        gain, shift = 0.8 + 0.4 * torch.rand((), generator=generator), 0.2 * torch.rand((), generator=generator) - 0.1
        images[k] = (images[k] * gain + shift).clamp(0, 1)
    return images, targets


def fine_tune(
    images: list[npt.NDArray[np.uint8]],
    boxes: npt.NDArray[np.float32],
    target: Path,
    recipe: Recipe,
    *,
    start: Path | None = None,
) -> list[float]:
    """Train a detector of one class and write its (averaged) weights.

    Parameters
    ----------
    images : list of ndarray, uint8, shape (height, width, 3)
    boxes : ndarray, float32, shape (n, 4)
        x1, y1, x2, y2 in pixels of each picture; NaN where it shows no animal.
    target : Path
        Safetensors file to make, whole or not at all; the detector `rtdetrv2` reads it.
    recipe : Recipe
    start : Path or None
        Checkpoint to start from.

    Returns
    -------
    list of float
        Mean loss of each epoch.

    Raises
    ------
    EthoMakeError
        When there is no box to learn from, or the loss is no number.
    """
    if not len(images) or np.isnan(boxes).any(axis=1).all():
        raise EthoMakeError("The detector has no boxed picture to learn from; give at least one.")
    torch.manual_seed(recipe.seed)
    generator = torch.Generator().manual_seed(recipe.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = build(recipe.size)
    if start is not None:
        load_weights(start, model)
    model = model.train().to(device)
    average = copy.deepcopy(model).eval()
    pixels = resize(images, recipe.image_size)
    sizes = np.array([image.shape[1::-1] for image in images], np.float32)
    slow = [p for name, p in model.named_parameters() if name.startswith("model.backbone") and p.requires_grad]
    fast = [p for name, p in model.named_parameters() if not name.startswith("model.backbone") and p.requires_grad]
    groups = [{"params": fast, "lr": recipe.lr}, {"params": slow, "lr": recipe.backbone_lr}]
    optimizer = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay)
    steps = -(-len(images) // recipe.batch)
    falls = [round(share * recipe.epochs) * steps for share in (0.7, 0.9)]

    def rate(step: int) -> float:
        fallen: float = 0.1 ** sum(step >= fall for fall in falls)
        return fallen * min(1.0, (step + 1) / max(1, recipe.warmup_steps))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    losses: list[float] = []
    for epoch in range(recipe.epochs):
        total = 0.0
        for rows in torch.split(torch.randperm(len(images), generator=generator), recipe.batch):
            drawn, labels = _augment(pixels[rows], _targets(boxes[rows.numpy()], sizes[rows.numpy()]), generator)
            moved = [{key: value.to(device) for key, value in label.items()} for label in labels]
            loss = model(pixel_values=drawn.to(device), labels=moved).loss
            if not bool(torch.isfinite(loss)):
                raise EthoMakeError(f"The detector's loss is {float(loss)} in epoch {epoch}; lower its learning rate.")
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
            optimizer.step()
            schedule.step()
            _follow(average, model, recipe, schedule.last_epoch)
            total += float(loss.detach()) * len(rows)
        losses.append(total / len(images))
        log.info("epoch %d: loss %.4f", epoch, losses[-1])
    save(target, average)
    return losses


def _follow(average: Any, model: Any, recipe: Recipe, step: int) -> None:
    """Move the average towards the weights, more slowly the longer it has gone on."""
    keep = recipe.ema * (1 - float(np.exp(-step / max(1, recipe.ema_warmup))))
    with torch.no_grad():
        for mine, theirs in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
            if mine.dtype.is_floating_point:
                mine.mul_(keep).add_(theirs, alpha=1 - keep)
            else:
                mine.copy_(theirs)


def save(target: Path, model: Any) -> None:
    """Write a network's weights as safetensors, whole or not at all."""
    # The heads of the decoder stand in it under two names; safetensors wants a copy of its own for each.
    state = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in model.state_dict().items()}
    with atomic_path(target) as part:
        save_file(state, part)
