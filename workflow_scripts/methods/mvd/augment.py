"""Random changes of training windows as tensor operations on whole batches: one draw a window, for all its frames."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from workflow_scripts.methods.mvd.config import AugmentOptions

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""Of ImageNet, by which every published checkpoint normalises."""

MOTION_SCALE = 0.1
"""Change of brightness (white is 1) that counts as 1 in the channel of motion."""


def to_float(pixels: Tensor) -> Tensor:
    """Map bytes (n, time, height, width, 3) to (n, 3, time, height, width), white being 1."""
    return pixels.permute(0, 4, 1, 2, 3).float() / 255


def resize(video: Tensor, side: int) -> Tensor:
    """Resize (n, channel, time, height, width) to `side` squared, bilinear with anti-aliasing."""
    n, c, t, h, w = video.shape
    if (h, w) == (side, side):
        return video
    flat = video.reshape(n, c * t, h, w)
    return functional.interpolate(flat, (side, side), mode="bilinear", antialias=True).reshape(n, c, t, side, side)


def normalise(video: Tensor, *, motion: bool) -> Tensor:
    """Centre and scale by ImageNet's statistics; with `motion`, add a fourth channel of absolute change.

    The first sampled frame has none before it and shares the change of the second.
    """
    mean, std = (video.new_tensor(values).view(1, 3, 1, 1, 1) for values in (MEAN, STD))
    scaled = (video - mean) / std
    if not motion:
        return scaled
    grey = video.mean(dim=1, keepdim=True)
    change = (grey[:, :, 1:] - grey[:, :, :-1]).abs() / MOTION_SCALE
    return torch.cat([scaled, torch.cat([change[:, :, :1], change], dim=2)], dim=1)


def _uniform(n: int, low: float, high: float, like: Tensor) -> Tensor:
    return torch.rand(n, device=like.device) * (high - low) + low


def warp(video: Tensor, side: int, options: AugmentOptions) -> Tensor:
    """Crop, mirror and turn each window by one affine map of its own, to `side` squared."""
    n, c, t, h, w = video.shape
    area = _uniform(n, options.crop_area, options.crop_most, video)
    slender = math.log(options.aspect)
    aspect = _uniform(n, slender, -slender, video).exp()
    # Half widths of the crop in units of half the image; inside it, unless larger crops are asked for.
    widest = 1.0 if options.crop_most == 1 else math.inf
    wide, high = (area * aspect).sqrt().clamp(max=widest), (area / aspect).sqrt().clamp(max=widest)
    x = _uniform(n, -1, 1, video) * (1 - wide)
    y = _uniform(n, -1, 1, video) * (1 - high)
    mirror = torch.where(torch.rand(n, device=video.device) < options.flip, -1.0, 1.0)
    angle = torch.deg2rad(_uniform(n, -options.turn, options.turn, video))
    cos, sin = angle.cos(), angle.sin()
    # Output → input: mirror, turn, then shrink to the crop and shift to its middle.
    rows = torch.stack([wide * cos * mirror, -wide * sin, x, high * sin * mirror, high * cos, y], dim=1).view(n, 2, 3)
    grid = functional.affine_grid(rows, [n, c, side, side], align_corners=False)
    flat = video.reshape(n, c * t, h, w)
    out = functional.grid_sample(flat, grid, padding_mode="border", align_corners=False)
    return out.view(n, c, t, side, side)


def colour(video: Tensor, options: AugmentOptions) -> Tensor:
    """Change brightness, contrast and tone of each window, and add noise to every pixel.

    The exponent moves dark tones against light ones, as another animal's fur on the same floor does.
    """
    n = len(video)
    shape = (n, 1, 1, 1, 1)
    brightness = 1 + _uniform(n, -options.brightness, options.brightness, video).view(shape)
    contrast = 1 + _uniform(n, -options.contrast, options.contrast, video).view(shape)
    middle = video.mean(dim=(1, 2, 3, 4), keepdim=True)
    out = ((video - middle) * contrast + middle) * brightness
    if options.gamma:
        power = _uniform(n, -options.gamma, options.gamma, video).exp().view(shape)
        out = out.clamp(0, 1) ** power
    if options.noise:
        # The camera's noise is new in every frame; how strong it is belongs to the window.
        sd = _uniform(n, 0, options.noise, video).view(shape)
        out = out + sd * torch.randn_like(video[:, :1])
    return out.clamp(0, 1)


def _boxes(n: int, area: Tensor, height: int, width: int, like: Tensor) -> Tensor:
    """Draw masks (n, 1, 1, height, width) of rectangles that cover `area` of the image, of its shape, inside it."""
    side = area.clamp(0, 1).sqrt()
    high, wide = (side * height).round(), (side * width).round()
    top = (torch.rand(n, device=like.device) * (height - high + 1)).floor()
    left = (torch.rand(n, device=like.device) * (width - wide + 1)).floor()
    rows, columns = torch.arange(height, device=like.device), torch.arange(width, device=like.device)
    inside_rows = (rows >= top[:, None]) & (rows < (top + high)[:, None])
    inside_columns = (columns >= left[:, None]) & (columns < (left + wide)[:, None])
    return (inside_rows[:, :, None] & inside_columns[:, None, :])[:, None, None]


def erase(video: Tensor, options: AugmentOptions) -> Tensor:
    """Cover a rectangle of some windows with noise, the same rectangle in all frames."""
    n, _, _, h, w = video.shape
    chosen = torch.rand(n, device=video.device) < options.erase
    if not bool(chosen.any()):
        return video
    area = _uniform(n, min(0.02, options.erase_area), options.erase_area, video) * chosen
    mask = _boxes(n, area, h, w, video)
    noise = torch.randn_like(video) * 0.25 + 0.5
    return torch.where(mask, noise.clamp(0, 1), video)


def mix(video: Tensor, targets: Tensor, weights: Tensor, options: AugmentOptions) -> tuple[Tensor, Tensor, Tensor]:
    """Blend a batch with itself in reverse order, or paste a rectangle of it, through all frames.

    Parameters
    ----------
    video : Tensor, shape (n, channel, time, height, width)
    targets : Tensor, shape (n, steps, classes)
    weights : Tensor, shape (n, steps)

    Returns
    -------
    tuple of Tensor
        Of the same shapes; the share of the other window in the targets is that of its pixels, which for a rectangle
        is counted after rounding.
    """
    if len(video) < 2 or float(torch.rand(())) >= options.mix:
        return video, targets, weights
    paste = float(torch.rand(())) < options.switch
    power = options.cutmix if paste else options.mixup
    share = float(torch.distributions.Beta(power, power).sample())
    other = video.flip(0)
    if paste:
        height, width = video.shape[-2:]
        mask = _boxes(1, torch.tensor([share], device=video.device), height, width, video)
        video = torch.where(mask, other, video)
        share = float(mask.float().mean())
    else:
        video = (1 - share) * video + share * other
    # A step nobody labelled in one of the two windows brings no target of its own.
    mine, theirs = (1 - share) * weights, share * weights.flip(0)
    total = mine + theirs
    mixed = mine[..., None] * targets + theirs[..., None] * targets.flip(0)
    return video, mixed / total.clamp(min=1e-8)[..., None], total


def augment(
    pixels: Tensor, targets: Tensor, weights: Tensor, side: int, options: AugmentOptions
) -> tuple[Tensor, Tensor, Tensor]:
    """Turn stored bytes (n, time, height, width, 3) into changed windows (n, 3, time, side, side), white being 1."""
    video = colour(warp(to_float(pixels), side, options), options)
    video, targets, weights = mix(video, targets, weights, options)
    return erase(video, options), targets, weights
