"""What is common to sources of points: describing what was read, and making a recording of named columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from workflow_scripts.core.arrays import any_nan
from workflow_scripts.core.typing import Float32Array
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.sources.shared.found import Found


def describe(found: Found, recording: Recording) -> None:
    """Fill in names, length, frame rate, size and the shares of missing points of a recording that was read."""
    position = recording.position
    found.individuals, found.keypoints = list(recording.individuals), list(recording.keypoints)
    found.n_frames, found.space = recording.n_frames, int(position.shape[3])
    found.fps = float(recording.fps) if np.isfinite(recording.fps) else None
    found.image_size = recording.image_size
    # A tenth of the frames tells the shares well enough, and a folder of recordings is asked at once.
    part = position[:: max(1, len(position) // 2000)]
    confidence = recording.confidence[:: max(1, len(position) // 2000)]
    gone = any_nan(part)
    zero = (part == 0).all(-1)
    found.empty, found.zero = float(gone.mean()), float(zero.mean())
    seen = ~gone & ~zero
    found.low = float((confidence[seen] < 0.1).mean()) if seen.any() else 0.0
    if seen.any() and part.shape[-1] > 1:
        found.reach = (float(part[..., 0][seen].max()), float(part[..., 1][seen].max()))


def sure(position: Float32Array) -> Float32Array:
    """Return the confidence of a source that has none: 1 where a point is there, NaN elsewhere."""
    return np.where(any_nan(position), np.float32(np.nan), np.float32(1))


def made(
    path: Path,
    recording: str,
    position: Float32Array,
    confidence: Float32Array | None,
    individuals: list[str],
    keypoints: list[str],
    *,
    fps: float = float("nan"),
    unit: str = "px",
    image_size: tuple[float, float] | None = None,
    warnings: list[str] | None = None,
) -> Recording:
    """Make a recording of one file; without a confidence every point that is there counts as sure."""
    notes = list(warnings or [])
    if confidence is None:
        notes.append(f"{path.name}: has no confidence; every point that is there has 1")
        confidence = sure(position)
    return Recording(
        id=recording,
        position=np.ascontiguousarray(position, dtype=np.float32),
        confidence=np.ascontiguousarray(confidence, dtype=np.float32),
        fps=fps,
        individuals=tuple(individuals),
        keypoints=tuple(keypoints),
        group=recording,
        unit=unit,
        image_size=image_size,
        warnings=notes,
    )
