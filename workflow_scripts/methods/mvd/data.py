"""Which windows train, what they are labelled with, and which videos validate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.formats.clips import Clip, ClipRecording
from workflow_scripts.methods.mvd.config import Config
from workflow_scripts.methods.mvd.sizes import TUBELET
from workflow_scripts.methods.mvd.store import FrameStore
from workflow_scripts.training.model import TrainingData
from workflow_scripts.views.clips import ClipSpec, ClipView

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


def background_of(vocabulary: Sequence[str], configured: str | None, card: str | None) -> int | None:
    """Index of the class that has no bouts, the configured one before the card's; None where every class has.

    Parameters
    ----------
    vocabulary : sequence of str
    given : str or None
        What the options say.
    stated : str or None
        What the dataset's card or its labels say.

    Raises
    ------
    EthoMakeError
        When the class is not in the vocabulary.
    """
    name = configured or card
    if name is None:
        return None
    if name not in vocabulary:
        raise EthoMakeError(f"methods.mvd.background: there is no class {name!r} among {', '.join(vocabulary)}.")
    return list(vocabulary).index(name)


def one_hot(recording: ClipRecording, task: str | None, classes: int) -> FloatArray:
    """Classes of every frame, (time, classes); a row of zeros where nobody labelled."""
    labels = recording.labels.get(task or "")
    rows = np.zeros((recording.n_frames, classes), np.float32)
    if labels is not None:
        known = np.flatnonzero(labels.mask)
        rows[known, labels.values[known].astype(np.int64)] = 1
    return rows


def moment_targets(rows: FloatArray, covered: IntArray, steps: int) -> tuple[FloatArray, FloatArray]:
    """Share of each class in the labelled frames of each moment.

    Parameters
    ----------
    rows : ndarray, shape (time, classes)
        Of :func:`one_hot`.
    covered : ndarray of int, shape (span,)
        Video frames under the window; those past the end are nobody's.
    steps : int
        Moments, equally long.

    Returns
    -------
    targets : ndarray, shape (steps, classes)
    weights : ndarray, shape (steps,)
        Share of the moment's frames that are labelled.
    """
    inside = (covered >= 0) & (covered < len(rows))
    found = rows[np.clip(covered, 0, len(rows) - 1)] * inside[:, None]
    summed = found.reshape(steps, -1, rows.shape[1]).sum(axis=1)
    labelled = summed.sum(axis=1)
    return summed / np.maximum(labelled, 1)[:, None], (labelled / (len(covered) / steps)).astype(np.float32)


@dataclass(frozen=True)
class Drawn:
    """A window to read: video frames, and what it shows."""

    video: int
    numbers: IntArray
    targets: FloatArray
    weights: FloatArray


class Windows(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """Batches of an epoch: pixels (n, frames, side, side, 3), targets (n, steps, classes), weights (n, steps).

    Batch `k` of an epoch hangs on (seed, epoch, k) alone, whichever process prepares it.

    Parameters
    ----------
    store : FrameStore
    clips : list of Clip
        Clips of the stored videos.
    config : Config
        Filled.
    vocabulary : sequence of str
    """

    def __init__(self, store: FrameStore, clips: list[Clip], config: Config, vocabulary: Sequence[str]) -> None:
        self.store, self.config = store, config
        self.epoch = 0
        place = {recording.id: k for k, recording in enumerate(store.recordings)}
        code = {name: k for k, name in enumerate(vocabulary)}
        self.rows = [one_hot(recording, config.task, len(vocabulary)) for recording in store.recordings]
        self.steps = config.num_frames // TUBELET if config.head == "tubelet" else 1
        clips = [clip for clip in clips if clip.stop > clip.start]
        if not clips:
            raise EthoMakeError("The training videos hold no clip; label some bouts or choose another split.")
        unknown = sorted({clip.label for clip in clips} - set(code))
        if unknown:
            raise EthoMakeError(f"The clips show classes the labels do not know: {', '.join(unknown)}.")
        self.video = np.array([place[clip.video] for clip in clips])
        self.start = np.array([clip.start for clip in clips], np.int64)
        self.stop = np.array([clip.stop for clip in clips], np.int64)
        self.code = np.array([code[clip.label] for clip in clips])
        share = np.bincount(self.code, minlength=len(vocabulary)) / len(clips)
        chance = share[self.code] ** -float(config.class_balance or 0.0)
        self.chance = chance / chance.sum()
        self.total = config.samples or len(clips)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch to be drawn (called by the training loop)."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.total // self.config.batch)

    def _context(self, clip: int, rng: np.random.Generator) -> Drawn:
        """Draw a window of the video that holds a frame of the clip, at any place in it."""
        video, span, rate = int(self.video[clip]), self.config.span, self.config.sampling_rate
        anchor = int(rng.integers(self.start[clip], self.stop[clip]))
        last = max(0, len(self.rows[video]) - span)
        first = int(np.clip(anchor - rng.integers(0, span), 0, last))
        covered = np.arange(first, first + span)
        targets, weights = moment_targets(self.rows[video], covered, self.steps)
        return Drawn(video, covered[::rate], targets, weights)

    def _inside(self, clip: int, rng: np.random.Generator) -> Drawn:
        """Draw a window within the clip, as published: a short clip is spread, then its last frame repeated."""
        video, count, rate = int(self.video[clip]), self.config.num_frames, self.config.sampling_rate
        start, length = int(self.start[clip]), int(self.stop[clip] - self.start[clip])
        if length <= self.config.span:
            places = np.linspace(0, length, max(length // rate, 1))
            places = np.concatenate([places, np.full(max(0, count - len(places)), length)])[:count]
        else:
            first = int(rng.integers(0, length - self.config.span + 1))
            places = np.linspace(first, first + self.config.span, count)
        numbers = start + np.clip(places, 0, length - 1).astype(np.int64)
        targets = np.zeros((self.steps, self.rows[video].shape[1]), np.float32)
        targets[:, self.code[clip]] = 1
        return Drawn(video, numbers, targets, np.ones(self.steps, np.float32))

    def __getitem__(self, batch: int) -> tuple[Tensor, Tensor, Tensor]:
        rng = np.random.default_rng([self.config.seed, self.epoch, batch])
        chosen = rng.choice(len(self.code), min(self.config.batch, self.total), p=self.chance)
        draw = self._inside if self.config.windows == "clip" else self._context
        drawn = [draw(int(clip), rng) for clip in chosen]
        sides = {self.store.sides[item.video] for item in drawn}
        if len(sides) > 1:
            raise EthoMakeError(f"The crop videos differ in size ({sorted(sides)} pixels); make them alike.")
        pixels = torch.stack([self.store.frames(item.video, item.numbers) for item in drawn])
        targets = torch.from_numpy(np.stack([item.targets for item in drawn]))
        weights = torch.from_numpy(np.stack([item.weights for item in drawn]))
        times = self.config.repeats or 1
        return pixels.repeat(times, 1, 1, 1, 1), targets.repeat(times, 1, 1), weights.repeat(times, 1)

    def class_weights(self, power: float) -> FloatArray:
        """Weights of the classes in the loss: inverse frequency over labelled frames to a power, their mean 1."""
        counts = np.maximum(np.concatenate(self.rows).sum(axis=0), 1)
        weights = (counts.sum() / counts) ** power
        return np.asarray(weights / weights.mean(), np.float32)


class Numbers(Dataset[int]):
    """The whole numbers below `count`: validation batches are the numbers of videos."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> int:
        return index


