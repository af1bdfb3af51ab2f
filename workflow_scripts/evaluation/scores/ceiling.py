"""Upper bound on F1 for a classifier that answers once per window, for methods that answer once per frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from workflow_scripts.evaluation.scores.estimate import Estimate, Row
from workflow_scripts.evaluation.scores.pool import list_tasks, pool_task
from workflow_scripts.metrics import frames as metrics
from workflow_scripts.metrics import segments
from workflow_scripts.metrics.registry import WIDEST
from workflow_scripts.metrics.windows import window_ceiling


def ceiling_rows(paths: Sequence[Path], window: int) -> list[Row]:
    """Score, for each class of bouts, faultless windows that are merged as the published mouse tool merges them.

    Parameters
    ----------
    paths : sequence of Path
        Predictions of the held-out recordings; their truth alone is looked at.
    window : int
        Frames of a window; windows overlap by half, as published.

    Returns
    -------
    list of Row
        Metrics `ceiling_f1/<class>` (of frames) and `ceiling_bout_f1@0.5/<class>`, without draws. Tasks without a
        background have no rows.
    """
    rows = []
    for task, readout in list_tasks(paths):
        pool = pool_task(paths, task, readout, ranking=True)
        background = pool.no_bout
        if pool.kind != "multiclass" or pool.level != "frame" or background is None or not pool.n:
            continue
        n = pool.n_classes
        confusion, bouts = np.zeros((n, n)), np.zeros((n, 3))
        for truth, cuts in zip(pool.truth, pool.cuts, strict=True):
            for piece in np.split(truth.astype(np.int64), np.flatnonzero(cuts)[1:]):
                said = window_ceiling(piece, n, window, window // 2, background)
                confusion += metrics.confusion(piece, said, n)
                bouts += segments.overlap_counts(piece, said, np.ones(len(piece), bool), n, segments.OVERLAPS[-1:])[0]
        frames, whole = metrics.class_f1(confusion), segments.segment_f1(bouts)
        for code in np.flatnonzero(confusion.sum(axis=1)):
            if code != background:
                name = pool.names[code]
                for metric, values in ((f"ceiling_f1/{name}", frames), (f"ceiling_bout_f1@{WIDEST}/{name}", whole)):
                    rows.append(Row.of(pool, task, readout, Estimate(metric, float(values[code]))))
    return rows
