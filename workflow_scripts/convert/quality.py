"""What was converted, recording by recording: the table of the report's data section."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from workflow_scripts.core.arrays import any_nan
from workflow_scripts.formats.images import TASK, open_images
from workflow_scripts.formats.tracks import Labels, open_tracks

QUALITY = ["recording", "group", "frames", "fps", "individuals", "keypoints", "missing", "filled", "status", "warnings"]
LABELS = ["recording", "task", "kind", "level", "label", "n", "background"]
Spread = list[tuple[str, str, str, str, str, int, bool]]
"""Rows of the table of labels; `background` is True for the class that means nothing of interest."""


def quality_tables(tracks: str | Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tabulate a dataset's recordings, quarantined ones included, and how their labels are spread.

    Parameters
    ----------
    tracks : str or Path
        `tracks.h5`; read one recording at a time.

    Returns
    -------
    quality : DataFrame
        One row a recording. `missing` and `filled` are shares of points, over individuals and keypoints; `status`
        is ``ok`` or ``quarantined``; `warnings` holds one sentence a line.
    labels : DataFrame
        One row a recording, task and class: `n` labelled frames (or sequences). A continuous task has one row, with
        an empty label.
    """
    quality: list[dict[str, object]] = []
    spread: Spread = []
    with open_tracks(tracks) as reader:
        for recording in reader:
            missing = any_nan(recording.position)
            quality.append(
                {
                    "recording": recording.id,
                    "group": recording.group,
                    "frames": recording.n_frames,
                    "fps": recording.fps,
                    "individuals": len(recording.individuals),
                    "keypoints": len(recording.keypoints),
                    "missing": float(missing.mean()),
                    "filled": 0.0 if recording.filled is None else float(recording.filled.mean()),
                    "status": "ok",
                    "warnings": "\n".join(recording.warnings),
                }
            )
            for task, labels in recording.labels.items():
                spread += label_rows(recording.id, task, labels)
        for shard, reason in reader.quarantined.items():
            quality.append({"recording": shard, "status": "quarantined", "warnings": reason})
    return pd.DataFrame(quality, columns=QUALITY), pd.DataFrame(spread, columns=LABELS)


def image_tables(images: str | Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tabulate a dataset's images animal by animal, in the columns of :func:`quality_tables`.

    Parameters
    ----------
    images : str or Path
        `images.h5`.

    Returns
    -------
    quality, labels : DataFrame
        `frames` and `n` count images. The warnings of conversion stand in the first row.
    """
    quality: list[dict[str, object]] = []
    spread: Spread = []
    with open_images(images) as reader:
        whole = reader.read()
        for number, animal in enumerate(np.unique(whole.animal)):
            mine = whole.take(whole.animal == animal)
            labels = mine.labels[TASK]
            quality.append(
                {
                    "recording": animal,
                    "group": f"{len(np.unique(mine.source_frame))} source frames",
                    "frames": len(mine),
                    "fps": whole.fps,
                    "individuals": 1,
                    "keypoints": len(mine.names),
                    "missing": float(any_nan(mine.points).mean()),
                    "filled": 0.0,
                    "status": "ok",
                    "warnings": "" if number else "\n".join(reader.warnings),
                }
            )
            spread.append((str(animal), TASK, labels.kind, labels.level, "", int(labels.mask.sum()), False))
        for shard, reason in reader.quarantined.items():
            quality.append({"recording": shard, "status": "quarantined", "warnings": reason})
    return pd.DataFrame(quality, columns=QUALITY), pd.DataFrame(spread, columns=LABELS)


def label_rows(recording: str, task: str, labels: Labels) -> Spread:
    """Return the rows of one recording's labels of a task."""
    return [
        (recording, task, labels.kind, labels.level, name, count, bool(name) and name == labels.background)
        for name, count in label_counts(labels)
    ]


def label_counts(labels: Labels) -> list[tuple[str, int]]:
    """Return class and number of labelled frames (or sequences); a continuous task has one row, without a class."""
    if labels.kind == "continuous":
        return [("", int(labels.mask.sum()))]
    counts = np.bincount(labels.values[labels.mask].astype(np.int64), minlength=len(labels.vocabulary))
    return [(name, int(count)) for name, count in zip(labels.vocabulary, counts, strict=True)]
