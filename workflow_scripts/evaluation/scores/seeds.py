"""One row for several seeds of a run: their mean, with an interval over groups and seeds together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.evaluation.comparison.compare import run_rows
from workflow_scripts.evaluation.options import IntervalConfig
from workflow_scripts.evaluation.scores.estimate import table_of
from workflow_scripts.evaluation.scores.intervals import over_seeds


def score_seeds(paths: Mapping[int, Sequence[Path]], interval: IntervalConfig, run: Mapping[str, Any]) -> pd.DataFrame:
    """Score several seeds of one run as one result table, its column `seed` empty.

    Parameters
    ----------
    paths : mapping of int to sequence of Path
        By seed: predictions of the held-out recordings, all folds.
    interval : IntervalConfig
    run : mapping
        Values of the columns dataset, method, mode, point and split.

    Returns
    -------
    DataFrame
        Value: mean over the seeds. Interval: in each resample of groups, seeds are drawn too (two-level bootstrap).
        NaN where a seed has none.
    """
    found = [{row.key: row for row in run_rows(files, interval, run)} for files in paths.values()]
    rows = []
    for key, first in found[0].items():
        if not all(key in one for one in found):
            continue
        mine = [one[key].estimate for one in found]
        value = float(np.mean([one.value for one in mine]))
        draws = [one.draws for one in mine if one.draws is not None and np.isfinite(one.interval).all()]
        both = over_seeds(np.stack(draws), interval) if len(draws) == len(mine) else None
        rows.append(replace(first, estimate=replace(mine[0], value=value, draws=both)))
    method = [row.method or run["method"] for row in rows]
    return table_of(rows).assign(**{**run, "method": method, "seed": pd.NA})
