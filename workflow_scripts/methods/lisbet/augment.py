"""Augmentations of windows and the second view of the contrastive task, on the device of the windows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from workflow_scripts.methods.lisbet.augment_spec import Augmentation
from workflow_scripts.methods.lisbet.inputs import Layout
from workflow_scripts.methods.lisbet.windows import turn


class Augmenter:
    """Applies augmentations to windows, in their order.

    Parameters
    ----------
    steps : sequence of Augmentation
    layout : Layout
    unit_square : bool
        The coordinates are meant to lie in [0, 1]: jitter is clamped, and rotations turn about (0.5, 0.5). Without it
        they turn about the origin.
    blind : bool
        The quantities do not ask which animal is which, and stay when animals are permuted.
    """

    def __init__(
        self, steps: Sequence[Augmentation], layout: Layout, unit_square: bool, *, blind: bool = False
    ) -> None:
        self.steps, self.layout, self.unit_square, self.blind = steps, layout, unit_square, blind

    def __call__(self, windows: Tensor, valid: Tensor | None, rng: torch.Generator) -> Tensor:
        """Augment each window with its own draws.

        Parameters
        ----------
        windows : Tensor, shape (windows, token, individual, block)
            Left as it is.
        valid : Tensor of bool, shape (windows, token), or None
            Padding, which stays zero.
        rng : torch.Generator
            On the device of the windows.
        """
        for step in self.steps:
            chosen = torch.rand(len(windows), generator=rng, device=windows.device) < step.p
            changed = getattr(self, f"_{step.name}")(windows, step, rng)
            windows = torch.where(chosen.view(-1, 1, 1, 1), changed, windows)
        return windows if valid is None or not self.steps else windows * valid[..., None, None]

    def _points(self, windows: Tensor) -> Tensor:
        n, tokens, individuals, _ = windows.shape
        plain = windows[..., : self.layout.coordinates]
        return plain.reshape(n, tokens, individuals, self.layout.keypoints, self.layout.space)

    def _with_points(self, windows: Tensor, points: Tensor) -> Tensor:
        flat = points.reshape(*windows.shape[:3], self.layout.coordinates)
        return torch.cat([flat, windows[..., self.layout.coordinates :]], dim=-1)

    def _pick(self, options: list[tuple[int, ...]], n: int, rng: torch.Generator, device: torch.device) -> Tensor:
        table = torch.tensor(options, device=device)
        return table[torch.randint(len(options), (n,), generator=rng, device=device)]

    def _permuted(self, windows: Tensor, rng: torch.Generator) -> Tensor:
        orders = list(itertools.permutations(range(self.layout.individuals)))[1:] or [(0,)]  # never the identity
        order = self._pick(orders, len(windows), rng, windows.device)
        kept = self.layout.tracked if self.blind else self.layout.block
        moved = torch.take_along_dim(windows[..., :kept], order.view(len(windows), 1, -1, 1), dim=2)
        return torch.cat([moved, windows[..., kept:]], dim=-1)

    def _all_perm_id(self, windows: Tensor, step: Augmentation, rng: torch.Generator) -> Tensor:
        return self._permuted(windows, rng)

    def _blk_perm_id(self, windows: Tensor, step: Augmentation, rng: torch.Generator) -> Tensor:
        n, tokens = windows.shape[:2]
        block = max(1, round(step.frac * tokens))
        start = torch.randint(1 - block, tokens, (n, 1), generator=rng, device=windows.device)
        token = torch.arange(tokens, device=windows.device)
        within = (token >= start) & (token < start + block)
        return torch.where(within[..., None, None], self._permuted(windows, rng), windows)

    def _all_perm_ax(self, windows: Tensor, step: Augmentation, rng: torch.Generator) -> Tensor:
        orders = list(itertools.permutations(range(self.layout.space)))[1:]
        order = self._pick(orders, len(windows), rng, windows.device)
        points = torch.take_along_dim(self._points(windows), order.view(len(windows), 1, 1, 1, -1), dim=4)
        return self._with_points(windows, points)

    def _gauss_jitter(self, windows: Tensor, step: Augmentation, rng: torch.Generator) -> Tensor:
        points = self._points(windows)
        noise = torch.randn(points.shape, generator=rng, device=points.device, dtype=points.dtype)
        moved = points + step.sigma * noise
        return self._with_points(windows, moved.clamp(0, 1) if self.unit_square else moved)

    def _kp_ablation(self, windows: Tensor, step: Augmentation, rng: torch.Generator) -> Tensor:
        n, layout = len(windows), self.layout
        shape = (n, 1, layout.individuals, layout.keypoints)
        kept = (torch.rand(shape, generator=rng, device=windows.device) >= step.pB).to(windows.dtype)
        columns = [kept.repeat_interleave(layout.space, dim=-1), *([kept] if layout.seen else [])]
        columns.append(kept.new_ones(n, 1, layout.individuals, layout.quantities))
        return windows * torch.cat(columns, dim=-1)

    def _rotation(self, windows: Tensor, step: Augmentation, rng: torch.Generator) -> Tensor:
        points, n = self._points(windows), len(windows)
        middle = 0.5 if self.unit_square else 0.0
        draw = torch.rand(n, generator=rng, device=windows.device)
        turned = self._turned(points - middle, (2 * draw - 1) * math.radians(step.max_angle), rng) + middle
        if self.unit_square and step.mode == "truncate":
            turned = turned.clamp(0, 1)
        elif self.unit_square and step.mode == "rescale":
            flat = turned.flatten(1, -2)
            low, high = flat.amin(1), flat.amax(1)
            outside = ((low < 0) | (high > 1)).any(dim=1).view(-1, 1, 1, 1, 1)
            scale = (high - low).amax(dim=1).clamp_min(1e-6).view(-1, 1, 1, 1, 1)
            shrunk = (turned - low.view(n, 1, 1, 1, -1)) / scale
            turned = torch.where(outside, shrunk, turned)
        return self._with_points(windows, turned)

    def _turned(self, points: Tensor, angle: Tensor, rng: torch.Generator) -> Tensor:
        if self.layout.space == 2:
            return turn(points, torch.stack([angle.cos(), angle.sin()], dim=1))
        # Three dimensions: about a random axis, by Rodrigues' formula.
        axis = torch.randn(len(points), 3, generator=rng, device=points.device, dtype=points.dtype)
        axis = torch.nn.functional.normalize(axis, dim=1).view(-1, 1, 1, 1, 3)
        c, s = (value.view(-1, 1, 1, 1, 1) for value in (angle.cos(), angle.sin()))
        along = (points * axis).sum(-1, keepdim=True) * axis
        turned: Tensor = points * c + torch.linalg.cross(axis.expand_as(points), points) * s + along * (1 - c)
        return turned


def second_view(
    windows: Tensor, valid: Tensor | None, layout: Layout, unit_square: bool, rng: torch.Generator
) -> Tensor:
    """Move each window by one to three of shift, mirror and zoom, in random order: the other view of `geom`.

    Parameters
    ----------
    windows : Tensor, shape (windows, token, individual, block)
    valid : Tensor of bool or None
        Padding stays zero.
    layout : Layout
    unit_square : bool
        Mirror and zoom about (0.5, 0.5) and keep the window in [0, 1]; else about the origin, shifts up to 1.
    rng : torch.Generator
    """
    n, tokens, individuals, _ = windows.shape
    device, middle = windows.device, 0.5 if unit_square else 0.0
    points = windows[..., : layout.coordinates].reshape(n, -1, layout.space)

    def draw(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=rng, device=device)

    order = draw(n, 3).argsort(dim=1)
    count = torch.randint(1, 4, (n,), generator=rng, device=device)
    for place in range(3):
        which = torch.where(place < count, order[:, place], -1).view(n, 1, 1)
        low, high = points.amin(1, keepdim=True), points.amax(1, keepdim=True)
        by = draw(n, 1, layout.space)
        shift = -low + by * (1 - high + low).clamp_min(0) if unit_square else 2 * by - 1
        largest = 1.25
        if unit_square:
            reach = torch.maximum(high - middle, middle - low).amax(-1, keepdim=True).clamp_min(1e-3)
            zoom = 0.75 + draw(n, 1, 1) * ((middle / reach).clamp(0.75, largest) - 0.75)
        else:
            zoom = 0.75 + draw(n, 1, 1) * (largest - 0.75)
        mirrored = points.clone()
        mirrored[..., 0] = 2 * middle - points[..., 0]
        points = torch.where(which == 0, points + shift, points)
        points = torch.where(which == 1, mirrored, points)
        points = torch.where(which == 2, (points - middle) * zoom + middle, points)
    moved = points.reshape(n, tokens, individuals, layout.coordinates)
    if valid is not None:
        moved = moved * valid[..., None, None]
    return torch.cat([moved, windows[..., layout.coordinates :]], dim=-1)
