"""What a classifier that never errs about a window would score: the mark for methods that answer finer than windows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from workflow_scripts.evaluation.scores.pool import list_tasks, pool_task
from workflow_scripts.evaluation.scores.score import COLUMNS
from workflow_scripts.metrics import frames as metrics
from workflow_scripts.metrics import segments
from workflow_scripts.metrics.windows import window_ceiling

OVERLAP = segments.OVERLAPS[-1]


def score_ceiling(paths: Sequence[Path], window: int) -> pd.DataFrame:
    """Score, for each class of bouts, faultless windows that are merged as the published mouse tool merges them.

    Parameters
    ----------
    paths : sequence of Path
        Predictions of the held-out recordings; their truth alone is looked at.
    window : int
        Frames of a window; windows overlap by half, as published.

    Returns
    -------
    DataFrame
        Columns of :func:`workflow_scripts.evaluation.scores.score.score_predictions`: metrics `ceiling_f1/<class>` (of
        frames) and `ceiling_bout_f1@0.5/<class>`, no intervals. Tasks without a class of no bout have no rows.
    """
    rows = []
    for task, readout in list_tasks(paths):
        pool = pool_task(paths, task, readout, ranking=True)
        background = pool.no_bout
        if pool.kind != "multiclass" or pool.level != "frame" or background is None or not pool.n:
            continue
        n, about = pool.n_classes, {"task": task, "level": "frame", "n": pool.n, "n_groups": len(pool.statistics)}
        confusion, bouts = np.zeros((n, n)), np.zeros((n, 3))
        for truth, cuts in zip(pool.truth, pool.cuts, strict=True):
            for piece in np.split(truth.astype(np.int64), np.flatnonzero(cuts)[1:]):
                said = window_ceiling(piece, n, window, window // 2, background)
                confusion += metrics.confusion(piece, said, n)
                bouts += segments.overlap_counts(piece, said, np.ones(len(piece), bool), n, [OVERLAP])[0]
        frames, whole = metrics.class_f1(confusion), segments.segment_f1(bouts)
        for code in np.flatnonzero(confusion.sum(axis=1)):
            if code != background:
                name = pool.names[code]
                rows.append({**about, "readout": readout, "metric": f"ceiling_f1/{name}", "value": frames[code]})
                rows.append(
                    {**about, "readout": readout, "metric": f"ceiling_bout_f1@{OVERLAP:g}/{name}", "value": whole[code]}
                )
    return pd.DataFrame(rows, columns=COLUMNS)
