"""Sliding windows over a video that is read once: a ring of frames, batches of windows, averages over overlaps."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from workflow_scripts.formats.clips import ClipRecording
from workflow_scripts.methods.mvd.augment import MEAN, MOTION_SCALE, STD, normalise, resize, to_float
from workflow_scripts.methods.mvd.config import Config
from workflow_scripts.methods.mvd.store import CHUNK, shrink, stored_side

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Slider:
    """How windows slide.

    Attributes
    ----------
    num_frames, rate : int
        Sampled frames of a window, and video frames between them.
    stride : int
        Video frames between windows.
    side : int
        Side of the network's input in pixels.
    batch : int
        Windows a forward pass.
    motion : bool
        Whether the network has a channel of motion.
    tail : bool
        Score the end of the video too, with a last window that is shifted back (or, in a video shorter than a window,
        whose last frame is repeated); the published tool leaves it out.
    """

    num_frames: int
    rate: int
    stride: int
    side: int
    batch: int = 16
    motion: bool = False
    tail: bool = True

    @property
    def span(self) -> int:
        """Video frames of a window."""
        return self.num_frames * self.rate

    def windows(self, chunks: Iterable[Tensor]) -> Iterator[tuple[int, Tensor]]:
        """Yield (first frame, input (channel, num_frames, side, side)) of a stream of chunks of bytes (n, h, w, 3).

        Only the frames of one window are held, and each is made ready once however many windows it is in.
        """
        ring: deque[Tensor] = deque(maxlen=self.span)
        seen, last = 0, -1
        for frames in self._ready(chunks):
            for frame in frames.unbind(0):
                ring.append(frame)
                seen += 1
                first = seen - self.span
                if first >= 0 and first % self.stride == 0:
                    last = first
                    yield first, self._sample(ring)
        if self.tail and seen and last != max(0, seen - self.span):
            yield max(0, seen - self.span), self._sample(ring)

    def _ready(self, chunks: Iterable[Tensor]) -> Iterator[Tensor]:
        """Resize and normalise frames; the fourth channel is the change since the sampled frame before."""
        lead: Tensor | None = None
        for chunk in chunks:
            frames = resize(to_float(chunk[:, None]), self.side)
            scaled = normalise(frames, motion=False)[:, :, 0]
            if self.motion:
                grey = frames[:, :, 0].mean(dim=1, keepdim=True)
                # The first frames have none before them; they only ever stand first in a window.
                greys = torch.cat([grey[:1].expand(self.rate, -1, -1, -1) if lead is None else lead, grey])
                lead = greys[-self.rate :]
                scaled = torch.cat([scaled, (grey - greys[: len(grey)]).abs() / MOTION_SCALE], dim=1)
            yield scaled

    def _sample(self, ring: deque[Tensor]) -> Tensor:
        kept = list(ring)
        video = torch.stack([kept[min(k, len(kept) - 1)] for k in range(0, self.span, self.rate)], dim=1)
        if self.motion and len(kept) < self.span:  # the end is repeated: the change is that of the repeated frames
            mean, std = (video.new_tensor(values).view(1, 3, 1, 1, 1) for values in (MEAN, STD))
            return normalise(video[None, :3] * std + mean, motion=True)[0]
        if self.motion:
            video[3, 0] = video[3, 1]
        return video

    def batches(self, chunks: Iterable[Tensor]) -> Iterator[tuple[list[int], Tensor]]:
        """Yield (first frames, network input (n, channel, num_frames, side, side)) in batches."""
        firsts: list[int] = []
        frames: list[Tensor] = []
        for first, window in self.windows(chunks):
            firsts.append(first)
            frames.append(window)
            if len(firsts) == self.batch:
                yield firsts, torch.stack(frames)
                firsts, frames = [], []
        if firsts:
            yield firsts, torch.stack(frames)


def make_slider(config: Config) -> Slider:
    """Return the slider of (filled) options."""
    return Slider(
        config.num_frames,
        config.sampling_rate,
        config.stride,
        config.side,
        config.infer_batch,
        config.motion,
        tail=config.decision != "merge",
    )


class Overlap:
    """Weighted mean, over the windows that cover a frame, of what each says about its moment.

    A moment in the middle of its window has seen as much before as after; those at the ends count less.

    Parameters
    ----------
    length : int
        Frames of the video.
    span : int
        Frames of a window.
    """

    def __init__(self, length: int, span: int) -> None:
        self.length, self.span = length, span
        middle = (np.arange(span) + 0.5) / span
        self.taper = (0.1 + np.sin(np.pi * middle) ** 2).astype(np.float32)
        self.weight = np.zeros(length, np.float32)
        self.total: FloatArray | None = None

    def add(self, first: int, moments: FloatArray) -> None:
        """Take in one window's moments, shape (steps, n)."""
        if self.total is None:
            self.total = np.zeros((self.length, moments.shape[1]), np.float32)
        until = min(self.length, first + self.span)
        frames = np.repeat(moments, self.span // len(moments), axis=0)[: until - first]
        taper = self.taper[: until - first]
        self.total[first:until] += frames * taper[:, None]
        self.weight[first:until] += taper

    def mean(self, width: int) -> FloatArray:
        """Return the means (time, n); frames that no window covers are zero."""
        if self.total is None:
            return np.zeros((self.length, width), np.float32)
        return np.asarray(self.total / np.maximum(self.weight, 1e-8)[:, None], np.float32)


def read_chunks(recording: ClipRecording, side: int) -> Iterator[Tensor]:
    """Decode a crop video once, in order, as shrunk chunks (n, side, side, 3)."""
    kept = stored_side(recording.size, side)
    with recording.open() as video:
        chunk: list[npt.NDArray[np.uint8]] = []
        for _, frame in video.iterate():
            chunk.append(frame)
            if len(chunk) == CHUNK:
                yield shrink(np.stack(chunk), kept)
                chunk = []
        if chunk:
            yield shrink(np.stack(chunk), kept)


@dataclass(frozen=True)
class Windowed:
    """What a network says about one video.

    Attributes
    ----------
    starts : ndarray of int, shape (windows,)
    windows : ndarray, shape (windows, n)
        The mean of each window's moments.
    frames : ndarray, float32, shape (time, n)
        Averaged over the windows that cover each frame.
    """

    starts: npt.NDArray[np.int64]
    windows: FloatArray
    frames: FloatArray


@torch.inference_mode()
def slide(
    answer: Callable[[Tensor], Tensor], chunks: Iterable[Tensor], length: int, slider: Slider, device: torch.device
) -> Windowed:
    """Slide over a video.

    Parameters
    ----------
    answer : callable
        Network: (n, channel, time, side, side) → (n, steps, width).
    chunks : iterable of Tensor
        The video's frames in order.
    length : int
        Frames of the video.
    slider : Slider
    device : torch.device
    """
    overlap = Overlap(length, slider.span)
    starts: list[int] = []
    means: list[FloatArray] = []
    for firsts, windows in slider.batches(chunk.to(device) for chunk in chunks):
        said = answer(windows).float().cpu().numpy()
        for first, moments in zip(firsts, said, strict=True):
            overlap.add(first, moments)
        starts += firsts
        means.append(said.mean(axis=1))
    width = means[0].shape[1] if means else 0
    by_window = np.concatenate(means) if means else np.zeros((0, width), np.float32)
    return Windowed(np.array(starts, np.int64), by_window, overlap.mean(width))
