"""Windows from plans, by index gather, on whatever device the frames are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from workflow_scripts.methods.lisbet.config import Config
from workflow_scripts.methods.lisbet.draws import Plan
from workflow_scripts.methods.lisbet.inputs import Layout
from workflow_scripts.methods.lisbet.store import Frames


@dataclass(frozen=True)
class PlanTensors:
    """A :class:`Plan` as tensors; fields as there."""

    first: Tensor
    second: Tensor
    partner: Tensor
    step: Tensor
    cut: Tensor
    split: Tensor
    label: Tensor
    whole: bool

    @classmethod
    def of(cls, plan: Plan) -> PlanTensors:
        """Wrap the arrays of a plan."""
        names = ("first", "second", "partner", "step", "cut", "split", "label")
        return cls(
            **{name: torch.from_numpy(np.ascontiguousarray(getattr(plan, name))) for name in names}, whole=plan.whole
        )

    def to(self, device: torch.device | str) -> PlanTensors:
        """Move to a device."""
        names = ("first", "second", "partner", "step", "cut", "split", "label")
        return PlanTensors(
            **{name: getattr(self, name).to(device, non_blocking=True) for name in names}, whole=self.whole
        )


class Windows:
    """Gathers windows from one table of frames.

    Parameters
    ----------
    values : Tensor, shape (rows, individual, block)
    valid : Tensor of bool, shape (rows,)
    layout : Layout
    config : Config
        Settled.
    """

    def __init__(self, values: Tensor, valid: Tensor, layout: Layout, config: Config) -> None:
        rows, individuals, block = values.shape
        self.table, self.valid = values.reshape(rows * individuals, block), valid
        self.layout, self.config = layout, config
        self.individuals, self.window = individuals, config.window_size
        self.target = config.window_size - 1 - config.window_offset
        self._tokens = torch.arange(self.window, device=values.device)
        self._animals = torch.arange(individuals, device=values.device)
        # The frame of reference is laid by what was tracked, and padding must stay zero in it.
        self.needs_mask = bool(config.pad_mask) or config.frame != "arena"

    @classmethod
    def of(cls, frames: Frames, layout: Layout, config: Config, device: torch.device | str = "cpu") -> Windows:
        """Wrap the arrays of `frames` (no copy on the CPU)."""
        values, valid = torch.from_numpy(frames.values), torch.from_numpy(frames.valid)
        return cls(values.to(device), valid.to(device), layout, config)

    def _rows(self, plan: PlanTensors) -> tuple[Tensor, Tensor]:
        """Positions (windows, token) of the window itself and of its partner."""
        dtype = torch.int64 if plan.whole else torch.float64
        tokens = self._tokens.to(dtype)
        walk = tokens[None] * plan.step.to(dtype)[:, None]
        start = torch.where(
            self._tokens[None] < plan.cut[:, None], plan.first.to(dtype)[:, None], plan.second.to(dtype)[:, None]
        )
        return start + walk, plan.partner.to(dtype)[:, None] + walk

    def gather_into(self, plan: PlanTensors, out: Tensor) -> Tensor | None:
        """Write the windows of a plan.

        Parameters
        ----------
        plan : PlanTensors
        out : Tensor, shape (windows, token, individual, block)
            Contiguous.

        Returns
        -------
        Tensor of bool, shape (windows, token), or None
            False in padding; None where nothing needs it.
        """
        own, partner = self._rows(plan)
        n = self.individuals
        other = self._animals[None] >= plan.split[:, None]
        place = torch.where(other[:, None], partner[..., None], own[..., None])
        flat = out.view(-1, out.shape[-1])
        if plan.whole:
            index = place.mul_(n).add_(self._animals)
            torch.index_select(self.table, 0, index.view(-1), out=flat)
            rows = own
        else:
            # A shift by a billionth of a row keeps whole rows whole under rounding.
            floor = torch.floor(place + 1e-9)
            share = (place - floor).clamp_(0, 1).to(out.dtype)[..., None]
            index = floor.to(torch.int64).mul_(n).add_(self._animals)
            torch.index_select(self.table, 0, index.view(-1), out=flat)
            nearer = torch.index_select(self.table, 0, (index + n).view(-1)).view_as(out)
            out.lerp_(nearer, share)
            rows = torch.floor(own + 1e-9).to(torch.int64)
        return self.valid[rows] if self.needs_mask else None

    def gather(self, plans: Sequence[PlanTensors]) -> tuple[Tensor, Tensor | None]:
        """Gather the windows of several plans, one after another.

        Returns
        -------
        windows : Tensor, shape (windows, token, individual, block)
        valid : Tensor of bool, shape (windows, token), or None
        """
        sizes = [len(plan.first) for plan in plans]
        shape = (sum(sizes), self.window, self.individuals, self.table.shape[1])
        windows = torch.empty(shape, dtype=self.table.dtype, device=self.table.device)
        masks = [self.gather_into(plan, part) for plan, part in zip(plans, torch.split(windows, sizes), strict=True)]
        return windows, None if masks[0] is None else torch.cat([mask for mask in masks if mask is not None])

    def every_frame(self, first: int, start: int, stop: int) -> tuple[Tensor, Tensor | None]:
        """Gather the windows of the frames `start` to `stop` of the record that begins at row `first`."""
        scale = self.config.fps_scaling
        span, offset = max(2, round(scale * self.window)), round(scale * self.config.window_offset)
        rows = torch.arange(first + start, first + stop, device=self.table.device)
        n = len(rows)
        begin = (rows + offset - (span - 1)).to(torch.float64)
        step = torch.full((n,), (span - 1) / (self.window - 1), dtype=torch.float64, device=rows.device)
        cut, split = torch.full_like(rows, self.window), torch.full_like(rows, self.individuals)
        return self.gather([PlanTensors(begin, begin, begin, step, cut, split, rows, whole=span == self.window)])


def lay_frame(windows: Tensor, valid: Tensor | None, layout: Layout, config: Config) -> Tensor:
    """Bring windows to the frame of reference of their target frame.

    One rigid motion per window, so that all movement inside it is kept.

    Parameters
    ----------
    windows : Tensor, shape (windows, token, individual, block)
    valid : Tensor of bool, shape (windows, token)
    layout : Layout
    config : Config
        Settled; ``frame`` decides.

    Returns
    -------
    Tensor
        Same shape; padding stays zero.
    """
    if config.frame == "arena" or valid is None:
        return windows
    n, tokens, individuals, _ = windows.shape
    position = windows[..., : layout.coordinates].reshape(n, tokens, individuals, layout.keypoints, layout.space)
    anchor = position[:, config.window_size - 1 - config.window_offset]
    centres = anchor.mean(dim=2)
    moved = position - centres.mean(dim=1)[:, None, None, None]
    if config.frame == "pair":
        if individuals > 1:
            ahead = (centres[:, 1:].mean(dim=1) - centres[:, 0])[:, :2]
        else:  # one animal: from its last keypoint to its first
            ahead = (anchor[:, 0, 0] - anchor[:, 0, -1])[:, :2]
        length = ahead.norm(dim=1, keepdim=True)
        unit = torch.where(length > 1e-6, ahead / length.clamp_min(1e-6), ahead.new_tensor([1.0, 0.0]))
        moved = turn(moved, unit)
    laid = moved.reshape(n, tokens, individuals, layout.coordinates) * valid[..., None, None]
    return torch.cat([laid, windows[..., layout.coordinates :]], dim=-1)


def turn(position: Tensor, unit: Tensor) -> Tensor:
    """Turn the plane so that `unit` becomes the first axis.

    Parameters
    ----------
    position : Tensor, shape (windows, …, space)
    unit : Tensor, shape (windows, 2)
    """
    c, s = (unit[:, k].view(-1, *[1] * (position.ndim - 2)) for k in (0, 1))
    x, y = position[..., 0], position[..., 1]
    turned = [x * c + y * s, y * c - x * s, *position.unbind(-1)[2:]]
    return torch.stack(turned, dim=-1)
