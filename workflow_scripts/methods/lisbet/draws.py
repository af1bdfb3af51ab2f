"""What every window is cut from: random numbers that hang on (seed, epoch, step, task) alone.

A *plan* holds a few integers per window. Neither the number of workers nor a resumption changes it, and the windows
themselves are gathered from it where the model is (:mod:`.windows`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.methods.lisbet.config import Config
from workflow_scripts.methods.lisbet.store import UNLABELLED, Frames, IntArray

TRAIN, VALIDATE, CHOOSE, AUGMENT = range(4)
"""Streams of random numbers of one seed."""
TASK_NUMBERS = {"order": 0, "cons": 1, "warp": 2, "shift": 3, "geom": 4, "multiclass": 5, "multilabel": 6}


def generator(seed: int, stream: int, epoch: int, step: int, task: int) -> np.random.Generator:
    """Return the generator of one task in one step (Philox, whose state is just these numbers)."""
    return np.random.Generator(np.random.Philox(key=[seed, stream], counter=[0, task, step, epoch]))


@dataclass(frozen=True)
class Plan:
    """Where the windows of one task in one step come from; rows are those of :class:`Frames`.

    Token j of a window is at ``(first if j < cut else second) + j * step``, for individuals from `split` on at
    ``partner + j * step``; between rows, values are interpolated linearly.

    Attributes
    ----------
    first, second, partner : ndarray, float64, shape (windows,)
    step : ndarray, float64, shape (windows,)
        Rows per token.
    cut, split : ndarray of int, shape (windows,)
    label : ndarray, shape (windows,) or (windows, classes)
        float32 for binary tasks, int64 for classes.
    whole : bool
        True where every row is an integer.
    """

    first: npt.NDArray[np.float64]
    second: npt.NDArray[np.float64]
    partner: npt.NDArray[np.float64]
    step: npt.NDArray[np.float64]
    cut: IntArray
    split: IntArray
    label: npt.NDArray[np.generic]
    whole: bool


class Domain:
    """Target frames a task may draw, numbered 0, 1, 2 … over all records.

    Parameters
    ----------
    lows, highs : ndarray of int, shape (records,)
        First and last eligible row of each record; a record with ``high < low`` has none.
    rows : ndarray of int, optional
        Eligible rows, where they are no ranges (labelled frames).
    """

    def __init__(self, lows: IntArray, highs: IntArray, rows: IntArray | None = None) -> None:
        self.lows, self.highs, self.rows = lows, highs, rows
        sizes = np.maximum(highs - lows + 1, 0)
        self.offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self.count = len(rows) if rows is not None else int(self.offsets[-1])

    def row(self, index: IntArray) -> tuple[IntArray, IntArray]:
        """Return row and record of eligible frames."""
        if self.rows is not None:
            rows = self.rows[index]
            return rows, np.searchsorted(self.lows, rows, side="right") - 1
        record = np.searchsorted(self.offsets, index, side="right") - 1
        return self.lows[record] + index - self.offsets[record], record


def _whole(config: Config) -> tuple[int, int]:
    """Rows of a window up to its target frame, and after it."""
    return max(2, round(config.fps_scaling * config.window_size)), round(config.fps_scaling * config.window_offset)


def spans(config: Config, task: str) -> tuple[int, int]:
    """Rows a task's window needs before (the target included) and after its target frame."""
    span, offset = _whole(config)
    if task == "warp":
        return int(np.ceil(span * (1 + config.warp_max))), offset
    if task == "order" and config.order_cut == "half":
        return max(2, round(config.fps_scaling * (config.window_size - config.window_size // 2))), offset
    return span, offset


def needed(config: Config, task: str, *, labelled: bool = False) -> int:
    """Frames a recording needs for a task, `labelled` where it is one of the labels."""
    inside = config.window_sampling == "inside"
    need = sum(spans(config, task)) if inside and not labelled else 1
    # strict order needs a frame on either side of the target, balanced shift one more.
    strict = task == "order" and config.negatives == "strict"
    return need + (2 if strict else 1 if task == "shift" and inside else 0)


class Drawer:
    """Draws the plans of one set of records.

    Parameters
    ----------
    frames : Frames
    config : Config
        Settled.
    label_columns : dict of str to tuple of int
        Columns of `frames.labels` by supervised task.
    side : str
        What the records are for, in the words of a refusal.

    Raises
    ------
    EthoMakeError
        Before any training, when a task cannot be drawn from these records.
    """

    def __init__(
        self,
        frames: Frames,
        config: Config,
        label_columns: dict[str, tuple[int, ...]] | None = None,
        side: str = "training",
    ) -> None:
        self.frames, self.config, self.side = frames, config, side
        self.window = config.window_size
        self.span, self.offset = _whole(config)
        self.inside = config.window_sampling == "inside"
        self.label_columns = label_columns or {}
        self.tasks = [task for task in config.task_ids if task not in {"multiclass", "multilabel"}]
        self.tasks += list(self.label_columns)
        self._individuals = frames.values.shape[1]
        self.domains = {task: self._domain(task) for task in self.tasks}
        self._refuse()

    def _domain(self, task: str) -> Domain:
        frames = self.frames
        if task in self.label_columns:
            columns = list(self.label_columns[task])
            kept = np.zeros(len(frames.valid), bool)
            for start, stop in zip(frames.starts, frames.stops, strict=True):
                kept[start:stop] = (frames.labels[start:stop, columns] != UNLABELLED).all(axis=1)
            return Domain(frames.starts, frames.stops - 1, np.flatnonzero(kept))
        before, after = spans(self.config, task)
        if self.inside:
            return Domain(frames.starts + before - 1 - after, frames.stops - 1 - after)
        return Domain(frames.starts, frames.stops - 1)

    def _refuse(self) -> None:
        frames, records = self.frames, len(self.frames.ids)
        for task in self.tasks:
            if task in {"cons", "shift"} and self._individuals < 2:
                raise EthoMakeError(f"The task {task} needs at least two individuals, and these tracks have one.")
            alone = task == "cons" or (task == "order" and self.config.negatives == "paper")
            if alone and records < 2:
                raise EthoMakeError(
                    f"The task {task} takes partners from another recording, and there is one {self.side} recording "
                    f"alone ({frames.ids[0]!r}); add recordings, or leave the task out"
                    f"{' or choose negatives: strict' if task == 'order' else ''}."
                )
            if task in self.label_columns and not self.domains[task].count:
                raise EthoMakeError(
                    f"The task {task} needs labelled frames, and the {self.side} recordings have none; leave it out."
                )
            need = needed(self.config, task, labelled=task in self.label_columns)
            lengths = frames.stops - frames.starts
            if lengths.min() < need:
                short = int(lengths.argmin())
                raise EthoMakeError(
                    f"Recording {frames.ids[short]!r} has {lengths[short]} frames, and a window of the task {task} "
                    f"needs {need}; leave it out, lower window_size or choose window_sampling: any."
                )

    @property
    def smallest(self) -> int:
        """Eligible frames of the task that has fewest."""
        return min(domain.count for domain in self.domains.values())

    def choose(self, task: str, seed: int, epoch: int, n: int) -> IntArray:
        """Choose the target frames of an epoch, each at most once, in random order."""
        rng = generator(seed, CHOOSE, epoch, 0, self._number(task))
        index: IntArray = rng.choice(self.domains[task].count, n, replace=False)
        return index

    def _number(self, task: str) -> int:
        # Several supervised heads: 'multiclass_S1', numbered after the plain tasks.
        plain = task.split("_")[0]
        return TASK_NUMBERS[plain] + (8 + list(self.label_columns).index(task) if "_" in task else 0)

    def plan(
        self, task: str, seed: int, stream: int, epoch: int, step: int, size: int, chosen: IntArray | None = None
    ) -> Plan:
        """Draw one task's part of a step.

        Parameters
        ----------
        task : str
        seed, stream, epoch, step : int
            All that the draw hangs on.
        size : int
            Number of windows.
        chosen : ndarray of int, optional
            Numbers of the target frames; drawn with replacement where not given.
        """
        rng = generator(seed, stream, epoch, step, self._number(task))
        index = rng.integers(0, self.domains[task].count, size) if chosen is None else chosen
        row, record = self.domains[task].row(index)
        if task in self.label_columns:
            label = self.frames.labels[row][:, list(self.label_columns[task])]
            single = task.split("_")[0] == "multiclass"
            return self._plan(row, label=label[:, 0].astype(np.int64) if single else label.astype(np.float32))
        draw: Callable[..., Plan] = getattr(self, f"_{task}")
        return draw(rng, index, row, record)

    def _plan(
        self,
        row: IntArray,
        *,
        label: npt.NDArray[np.generic],
        span: npt.NDArray[np.generic] | None = None,
        **other: npt.NDArray[np.generic],
    ) -> Plan:
        n = len(row)
        length = np.full(n, float(self.span)) if span is None else span.astype(np.float64)
        step = (length - 1) / (self.window - 1)
        first = row + self.offset - (length - 1)
        nothing = np.full(n, self.window), np.full(n, self._individuals)
        plan = {"second": first, "partner": first, "cut": nothing[0], "split": nothing[1], "step": step}
        plan |= {"first": first, "label": label} | other
        whole = bool((plan["step"] == 1).all())
        return Plan(**{field.name: plan[field.name] for field in fields(Plan) if field.name != "whole"}, whole=whole)

    def _split(self, rng: np.random.Generator, n: int) -> IntArray:
        return rng.integers(1, self._individuals, n)

    def _cons(self, rng: np.random.Generator, index: IntArray, row: IntArray, record: IntArray) -> Plan:
        domain, n = self.domains["cons"], len(row)
        swapped = rng.random(n) < 0.5
        # Uniform over all frames but the record's own: number those that are left, and step over the gap.
        own, after = domain.offsets[record], domain.offsets[record + 1]
        other = rng.integers(0, domain.count - (after - own))
        other = np.where(other >= own, other + after - own, other)
        partner = domain.row(other)[0] + self.offset - (self.span - 1.0)
        split = np.where(swapped, self._split(rng, n), self._individuals)
        return self._plan(row, label=swapped.astype(np.float32), partner=partner, split=split)

    def _shift(self, rng: np.random.Generator, index: IntArray, row: IntArray, record: IntArray) -> Plan:
        domain, n, reach = self.domains["shift"], len(row), self.config.shift_max
        low, high = domain.lows[record], domain.highs[record]
        if self.inside:
            # A fair coin, free of the record's ends: draw the earlier frame and the distance, then who is which.
            distance = rng.integers(1, np.minimum(reach, high - low) + 1)
            early = np.minimum(row, high - distance)
            later = rng.random(n) < 0.5
            row, other = np.where(later, early, early + distance), np.where(later, early + distance, early)
        else:
            other = rng.integers(np.maximum(row - reach, low), np.minimum(row + reach, high + 1))
        partner = other + self.offset - (self.span - 1.0)
        return self._plan(row, label=(other > row).astype(np.float32), partner=partner, split=self._split(rng, n))

    def _warp(self, rng: np.random.Generator, index: IntArray, row: IntArray, record: IntArray) -> Plan:
        speed = rng.uniform(1 - self.config.warp_max, 1 + self.config.warp_max, len(row))
        span = np.maximum(np.rint(speed * self.config.fps_scaling * self.window), 2)
        return self._plan(row, label=(speed > 1).astype(np.float32), span=span)

    def _geom(self, rng: np.random.Generator, index: IntArray, row: IntArray, record: IntArray) -> Plan:
        return self._plan(row, label=np.zeros(len(row), np.float32))

    def _order(self, rng: np.random.Generator, index: IntArray, row: IntArray, record: IntArray) -> Plan:
        domain, n = self.domains["order"], len(row)
        low, high = domain.lows[record], domain.highs[record]
        follows = rng.random(n) < 0.5
        if self.config.negatives == "paper":
            later = rng.integers(row, high + 1)
            # Everything but this record from the target frame on.
            rest = domain.offsets[record + 1] - index
            other = rng.integers(0, np.maximum(domain.count - rest, 1))
            elsewhere = domain.row(np.where(other >= index, other + rest, other) % domain.count)[0]
            second = np.where(follows, later, elsewhere)
        else:
            # Either side must have a frame, so the ends of a record are no targets.
            row = np.clip(row, low + 1, high - 1)
            reach = self.config.order_reach or self.span
            distance = rng.integers(1, np.minimum(np.where(follows, high - row, row - low), reach) + 1)
            second = np.where(follows, row + distance, row - distance)
        label = follows.astype(np.float32)
        if self.config.order_cut == "half":
            half = self.window // 2
            step = np.full(n, (spans(self.config, "order")[0] - 1) / max(self.window - half - 1, 1))
            # Each half ends `offset` frames after its own frame, as whole windows do.
            ends = row + self.offset, second + self.offset
            starts = {"first": ends[0] - (half - 1) * step, "second": ends[1] - (self.window - 1) * step}
            return self._plan(row, label=label, cut=np.full(n, half), step=step, **starts)
        cut = rng.integers(1, self.window, n)
        start = second + self.offset - (self.span - 1.0)
        return self._plan(row, label=label, second=start, cut=cut)
