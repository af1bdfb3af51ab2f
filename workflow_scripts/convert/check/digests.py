"""What a picture needs of a recording, small enough to keep of hundreds."""

from __future__ import annotations

import itertools
import warnings
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from workflow_scripts.convert.quality import label_counts
from workflow_scripts.core.arrays import any_nan
from workflow_scripts.formats.tracks import Labels, Recording

BINS = 400
"""Columns of an ethogram and of the map of missing points."""
PATH_POINTS = 1500
"""Points of a trajectory."""
UNLABELLED = -1


@dataclass
class Brief:
    """One recording in short.

    Attributes
    ----------
    id, group, fps, n_frames, individuals, keypoints, space
        Of the recording.
    paths : ndarray, shape (point, individual, 2)
        Centre of each animal, thinned out.
    missing : ndarray, shape (keypoint,)
        Share of frames without the point, over all individuals.
    gone : ndarray, shape (BINS,)
        Share of points missing in each part of the recording.
    speeds : ndarray
        Percentiles 5 to 99 of the centres' speed, in units a second.
    ethogram : dict of str to ndarray of int, shape (BINS,)
        Most frequent label of each part; -1 = none.
    counts : dict of str to dict of str to int
        Labelled frames by task and class.
    label_frames : int
        Frames with a label of any task.
    frames : list of (picture, boxes)
        Of videos and images.
    """

    id: str
    group: str
    fps: float
    n_frames: int
    individuals: tuple[str, ...] = ()
    keypoints: tuple[str, ...] = ()
    space: int = 2
    source_fps: float = float("nan")
    image_size: tuple[float, float] | None = None
    unit: str = "px"
    paths: npt.NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0, 2), np.float32))
    missing: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    gone: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    speeds: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))
    ethogram: dict[str, npt.NDArray[np.int16]] = field(default_factory=dict)
    vocabularies: dict[str, tuple[str, ...]] = field(default_factory=dict)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    label_frames: int = 0
    frames: list[tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32] | None]] = field(default_factory=list)
    times: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    warnings: list[str] = field(default_factory=list)
    row: dict[str, Any] = field(default_factory=dict)

    @property
    def labelled(self) -> bool:
        """Whether anything is labelled."""
        return self.label_frames > 0

    @property
    def classes(self) -> set[str]:
        """Task and class of everything that occurs."""
        return {f"{task}/{name}" for task, counts in self.counts.items() for name, count in counts.items() if count}

    def add_labels(self, labels: dict[str, Labels]) -> None:
        """Count labels, and thin them out for an ethogram."""
        known = np.zeros(self.n_frames, bool)
        for task, found in labels.items():
            if found.kind != "continuous":
                counts = {name: count for name, count in label_counts(found) if count}
                if counts:
                    self.counts[task] = counts
            if found.level != "frame":
                self.label_frames = max(self.label_frames, int(found.mask.any()))
                continue
            known |= found.mask
            if found.kind != "continuous":
                codes = np.where(found.mask, found.values.astype(np.int16), UNLABELLED)
                self.ethogram[task] = thinned(codes)
                self.vocabularies[task] = found.vocabulary
        self.label_frames = max(self.label_frames, int(known.sum()))


def thinned(codes: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    """Return the most frequent code of each of `BINS` parts; a class that occurs wins over none."""
    edges = np.linspace(0, len(codes), min(BINS, len(codes)) + 1).astype(int)
    made = np.full(len(edges) - 1, UNLABELLED, np.int16)
    for k, (low, high) in enumerate(itertools.pairwise(edges)):
        part = codes[low:high][codes[low:high] >= 0]
        if len(part):
            made[k] = Counter(part.tolist()).most_common(1)[0][0]
    return made


def brief_of(recording: Recording) -> Brief:
    """Make a brief of a recording of tracks."""
    position = recording.position
    missing = any_nan(position)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of frames without a point
        centre = np.nanmean(position, axis=2)
    step = np.linalg.norm(np.diff(centre, axis=0), axis=-1) * recording.fps
    shares = np.full((centre.shape[1], 5), np.nan)
    for who in range(centre.shape[1]):
        seen = step[:, who][~np.isnan(step[:, who])]
        if len(seen):
            shares[who] = np.percentile(seen, (5, 25, 50, 75, 99))
    edges = np.linspace(0, len(position), min(BINS, len(position)) + 1).astype(int)
    frame = missing.mean(axis=(1, 2))
    made = Brief(
        id=recording.id,
        group=recording.group,
        fps=float(recording.fps),
        n_frames=recording.n_frames,
        individuals=recording.individuals,
        keypoints=recording.keypoints,
        space=int(position.shape[3]),
        source_fps=recording.source_fps,
        image_size=recording.image_size,
        unit=recording.unit,
        paths=centre[:: max(1, len(centre) // PATH_POINTS), :, :2].astype(np.float32),
        missing=missing.mean(axis=(0, 1)),
        gone=np.add.reduceat(frame, edges[:-1]) / np.diff(edges),
        speeds=shares,
        row={"animal": recording.animal, "condition": recording.condition},
    )
    made.add_labels(recording.labels)
    return made