def divide(view: ClipView, config: Config) -> tuple[list[ClipRecording], list[ClipRecording]]:
    """Training and validation videos: those of the split, or a seeded part of the training groups held out.

    Raises
    ------
    EthoMakeError
        When one group alone is there to train on and none to validate.
    """
    train, validation = list(view.train()), list(view.validation())
    if validation or not config.validation_fraction:
        return train, validation
    groups = sorted({recording.group for recording in train})
    if len(groups) < 2:
        raise EthoMakeError(f"All training videos are of {groups[0]!r}; validation needs a second animal or video.")
    count = min(max(1, round(config.validation_fraction * len(groups))), len(groups) - 1)
    held = _held_out(train, groups, count, config)
    return [r for r in train if r.group not in held], [r for r in train if r.group in held]


def _held_out(train: list[ClipRecording], groups: list[str], count: int, config: Config) -> set[str]:
    """Choose the groups whose classes together are most like those of all: of seeded draws the best one."""
    classes = next((len(r.labels[config.task].vocabulary) for r in train if config.task in r.labels), 1)
    frames = {group: np.zeros(classes) for group in groups}
    for recording in train:
        frames[recording.group] += one_hot(recording, config.task, classes).sum(axis=0)
    whole = sum(frames.values(), np.zeros(classes))
    rng = np.random.default_rng([config.seed, 7])
    draws: list[list[str]] = [rng.choice(groups, count, replace=False).tolist() for _ in range(50)]

    def worst(draw: Iterable[str]) -> float:
        share = sum((frames[group] for group in draw), np.zeros(classes)) / np.maximum(whole, 1)
        known = share[whole > 0]
        # A class that only one side shows can neither be learnt nor tuned.
        return float(np.minimum(known, 1 - known).min())

    return set(max(draws, key=worst))


class ClipData(TrainingData):
    """Training windows and validation videos of one split.

    Parameters
    ----------
    view : ClipView
    config : Config
        Filled.
    """

    def __init__(self, view: ClipView, config: Config) -> None:
        self.spec: ClipSpec = view.spec()
        self.config = config = config.resolved(vocabularies=self.spec.vocabularies)
        distil = config.objective == "distil"
        if not distil and config.task not in self.spec.vocabularies:
            found = ", ".join(self.spec.vocabularies) or "none at all"
            raise EthoMakeError(f"methods.mvd.task: the videos have no labels {config.task!r}, but {found}.")
        train, validation = divide(view, config)
        self.store = FrameStore(train, config.side, config.cache_mb)
        self.held = FrameStore(validation, config.side, config.cache_mb)
        vocabulary = self.spec.vocabularies.get(config.task or "", ("",))
        if distil:  # what is seen anywhere teaches
            clips = [Clip(item.id, 0, item.n_frames, vocabulary[0], "idle") for item in train]
        else:
            clips = view.clips(config.mode, [recording.id for recording in train])
            clips = [clip for clip in clips if clip.task == config.task]
        self.windows = Windows(self.store, clips, config, vocabulary)

    def train_dataloader(self) -> DataLoader[tuple[Tensor, Tensor, Tensor]]:
        """Return the batches, whole; what is drawn on pixels is drawn in the training step, on the device."""
        return DataLoader(self.windows, batch_size=None, num_workers=self.config.workers)

    def val_dataloader(self) -> DataLoader[int] | None:
        """Return the numbers of the validation videos, through each of which the model streams; None without any."""
        if not self.held.recordings:
            return None
        return DataLoader(Numbers(len(self.held.recordings)), batch_size=None)
