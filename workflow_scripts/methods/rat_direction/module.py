"""A small convolutional network that finds three points in an image."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from workflow_scripts.methods.rat_direction.augment import orient, undo_points
from workflow_scripts.methods.rat_direction.augment_online import random_affine, random_copy
from workflow_scripts.methods.rat_direction.config import Config
from workflow_scripts.training.devices import batch_of
from workflow_scripts.training.model import TrainedModel
from workflow_scripts.views.images import ImageSpec


def _block(inward: int, outward: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inward, outward, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outward), nn.ReLU())


class DenseHead(nn.Module):
    """Six numbers from all features at once, as in the published recipe.

    Parameters
    ----------
    width : int
    size : int
        Side of the image in pixels.
    n_points : int
    """

    def __init__(self, width: int, size: int, n_points: int) -> None:
        super().__init__()
        side = -(-size // 8)
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(4 * width * side * side, 128), nn.ReLU(), nn.Linear(128, 2 * n_points)
        )

    def forward(self, middle: Tensor, coarse: Tensor) -> Tensor:
        """Return points (n, n_points, 2) in half image widths around the middle."""
        found: Tensor = self.layers(coarse)
        return found.reshape(len(coarse), -1, 2)


class HeatmapHead(nn.Module):
    """The centre of a heat map for each point: coarse features, which know the whole animal, refine the finer ones.

    Parameters
    ----------
    width : int
    size : int
        Side of the image in pixels.
    n_points : int
    """

    def __init__(self, width: int, size: int, n_points: int) -> None:
        super().__init__()
        self.deep = nn.Sequential(_block(4 * width, 4 * width, stride=2), _block(4 * width, 4 * width))
        self.join = _block(8 * width, 2 * width, 1)
        self.merge = _block(2 * width, 2 * width)
        self.maps = nn.Conv2d(2 * width, n_points, 1)
        side = -(-size // 4)
        # Pixel k of a map lies over the pixels 4 k and 4 k + 1: pairs are folded, then every second one is kept.
        places = (torch.arange(side) * 4.0 + 0.5 - size / 2) / (size / 2)
        self.register_buffer("places", places, persistent=False)
        self.places: Tensor

    def forward(self, middle: Tensor, coarse: Tensor) -> Tensor:
        """Return points (n, n_points, 2) in half image widths around the middle."""
        deep = functional.interpolate(self.deep(coarse), size=coarse.shape[-2:])
        joined = self.join(torch.cat([coarse, deep], dim=1))
        raised = functional.interpolate(joined, size=middle.shape[-2:])
        maps = self.maps(self.merge(middle + raised))
        weight = maps.flatten(2).softmax(dim=-1).view_as(maps)
        return torch.stack([(weight.sum(2) * self.places).sum(-1), (weight.sum(3) * self.places).sum(-1)], dim=-1)


class DirectionNet(TrainedModel):
    """Points of an animal from a grey image.

    Parameters
    ----------
    config : Config
    spec : ImageSpec
        Square images.
    """

    def __init__(self, config: Config, spec: ImageSpec) -> None:
        super().__init__()
        if spec.height != spec.width or spec.width % 2:
            raise ValueError(f"images must be square with an even side, not {spec.height}×{spec.width}")
        self.config, self.spec = config, spec
        width = config.width
        # Squares of 2 × 2 pixels become four channels: convolutions at full resolution took most of the time.
        self.middle = nn.Sequential(nn.PixelUnshuffle(2), _block(4, 2 * width, stride=2), _block(2 * width, 2 * width))
        self.coarse = nn.Sequential(_block(2 * width, 4 * width, stride=2), _block(4 * width, 4 * width))
        head = DenseHead if config.head == "dense" else HeatmapHead
        self.head = head(width, spec.width, len(spec.points))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._last_loss = float("nan")

    @property
    def dimensions(self) -> int:
        """Width of the embedding."""
        return 4 * self.config.width * 4

    def features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return feature maps at a quarter and an eighth of the resolution."""
        middle = self.middle((images.float() / 255 - 0.5)[:, None])
        return middle, self.coarse(middle)

    def scaled(self, images: Tensor) -> Tensor:
        """Return points (n, n_points, 2) as the loss sees them: (pixel - size / 2) / (size / 2)."""
        found: Tensor = self.head(*self.features(images))
        return found

    def forward(self, images: Tensor) -> Tensor:
        """Return points (n, n_points, 2) in pixels, for images 0..255 (n, size, size)."""
        half = self.spec.width / 2
        return self.scaled(images) * half + half

    def embed(self, images: Tensor) -> Tensor:
        """Return the coarse features averaged over the four quarters of the image, (n, dimensions)."""
        coarse = self.features(images)[1]
        return functional.adaptive_avg_pool2d(coarse, 2).flatten(1)

    def _loss(self, found: Tensor, wanted: Tensor) -> Tensor:
        if self.config.mode == "faithful":
            return functional.mse_loss(found, wanted)
        # Quadratic within a pixel, linear beyond: a few mislabelled or turned frames do not rule the fit.
        return functional.smooth_l1_loss(found, wanted, beta=2 / self.spec.width)

    def _rescale(self, points: Tensor) -> Tensor:
        half = self.spec.width / 2
        return (points - half) / half

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Draw a copy of each image where none is stored, and return the loss."""
        images, points = batch
        if self.config.augment == "copies":
            images, points = random_copy(images, points, self.config.copies)
        elif self.config.augment == "affine":
            images, points = random_affine(images, points, self.config.affine)
        loss = self._loss(self.scaled(images), self._rescale(points))
        if self.config.mode == "faithful":
            self._last_loss = float(loss.detach())
        else:
            self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(images))
        return loss

    def on_train_epoch_end(self) -> None:
        """Log the last batch's loss as the epoch's, as the published script does (faithful mode)."""
        if self.config.mode == "faithful":
            self.log("train_loss", self._last_loss)

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Log the loss, the pixel error and the head's angle error."""
        images, points = batch
        found = self.scaled(images)
        wanted = self._rescale(points)
        # A weight of one a batch, the short last one included, is how the published script averages.
        weight = 1 if self.config.mode == "faithful" else len(images)
        self.log("val_loss", self._loss(found, wanted), batch_size=weight)
        self.log("val_mse", functional.mse_loss(found, wanted), batch_size=len(images))
        distance = (found - wanted).norm(dim=-1).mean() * (self.spec.width / 2)
        self.log("val_pixel_error", distance, batch_size=len(images))
        head, true = found[:, 2] - found[:, 1], wanted[:, 2] - wanted[:, 1]
        cosine = functional.cosine_similarity(head, true, dim=-1).clamp(-1, 1)
        self.log("val_head_angle_deg", torch.rad2deg(torch.acos(cosine)).mean(), batch_size=len(images))

    def configure_optimizers(self) -> Any:
        """AdamW; steps at 70 and 90 % of the epochs (faithful), or warm-up and a cosine to zero (sound)."""
        config = self.config
        assert config.learning_rate is not None  # filled by the mode
        optimizer = torch.optim.AdamW(
            self.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        if config.mode == "faithful":
            epochs = config.training.max_epochs
            marks = [int(0.7 * epochs), int(0.9 * epochs)]
            return {"optimizer": optimizer, "lr_scheduler": torch.optim.lr_scheduler.MultiStepLR(optimizer, marks, 0.1)}
        total = int(self.trainer.estimated_stepping_batches)
        warm = max(1, total // 20)

        def factor(step: int) -> float:
            return min(1.0, (step + 1) / warm) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / total)))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


@torch.inference_mode()
def predict_points(
    model: DirectionNet, images: npt.NDArray[np.uint8], *, tta: bool | None = None, batch: int = 512
) -> npt.NDArray[np.float32]:
    """Find the points in many images.

    Parameters
    ----------
    model : DirectionNet
    images : ndarray, uint8, shape (n, size, size)
    tta : bool, optional
        Average over the eight turns and flips; default as the model's options say.
    batch : int
        Images at a time.

    Returns
    -------
    ndarray, float32, shape (n, n_points, 2)
        In pixels.
    """
    size = model.spec.width
    elements = [(r, f) for r in range(4) for f in range(2)] if (model.config.tta if tta is None else tta) else [(0, 0)]
    model.eval()
    batch = batch_of(batch)
    found = np.empty((len(images), len(model.spec.points), 2), np.float32)
    for start in range(0, len(images), batch):
        part = images[start : start + batch]
        total = np.zeros((len(part), len(model.spec.points), 2))
        for rotation, flip in elements:
            turned = torch.tensor(np.ascontiguousarray(orient(part, rotation, flip)), device=model.device)
            total += undo_points(model(turned).cpu().numpy(), rotation, flip, size)
        found[start : start + batch] = total / len(elements)
    return found
