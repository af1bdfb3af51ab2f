"""The data module: frames in one array, plans from the loader, windows gathered beside the model."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.formats.tracks import TracksReader, open_tracks
from workflow_scripts.methods.lisbet.augment import Augmenter, second_view
from workflow_scripts.methods.lisbet.augment_spec import parse_augmentations
from workflow_scripts.methods.lisbet.config import Config
from workflow_scripts.methods.lisbet.draws import AUGMENT, TRAIN, VALIDATE, Drawer, generator, needed
from workflow_scripts.methods.lisbet.inputs import Layout
from workflow_scripts.methods.lisbet.labels import heads
from workflow_scripts.methods.lisbet.store import UNLABELLED, Frames, IntArray, load_frames
from workflow_scripts.methods.lisbet.windows import PlanTensors, Windows, lay_frame
from workflow_scripts.training.distributed import share
from workflow_scripts.training.model import TrainingData
from workflow_scripts.views.tracks import TrackView

log = logging.getLogger("ethomake.lisbet")


def steps_per_epoch(frames: int, batch: int, sample: float | None, *, replacement: bool) -> int:
    """Count the optimiser steps of an epoch.

    Parameters
    ----------
    frames : int
        Eligible frames of the task that has fewest.
    batch : int
        Windows of each task in a step.
    sample : float or None
        Share of the frames used in an epoch; None = all.
    replacement : bool
        False: ``ceil(int(frames · sample) / batch)`` (version 0.3.0); True: ``int(ceil(frames / batch) · sample)``
        (0.4).
    """
    share = 1.0 if sample is None else sample
    if replacement:
        return int(math.ceil(frames / batch) * share)
    return math.ceil(int(frames * share) / batch)


@dataclass(frozen=True)
class Step:
    """What the loader yields: one plan per task, and where the random numbers stand.

    Attributes
    ----------
    plans : dict of str to PlanTensors
    epoch, step, stream : int
    """

    plans: dict[str, PlanTensors]
    epoch: int
    step: int
    stream: int


@dataclass(frozen=True)
class Batch:
    """The windows of all tasks of a step, one after another.

    Attributes
    ----------
    windows : Tensor, shape (windows, token, features)
    valid : Tensor of bool, shape (windows, token), or None
        None where padding is not masked.
    tasks : tuple of str
    sizes : tuple of int
        Windows of each task (both views of `geom`).
    labels : tuple of Tensor
    """

    windows: Tensor
    valid: Tensor | None
    tasks: tuple[str, ...]
    sizes: tuple[int, ...]
    labels: tuple[Tensor, ...]


class Steps:
    """Iterates over the steps of an epoch; the same for the same (seed, epoch), whoever asks.

    Parameters
    ----------
    drawer : Drawer
    config : Config
        Settled.
    sample : float or None
        Share of the frames used.
    stream : int
        `TRAIN`, or `VALIDATE`, whose windows are the same in every epoch.
    """

    def __init__(self, drawer: Drawer, config: Config, sample: float | None, stream: int) -> None:
        self.drawer, self.config, self.stream, self.epoch = drawer, config, stream, 0
        self.replacement = bool(config.replacement)
        self._n = int(drawer.smallest * (1.0 if sample is None else sample))
        self._steps = steps_per_epoch(drawer.smallest, config.batch_size, sample, replacement=self.replacement)
        if self._steps < 1:
            raise EthoMakeError(
                f"{drawer.smallest} eligible frames at a sample of {sample} make no step of {config.batch_size}; "
                "raise train_sample (dev_sample) or use more data."
            )

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose steps are drawn next."""
        self.epoch = epoch if self.stream == TRAIN else 0

    def __len__(self) -> int:
        return self._steps

    @property
    def tasks(self) -> list[str]:
        """Tasks trained in the epoch."""
        labelled, border = self.drawer.label_columns, self.config.border
        if not border or self.stream != TRAIN:
            return self.drawer.tasks
        return [task for task in self.drawer.tasks if (task in labelled) == (self.epoch >= border)]

    def _size(self, task: str) -> int:
        batch = self.config.label_batch if task in self.drawer.label_columns else None
        return batch or self.config.batch_size

    def __iter__(self) -> Iterator[Step]:
        batch, epoch = self.config.batch_size, self.epoch
        # Validation draws from another seed, so that no window is chosen as in training.
        seed = self.config.seed + (0 if self.stream == TRAIN else 1 << 40)
        sizes = {task: self._size(task) for task in self.tasks}
        chosen: dict[str, IntArray] = {}
        if not self.replacement:
            once = [task for task in self.tasks if sizes[task] == batch]
            chosen = {task: self.drawer.choose(task, seed, epoch, self._n) for task in once}
        for step in range(self._steps):
            plans = {}
            for task in self.tasks:
                part = chosen[task][step * batch : (step + 1) * batch] if task in chosen else None
                size = sizes[task] if part is None else len(part)
                plans[task] = PlanTensors.of(self.drawer.plan(task, seed, self.stream, epoch, step, size, part))
            yield Step(plans, epoch, step, self.stream)


