"""Sliding windows over a video that is read once: tubes embedded once, batches of windows, averages over overlaps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from workflow_scripts.formats.clips import ClipRecording
from workflow_scripts.methods.mvd.augment import normalise, resize, to_float
from workflow_scripts.methods.mvd.config import Config
from workflow_scripts.methods.mvd.sizes import TUBELET
from workflow_scripts.methods.mvd.store import CHUNK, shrink, stored_side
from workflow_scripts.training.devices import batch_of

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

    @property
    def steps(self) -> int:
        """Tubes of a window."""
        return self.num_frames // TUBELET

    def batches(
        self, chunks: Iterable[Tensor], embed: Callable[[Tensor], Tensor]
    ) -> Iterator[tuple[list[int], Tensor]]:
        """Yield windows of a stream in batches, each tube of two sampled frames embedded once however many hold it.

        Windows share tubes where the stride is a multiple of a tube's video frames, as it is by default.

        Parameters
        ----------
        chunks : iterable of Tensor
            Bytes (n, height, width, 3) in order; only the frames under one batch of windows are held.
        embed : callable
            Pixels (m, channel, 2, side, side), normalised → (m, ...).

        Yields
        ------
        list of int
            First frames of the windows.
        Tensor, shape (n, steps, ...)
        """
        held = torch.zeros(0)
        base = seen = 0
        start, firsts = 0, list[int]()
        tubes: dict[tuple[int, bool], Tensor] = {}

        def ready() -> Tensor:
            keys = [
                (first + k * TUBELET * self.rate, self.motion and k == 0) for first in firsts for k in range(self.steps)
            ]
            missing = [key for key in dict.fromkeys(keys) if key not in tubes]
            for opens in (False, True):
                places = [place for place, opening in missing if opening == opens]
                if places:
                    found = embed(self._pixels(held, np.array(places), base, seen - 1, opens=opens))
                    tubes.update(zip([(place, opens) for place in places], found, strict=True))
            whole = torch.stack([tubes[key] for key in keys])
            return whole.view(len(firsts), self.steps, *whole.shape[1:])

        for chunk in chunks:
            frames = resize(to_float(chunk[:, None]), self.side)[:, :, 0]
            held = torch.cat([held, frames]) if len(held) else frames
            seen += len(chunk)
            while start + self.span <= seen:
                firsts.append(start)
                start += self.stride
                if len(firsts) == self.batch:
                    yield firsts, ready()
                    firsts = []
                    keep = min(start, seen - self.span)  # the last window is shifted back
                    tubes = {key: tube for key, tube in tubes.items() if key[0] >= keep}
                    held, base = held[keep - base :], keep
        last = max(0, seen - self.span)
        if self.tail and seen and last != start - self.stride:
            firsts.append(last)
        if firsts:
            yield firsts, ready()

    def _pixels(self, held: Tensor, places: npt.NDArray[np.int64], base: int, last: int, *, opens: bool) -> Tensor:
        """Return the tubes (m, channel, 2, side, side) that begin at some frames; frames past the last mean the last.

        The channel of motion needs the sampled frame before, but for the tube that opens a window.
        """
        before = [-self.rate] if self.motion and not opens else []
        numbers = np.minimum(places[:, None] + np.array([*before, 0, self.rate]), last) - base
        video = held[torch.from_numpy(numbers)].transpose(1, 2)
        return normalise(video, motion=self.motion)[:, :, len(before) :]


def make_slider(config: Config) -> Slider:
    """Return the slider of (filled) options."""
    return Slider(
        config.num_frames,
        config.sampling_rate,
        config.stride,
        config.side,
        batch_of(config.infer_batch),
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
    embed: Callable[[Tensor], Tensor],
    answer: Callable[[Tensor], Tensor],
    chunks: Iterable[Tensor],
    length: int,
    slider: Slider,
    device: torch.device,
) -> Windowed:
    """Slide over a video.

    Parameters
    ----------
    embed : callable
        Tubes of pixels (m, channel, 2, side, side) → (m, tokens, dim).
    answer : callable
        Tubes of windows (n, steps, tokens, dim) → (n, steps, width).
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
    for firsts, windows in slider.batches((chunk.to(device) for chunk in chunks), embed):
        said = answer(windows).float().cpu().numpy()
        for first, moments in zip(firsts, said, strict=True):
            overlap.add(first, moments)
        starts += firsts
        means.append(said.mean(axis=1))
    width = means[0].shape[1] if means else 0
    by_window = np.concatenate(means) if means else np.zeros((0, width), np.float32)
    return Windowed(np.array(starts, np.int64), by_window, overlap.mean(width))
