"""Augmentation while training, on batches of tensors: the 64-fold set's distribution, or free turns and scales."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from workflow_scripts.methods.rat_direction.augment import FACTORS
from workflow_scripts.methods.rat_direction.config import AffineOptions, AugmentOptions


def random_copy(images: Tensor, points: Tensor, options: AugmentOptions) -> tuple[Tensor, Tensor]:
    """Draw one of the 64 copies of each image, every copy equally likely, with torch's global generator.

    Parameters
    ----------
    images : Tensor, uint8, shape (n, size, size)
    points : Tensor, float32, shape (n, n_points, 2)
    options : AugmentOptions

    Returns
    -------
    images : Tensor, uint8, shape (n, size, size)
    points : Tensor, float32, shape (n, n_points, 2)
    """
    n, size, _ = images.shape
    device = images.device
    copy = torch.randint(64, (n,), device=device)
    rotation, flip, noise, shift, label = (
        torch.from_numpy(FACTORS[name]).to(device)[copy]
        for name in ("rotation", "flip", "noise", "shift", "label_noise")
    )
    moved = torch.randint(-options.shift, options.shift + 1, (n, 2), device=device) * shift[:, None]

    # Where each pixel of the copy comes from: the shift, flip and turn undone, in this order.
    axis = torch.arange(size, device=device)
    x = (axis[None, None, :] - moved[:, 0, None, None]).clamp(0, size - 1).expand(n, size, size)
    y = (axis[None, :, None] - moved[:, 1, None, None]).clamp(0, size - 1).expand(n, size, size)
    y = torch.where(flip[:, None, None] == 1, size - 1 - y, y)
    turn = rotation[:, None, None]
    from_x = torch.where(turn == 0, x, torch.where(turn == 1, size - 1 - y, torch.where(turn == 2, size - 1 - x, y)))
    from_y = torch.where(turn == 0, y, torch.where(turn == 1, x, torch.where(turn == 2, size - 1 - y, size - 1 - x)))
    pixels = images.reshape(n, -1).gather(1, (from_y * size + from_x).reshape(n, -1)).reshape(n, size, size)

    grain = torch.randn(pixels.shape, device=device) * options.noise_sd * noise[:, None, None]
    pixels = (pixels.float() + grain.round()).clamp(0, 255).to(torch.uint8)

    px, py = points[..., 0], points[..., 1]
    last, quarter = float(size - 1), rotation[:, None]
    to_x = torch.where(quarter == 0, px, torch.where(quarter == 1, py, torch.where(quarter == 2, last - px, last - py)))
    to_y = torch.where(quarter == 0, py, torch.where(quarter == 1, last - px, torch.where(quarter == 2, last - py, px)))
    to_y = torch.where(flip[:, None] == 1, last - to_y, to_y)
    wobble = torch.randn(points.shape, device=device) * options.label_sd * label[:, None, None]
    return pixels, torch.stack([to_x, to_y], dim=-1) + moved[:, None].float() + wobble


def random_affine(images: Tensor, points: Tensor, options: AffineOptions) -> tuple[Tensor, Tensor]:
    """Turn by any angle, flip, scale, shift and change the brightness of each image, with torch's global generator.

    Parameters
    ----------
    images : Tensor, uint8, shape (n, size, size)
    points : Tensor, float32, shape (n, n_points, 2)
    options : AffineOptions

    Returns
    -------
    images : Tensor, float32 in 0..255, shape (n, size, size)
        Zero outside the original.
    points : Tensor, float32
    """
    n, size, _ = images.shape
    middle = (size - 1) / 2

    def draw(limit: float) -> Tensor:
        return (torch.rand(n, device=images.device) * 2 - 1) * limit

    angle, factor = draw(math.pi), 1 + draw(options.scale)
    mirror = torch.where(torch.rand(n, device=images.device) < 0.5, -1.0, 1.0)
    offset = torch.stack([draw(options.shift), draw(options.shift)], dim=1)
    cosine, sine = torch.cos(angle) * factor, torch.sin(angle) * factor
    forward = torch.stack([cosine * mirror, -sine, sine * mirror, cosine], dim=1).reshape(n, 2, 2)
    moved = (points - middle) @ forward.transpose(1, 2) + middle + offset[:, None]

    # grid_sample asks where each output pixel comes from, in units in which the image spans -1..1.
    inverse = torch.linalg.inv(forward)
    translation = -(inverse @ offset[:, :, None]) * (2 / size)
    grid = functional.affine_grid(torch.cat([inverse, translation], dim=2), [n, 1, size, size], align_corners=False)
    pixels = functional.grid_sample(images[:, None].float(), grid, align_corners=False)[:, 0]
    pixels = pixels * (1 + draw(options.contrast))[:, None, None] + (draw(options.contrast / 2) * 255)[:, None, None]
    return (pixels + torch.randn_like(pixels) * options.noise_sd).clamp(0, 255), moved
