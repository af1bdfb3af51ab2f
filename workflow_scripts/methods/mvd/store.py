"""Frames of crop videos, decoded once and shrunk, or read as they are needed where they do not fit into memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from workflow_scripts.formats.clips import ClipRecording, ClipVideo
from workflow_scripts.methods.mvd.augment import resize

MARGIN = 8 / 7
"""Stored frames are larger than the network's input by this, so that a crop of one still has its resolution."""

CHUNK = 64
"""Frames shrunk at a time."""


def stored_side(source: int, side: int) -> int:
    """Side at which frames are kept: never larger than the source."""
    return min(source, round(side * MARGIN))


def shrink(frames: npt.NDArray[np.uint8], side: int) -> Tensor:
    """Resize bytes (n, height, width, 3) to (n, side, side, 3), rounded to bytes."""
    video = torch.from_numpy(frames)
    if tuple(video.shape[1:3]) == (side, side):
        return video
    # One channel of the resizing's time axis is enough: frames stand for samples here.
    found = resize(video.permute(0, 3, 1, 2).float()[:, :, None], side)[:, :, 0]
    return found.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


class FrameStore:
    """Random access to the shrunk frames of some videos.

    Parameters
    ----------
    recordings : sequence of ClipRecording
    side : int
        Side of the network's input in pixels.
    cache_mb : int
        Decode everything now if it fits into this many megabytes.
    """

    def __init__(self, recordings: Sequence[ClipRecording], side: int, cache_mb: int) -> None:
        self.recordings = list(recordings)
        self.sides = [stored_side(recording.size, side) for recording in self.recordings]
        total = sum(r.n_frames * 3 * s * s for r, s in zip(self.recordings, self.sides, strict=True))
        self._cache: list[Tensor] | None = None
        self._open: dict[int, ClipVideo] = {}
        if total <= cache_mb << 20:
            self._cache = [torch.cat(list(self._decode(k))) for k in range(len(self.recordings))]

    def _decode(self, index: int) -> Iterator[Tensor]:
        chunk: list[npt.NDArray[np.uint8]] = []
        recording = self.recordings[index]
        with recording.open() as video:
            for number, frame in video.iterate():
                chunk.append(frame)
                if len(chunk) == CHUNK or number == recording.n_frames - 1:
                    yield shrink(np.stack(chunk), self.sides[index])
                    chunk = []

    def __getstate__(self) -> dict[str, object]:
        # An open file has one place in it, which two processes must not share.
        return self.__dict__ | {"_open": {}}

    def frames(self, index: int, numbers: npt.NDArray[np.int64]) -> Tensor:
        """Return frames of video `index`, bytes (n, side, side, 3); numbers past its ends mean its end frames."""
        last = self.recordings[index].n_frames - 1
        numbers = np.clip(numbers, 0, last)
        if self._cache is not None:
            return self._cache[index][torch.from_numpy(numbers)]
        if index not in self._open:
            if len(self._open) > 8:
                self._open.pop(next(iter(self._open))).close()
            self._open[index] = self.recordings[index].open()
        return shrink(self._open[index].frames(numbers), self.sides[index])

    def stream(self, index: int) -> Iterator[Tensor]:
        """Yield chunks (n, side, side, 3) of a video in order."""
        if self._cache is None:
            yield from self._decode(index)
        else:
            yield from torch.split(self._cache[index], CHUNK)
