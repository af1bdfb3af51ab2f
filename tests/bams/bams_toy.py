"""A small set of moving mice for the tests of BAMS."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from workflow_scripts.formats.splits import Split
from workflow_scripts.formats.tracks import Recording, write_tracks
from workflow_scripts.methods.bams.features import MOUSE_POINTS
from workflow_scripts.views.tracks import TrackView


def recording(name: str, frames: int = 150, animals: int = 3, keypoints=MOUSE_POINTS, seed: int = 0, missing=0.02):
    """Mice on smooth random walks, with lost points."""
    rng = np.random.default_rng([seed, sum(map(ord, name))])
    body = rng.normal(0, 25, (len(keypoints), 2))
    centre = 400 + np.cumsum(rng.normal(0, 2, (frames, animals, 2)), axis=0)
    angle = np.cumsum(rng.normal(0, 0.05, (frames, animals)), axis=0)
    cos, sin = np.cos(angle)[..., None], np.sin(angle)[..., None]
    turned = np.stack([body[:, 0] * cos - body[:, 1] * sin, body[:, 0] * sin + body[:, 1] * cos], axis=-1)
    position = (centre[:, :, None] + turned + rng.normal(0, 0.5, (frames, animals, len(keypoints), 2))).astype(
        np.float32
    )
    position[rng.random(position.shape[:-1]) < missing] = np.nan
    return Recording(
        id=name,
        position=position,
        confidence=np.where(np.isnan(position).any(-1), np.nan, 1).astype(np.float32),
        fps=30.0,
        individuals=tuple(f"mouse{k + 1}" for k in range(animals)),
        keypoints=tuple(keypoints),
        group=name,
    )


def view(folder: Path, recordings, train: int = 4, validation: int = 0) -> TrackView:
    """Write recordings and a split of them; what is left over is test."""
    write_tracks(folder / "tracks.h5", recordings)
    ids = [item.id for item in recordings]
    sides = ids[:train], ids[train : train + validation], ids[train + validation :]
    return TrackView(folder / "tracks.h5", Split("toy", "official", "official", *sides, {i: i for i in ids}))
