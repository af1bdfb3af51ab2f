"""Boxes around tracked points, from any tracking file the project reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from workflow_scripts.core.arrays import any_nan
from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.core.validation import Strict, nearest
from workflow_scripts.detectors.lookup import Lookup
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.sources import read_tracks
from workflow_scripts.video.metadata import VideoInfo

MAX_MISMATCH = 0.02
"""A table longer or shorter than the video by more than this share of it belongs to another."""


class Options(Strict):
    """Options of the detector `from_tracks`."""

    path: str = Field(description="Tracking file below resources/<dataset>/; list it under the shard's `beside` too.")
    source: str = Field(description="Name of a track source (workflow_scripts/sources).")
    options: dict[str, Any] = Field({}, description="Options of that source.")
    individual: str | None = Field(None, description="Animal to follow; empty = all of them in one box.")
    keypoints: list[str] = Field([], description="Points that make the box; empty = all.")
    min_likelihood: float = Field(0.5, ge=0, le=1)
    min_points: int = Field(2, ge=1, description="Points that must be seen for a box.")
    grow: float = Field(0.25, ge=0, description="The body reaches over its points by this share of the box.")


class Detector(Lookup[Options]):
    """Boxes around tracked points.

    Parameters
    ----------
    options : Options
    folder : Path
        The dataset's folder.
    """

    def __init__(self, options: Options, folder: Path) -> None:
        super().__init__(options, folder, options.path)

    def read(self, info: VideoInfo) -> npt.NDArray[np.float32]:
        """Read the tracks, and refuse those of another video."""
        options = self.options
        recording = next(read_tracks(options.source, self.path, options.options, recording=self.path.stem))
        rows = self._rows(recording, info)
        found = boxes_of(recording, options)
        boxes = np.full((info.n_frames, 5), np.nan, np.float32)
        there = rows < len(found)
        boxes[there] = found[rows[there]]
        return boxes

    def _rows(self, recording: Recording, info: VideoInfo) -> npt.NDArray[np.int64]:
        """Return the row of the table for each frame of the video: of the same number, or of the same time."""
        both = f"{self.path.name} has {recording.n_frames} frames and the video {info.path.name} {info.n_frames}"
        rate = recording.fps if np.isfinite(recording.fps) else info.fps
        by_time = np.rint(info.times * rate).astype(np.int64)
        if recording.n_frames != info.n_frames and info.variable and _near(recording.n_frames, int(by_time[-1]) + 1):
            self.warnings.append(f"{both}, whose frame rate varies; they are aligned by time, {rate:.4g} rows a second")
            return by_time
        if not _near(recording.n_frames, info.n_frames):
            raise InputError(
                self.path,
                f"has {recording.n_frames} frames and the video {info.path.name} {info.n_frames}",
                "check that both belong together",
            )
        if recording.n_frames != info.n_frames:
            rest = "the rows past its end are left out" if recording.n_frames > info.n_frames else "its end has no box"
            self.warnings.append(f"{both}; frames are taken by number, and {rest}")
        return np.arange(info.n_frames)


def _near(rows: int, frames: int) -> bool:
    return abs(rows - frames) <= max(1, MAX_MISMATCH * frames)


def _chosen(what: str, wanted: Sequence[str], known: Sequence[str]) -> list[int]:
    for name in wanted:
        if name not in known:
            raise ConfigError(f"The detector from_tracks: there is no {what} {name!r}{nearest(name, list(known))}.")
    return [known.index(name) for name in wanted or known]


def boxes_of(recording: Recording, options: Options) -> npt.NDArray[np.float32]:
    """Return the box around a recording's points, shape (time, 5): corners and the mean likelihood."""
    animals = _chosen("individual", [options.individual] if options.individual else [], recording.individuals)
    parts = _chosen("keypoint", options.keypoints, recording.keypoints)
    position = recording.position[:, animals][:, :, parts].reshape(recording.n_frames, -1, 2)
    confidence = recording.confidence[:, animals][:, :, parts].reshape(recording.n_frames, -1)
    seen = ~any_nan(position) & (position != 0).any(axis=-1)
    seen &= ~(confidence < options.min_likelihood)
    enough = seen.sum(axis=1) >= options.min_points
    low = np.where(seen[..., None], position, np.inf).min(axis=1)
    high = np.where(seen[..., None], position, -np.inf).max(axis=1)
    boxes = np.full((recording.n_frames, 5), np.nan, np.float32)
    grow = options.grow * (high - low)[enough].max(axis=1, keepdims=True)
    boxes[enough, :2], boxes[enough, 2:4] = low[enough] - grow, high[enough] + grow
    known = np.where(seen & ~np.isnan(confidence), confidence, np.nan)
    with np.errstate(invalid="ignore"):
        mean = np.nansum(known, axis=1) / np.maximum((~np.isnan(known)).sum(axis=1), 1)
    boxes[enough, 4] = mean[enough]
    return boxes