class LisbetData(TrainingData):
    """Training and validation windows of one split.

    Parameters
    ----------
    view : TrackView
    config : Config

    Attributes
    ----------
    class_weights : dict of str to Tensor
        Of each supervised head, from the training frames.

    Raises
    ------
    EthoMakeError
        Before training: a single recording for `cons`, recordings all shorter than a window, no labels for supervision,
        recordings of another kind than the first.
    """

    def __init__(self, view: TrackView, config: Config) -> None:
        self.config = config = config.resolved()
        self.spec = view.spec()
        self.layout = Layout.of(self.spec, config)
        self.heads = {head.name: head for head in heads(config, self.spec)}
        names = [label for head in self.heads.values() for label in head.labels]
        columns = {
            name: tuple(names.index(label) for label in head.labels) for name, head in self.heads.items() if head.labels
        }
        with open_tracks(view.path) as reader:
            reader.hidden = view.split.unlabelled
            sides = [self._long_enough(reader, side) for side in (view.split.train, view.split.validation)]
            ids = [identifier for side in sides for identifier in side]
            lengths = [reader.n_frames(identifier) for identifier in ids]
            frames = load_frames((reader.read(identifier) for identifier in ids), lengths, self.spec, config, names)
        train, held_out = self._sides(frames, len(sides[0]))
        self.frames = frames
        self.train_drawer = Drawer(frames.only(train), config, columns)
        self._train_steps = Steps(self.train_drawer, config, config.train_sample, TRAIN)
        dev_drawer = Drawer(frames.only(held_out), config, columns, "held-out") if held_out else None
        self._dev_steps = Steps(dev_drawer, config, config.dev_sample, VALIDATE) if dev_drawer else None
        self.class_weights = {name: self._weights(frames.only(train), name, columns[name]) for name in columns}
        # Augmentations come before the frame of reference is laid, so only the normalisation decides.
        self.unit_square = config.normalise != "body"
        steps = parse_augmentations(config.augmentation)
        blind = config.quantities == "symmetric"
        self.augmenter = Augmenter(steps, self.layout, self.unit_square, blind=blind)
        self._windows: dict[str, Windows] = {}
        log.info("%d frames of %d recordings, %d held out", frames.n_frames, len(ids), len(held_out))

    def _long_enough(self, reader: TracksReader, ids: list[str]) -> list[str]:
        """Leave recordings that no window of a task fits into out of the training, unless none is longer."""
        tasks = [task for task in self.config.task_ids if task not in {"multiclass", "multilabel"}]
        need = max((needed(self.config, task) for task in tasks), default=1)
        lengths = {identifier: reader.n_frames(identifier) for identifier in ids}
        kept = [identifier for identifier in ids if lengths[identifier] >= need]
        short = [f"{identifier} ({lengths[identifier]})" for identifier in ids if identifier not in kept]
        if not kept:
            return ids
        if short:
            log.warning(
                "left out of the training, because a window needs %d frames: %s; they are embedded all the same",
                need,
                ", ".join(short),
            )
        return kept

    def _sides(self, frames: Frames, n_train: int) -> tuple[list[int], list[int]]:
        """Return the numbers of the training and the validation records."""
        train, held_out = list(range(n_train)), list(range(n_train, len(frames.ids)))
        if held_out or self.config.dev_ratio is None:
            return train, held_out
        # The original's second draw is the seed of this split; by group here, so that no animal is on both sides.
        seed = int(np.random.default_rng(self.config.seed).integers(0, 2**32, 2)[1])
        by_group = self.config.mode == "sound"
        keys = [frames.groups[k] if by_group else frames.ids[k] for k in train]
        units = sorted(set(keys), key=keys.index)
        if len(units) < 2:
            raise EthoMakeError(
                f"dev_ratio holds out training {'groups' if by_group else 'recordings'}, and there is one alone "
                f"({units[0]!r}); add recordings or leave dev_ratio out."
            )
        from sklearn.model_selection import train_test_split  # a second to import, for few runs

        _, away = train_test_split(units, test_size=self.config.dev_ratio, random_state=seed)
        side = set(away)
        return [k for k in train if keys[k] not in side], [k for k in train if keys[k] in side]

    def _weights(self, frames: Frames, name: str, columns: tuple[int, ...]) -> Tensor:
        """Balanced weights n / (classes · n_class), or n / (2 · n_positive) per label of a multilabel head."""
        head = self.heads[name]
        if self.config.class_weight == "none":
            return torch.ones(head.outputs)
        parts = [
            frames.labels[start:stop, list(columns)] for start, stop in zip(frames.starts, frames.stops, strict=True)
        ]
        values = np.concatenate(parts)
        values = values[(values != UNLABELLED).all(axis=1)]
        if head.kind == "multilabel":
            positive = (values == 1).sum(axis=0)
            return torch.from_numpy(len(values) / (2 * np.maximum(positive, 1))).float()
        counts = np.bincount(values[:, 0], minlength=head.outputs)[: head.outputs]
        present = counts > 0
        weights = np.where(present, len(values) / (present.sum() * np.maximum(counts, 1)), 0.0)
        return torch.from_numpy(weights).float()

    def train_dataloader(self) -> Steps:
        """Return the steps of training."""
        return self._train_steps

    def val_dataloader(self) -> Steps | None:
        """Return the steps of validation, the same windows each time; None where nothing is held out."""
        return self._dev_steps

    @staticmethod
    def share(batch: Step, rank: int, world: int) -> Step:
        """Return the windows of each task that one of several processes computes on."""
        plans = {task: share(plan, rank, world) for task, plan in batch.plans.items()}
        return Step(plans, batch.epoch, batch.step, batch.stream)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Move the plans, a few integers per window; the frames go to the device once."""
        return Step(
            {task: plan.to(device) for task, plan in batch.plans.items()}, batch.epoch, batch.step, batch.stream
        )

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Batch:
        """Gather the windows where the model is."""
        device = next(iter(batch.plans.values())).first.device
        if str(device) not in self._windows:
            self._windows = {str(device): Windows.of(self.frames, self.layout, self.config, device)}
        return self.assemble(batch, self._windows[str(device)])

    @torch.no_grad()
    def assemble(self, step: Step, source: Windows) -> Batch:
        """Gather, augment (in training) and bring to the frame of reference."""
        windows, valid = source.gather(list(step.plans.values()))
        sizes = [len(plan.first) for plan in step.plans.values()]
        contrast = "geom" in step.plans
        if self.layout.quantities:
            hide_quantities(windows, sizes, list(step.plans), self.layout)
        augmented = self.augmenter.steps and step.stream == TRAIN
        rng = torch.Generator(windows.device)
        if contrast or augmented:
            draw = generator(self.config.seed, AUGMENT + step.stream, step.epoch, step.step, 0)
            rng.manual_seed(int(draw.integers(0, 2**63 - 1)))
        if augmented:
            windows = self.augmenter(windows, valid, rng)
        if contrast:
            windows, valid, sizes = self._add_view(windows, valid, sizes, list(step.plans), rng)
        windows = lay_frame(windows, valid, self.layout, self.config).flatten(2)
        mask = valid if self.config.pad_mask else None
        if mask is not None and mask.device.type == "cpu" and bool(mask.all()):
            mask = None  # attention without a mask is faster; elsewhere looking would stall the device
        labels = tuple(plan.label for plan in step.plans.values())
        return Batch(windows, mask, tuple(step.plans), tuple(sizes), labels)

    def _add_view(
        self, windows: Tensor, valid: Tensor | None, sizes: list[int], tasks: list[str], rng: torch.Generator
    ) -> tuple[Tensor, Tensor | None, list[int]]:
        k = tasks.index("geom")
        parts = list(torch.split(windows, sizes))
        masks = [] if valid is None else list(torch.split(valid, sizes))
        mask = masks[k] if masks else None
        parts[k] = torch.cat([parts[k], second_view(parts[k], mask, self.layout, self.unit_square, rng)])
        if mask is not None:
            masks[k] = torch.cat([mask, mask])
        return torch.cat(parts), torch.cat(masks) if masks else None, [len(part) for part in parts]


def hide_quantities(windows: Tensor, sizes: Sequence[int], tasks: Sequence[str], layout: Layout) -> None:
    """Zero, in place, the quantities that would tell the answer: those of the true partner, or of the unmoved window.

    Parameters
    ----------
    windows : Tensor, shape (windows, token, individual, block)
        Those of all tasks, one after another.
    sizes : sequence of int
        Windows of each task.
    tasks : sequence of str
    layout : Layout
    """
    for task, part in zip(tasks, torch.split(windows, list(sizes)), strict=True):
        if task in {"cons", "shift", "geom"}:
            part[..., layout.tracked :] = 0
