"""DeepLabCut tables: single- and multi-animal, csv."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from workflow_scripts.files import atomic_path
from workflow_scripts.formats.tracks import Recording

COORDS = ("x", "y", "likelihood")
"""The three columns of a point, in the order DeepLabCut writes them."""


def write_csv(path: Path, recording: Recording, *, scorer: str = "EthoMake") -> None:
    """Write a recording as DeepLabCut's multi-animal csv: four header rows, one row a frame.

    Parameters
    ----------
    path : Path
        The csv to make, whole or not at all.
    recording : Recording
        Two spatial axes; NaN becomes an empty cell. Numbers are written so that they read back as the same float32.
    scorer : str
        Name of the network in the first header row.
    """
    time, individuals, keypoints, space = recording.position.shape
    if space != 2:
        raise ValueError(f"DeepLabCut's csv holds x and y, not {space} axes")
    points = [(animal, part) for animal in recording.individuals for part in recording.keypoints]
    header = [
        ["scorer", *[scorer] * (3 * len(points))],
        ["individuals", *(animal for animal, _ in points for _ in COORDS)],
        ["bodyparts", *(part for _, part in points for _ in COORDS)],
        ["coords", *COORDS * len(points)],
    ]
    values = np.concatenate([recording.position, recording.confidence[..., None]], axis=-1, dtype=np.float32)
    table = pd.DataFrame(values.reshape(time, individuals * keypoints * 3))
    with atomic_path(path) as part, open(part, "w", encoding="utf-8", newline="") as handle:
        pd.DataFrame(header).to_csv(handle, header=False, index=False, lineterminator="\n")
        table.to_csv(handle, header=False, lineterminator="\n")
