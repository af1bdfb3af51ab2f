"""Precision, recall and F1 of every class, in every held-out video and over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workflow_scripts.core.files import failure
from workflow_scripts.core.tables import write_csv
from workflow_scripts.formats.predictions import open_predictions
from workflow_scripts.formats.sections import Item, Section, write_section
from workflow_scripts.formats.tracks import by_class

RUN = ("dataset", "method", "mode", "setting", "split", "seed")
COLUMNS = (
    *RUN,
    "readout",
    "task",
    "recording",
    "class",
    "frames",
    "support",
    "predicted",
    "precision",
    "recall",
    "f1",
)
ALL = "all videos"
"""In the column `recording`: hits and errors summed over the held-out videos."""


def _scores(counts: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Return the scores of one class from its hits, frames predicted and frames true; NaN where undefined."""
    hits, predicted, support = map(int, counts)
    return {
        "support": support,
        "predicted": predicted,
        "precision": hits / predicted if predicted else np.nan,
        "recall": hits / support if support else np.nan,
        "f1": 2 * hits / (predicted + support) if predicted + support else np.nan,
    }


def video_scores(predictions: Path, about: dict[str, Any]) -> pd.DataFrame:
    """Score a run's predictions video by video.

    Parameters
    ----------
    predictions : Path
        `predictions.h5` of a run; one that failed gives no row.
    about : dict
        The columns :data:`RUN`.

    Returns
    -------
    DataFrame
        In :data:`COLUMNS`, one row a task, video and class; frames without a label do not count. Rows of `all videos`
        sum hits and errors over the videos, so that a long video counts more than a short one.
    """
    if failure(predictions) is not None:
        return pd.DataFrame(columns=list(COLUMNS))
    rows: list[dict[str, Any]] = []
    with open_predictions(predictions) as reader:
        for task in reader.tasks:
            kind, level, _, readout = reader.info(task)
            if not by_class(kind, level):
                continue
            names = reader.classes(task)
            total = np.zeros((len(names), 3), np.int64)
            frames = 0
            common = about | {"readout": readout, "task": task}
            for said in reader.iterate(task):
                truth, found = said.truth[said.mask].astype(int), said.prediction[said.mask].astype(int)
                counts = np.array(
                    [
                        (((truth == k) & (found == k)).sum(), (found == k).sum(), (truth == k).sum())
                        for k in range(len(names))
                    ]
                )
                total, frames = total + counts, frames + len(truth)
                for name, row in zip(names, counts, strict=True):
                    rows.append(
                        {**common, "recording": said.recording, "class": name, "frames": len(truth), **_scores(row)}
                    )
            for name, row in zip(names, total, strict=True):
                rows.append({**common, "recording": ALL, "class": name, "frames": frames, **_scores(row)})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def write_video_section(tables: Sequence[pd.DataFrame], table: Path, section: Path) -> None:
    """Write all runs' scores, and the report's section of them.

    Parameters
    ----------
    tables : sequence of DataFrame
        Of :func:`video_scores`.
    table : Path
        The csv of everything.
    section : Path
        `section.json` to make; `classes.csv` and `videos.csv` come to lie beside it.
    """
    whole = pd.concat([pd.DataFrame(columns=list(COLUMNS)), *tables], ignore_index=True)
    over_all = whole["recording"] == ALL
    several = [column for column in RUN if whole[column].nunique() > 1]
    kept = [*several, *(["task"] if whole["task"].nunique() > 1 else [])]
    by_class = whole.loc[over_all, [*kept, "class", "support", "predicted", "precision", "recall", "f1"]]
    by_video = whole.loc[~over_all, [*kept, "recording", "class", "support", "precision", "recall", "f1"]]
    for path, rows in (
        (table, whole),
        (section.parent / "classes.csv", by_class),
        (section.parent / "videos.csv", by_video[by_video["support"] > 0]),
    ):
        write_csv(path, rows, float_format="%.4f")
    note = "Frames that nobody labelled do not count."
    items = [
        Item(kind="table", file="classes.csv", caption=f"Every class over all held-out videos, by frame. {note}"),
        Item(kind="table", file="videos.csv", caption=f"Every class that a held-out video shows, by video. {note}"),
    ]
    write_section(section, Section(title="Videos: precision, recall and F1", order=5, items=items))
