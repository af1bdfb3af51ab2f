"""What became of a dataset of videos, in the columns of the report's data section."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from workflow_scripts.convert.quality import LABELS, QUALITY, Spread, label_rows
from workflow_scripts.formats.clips import INTERPOLATED, MISSING, open_clips


def clip_tables(clips: str | Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tabulate a dataset's videos, quarantined ones included, and how their labels are spread.

    Parameters
    ----------
    clips : str or Path
        `clips/index.h5`.

    Returns
    -------
    quality, labels : DataFrame
        In the columns of :func:`workflow_scripts.convert.quality.quality_tables`; `missing` and `filled` are
        shares of frames without a box, and with an interpolated one; `outside` is the share of the moving pixels that
        lie outside the boxes.
    """
    quality: list[dict[str, object]] = []
    spread: Spread = []
    with open_clips(clips) as reader:
        for recording in reader:
            quality.append(
                {
                    "recording": recording.id,
                    "group": recording.group,
                    "frames": recording.n_frames,
                    "fps": recording.fps,
                    "individuals": 1,
                    "keypoints": 0,
                    "missing": float((recording.origin == MISSING).mean()),
                    "filled": float((recording.origin == INTERPOLATED).mean()),
                    "outside": recording.outside,
                    "status": "ok",
                    "warnings": "\n".join(recording.warnings),
                }
            )
            for task, labels in recording.labels.items():
                spread += label_rows(recording.id, task, labels)
        for shard, reason in reader.quarantined.items():
            quality.append({"recording": shard, "status": "quarantined", "warnings": reason})
    return pd.DataFrame(quality, columns=[*QUALITY[:-2], "outside", *QUALITY[-2:]]), pd.DataFrame(
        spread, columns=LABELS
    )
