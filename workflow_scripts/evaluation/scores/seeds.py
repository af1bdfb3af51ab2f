"""One row for several seeds of a run: their mean, with an interval over groups and seeds together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.evaluation.comparison.compare import score_run
from workflow_scripts.evaluation.options import IntervalConfig
from workflow_scripts.evaluation.scores.intervals import Array, keep_resamples, over_seeds, percentile_interval

KEY = ["readout", "task", "metric"]
"""What a row of a run's table is about."""


def _resamples(table: pd.DataFrame, kept: Sequence[Array], level: float) -> list[Array | None]:
    """Match each row with the resampled values its interval was made of; None where it has no interval.

    Intervals are made in the order of the rows. That each pair gives the very same bounds again is checked, so that
    a row whose interval came about in another way is told from the others.
    """
    waiting = [(values, percentile_interval(values, level)) for values in kept]
    found: list[Array | None] = []
    for low, high in zip(table["low"], table["high"], strict=True):
        found.append(None)
        if not (np.isfinite(low) and np.isfinite(high)):
            continue
        for place, (values, bounds) in enumerate(waiting):
            if bounds == (low, high):
                found[-1] = values
                del waiting[: place + 1]
                break
    return found


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
        Value: mean over the seeds. Interval: in each resample of groups, seeds are drawn too (two-level bootstrap);
        where a row's resamples cannot be had, the span of the seeds' own intervals. NaN where a seed has none.
    """
    tables: list[pd.DataFrame] = []
    draws: list[dict[tuple[str, ...], Array | None]] = []
    for seed, files in paths.items():
        with keep_resamples() as kept:
            table = score_run(files, interval, {**run, "seed": seed})
        keys = table[KEY].astype(str).itertuples(index=False, name=None)
        draws.append(dict(zip(keys, _resamples(table, kept, interval.level), strict=True)))
        tables.append(table.set_index(KEY, drop=False))
    shared = [key for key in tables[0].index if all(key in table.index for table in tables)]
    rows = []
    for key in shared:
        mine = [table.loc[key] for table in tables]
        low, high = min(row["low"] for row in mine), max(row["high"] for row in mine)
        if any(pd.isna(row["low"]) for row in mine):
            low = high = float("nan")
        else:
            values = [draw[key] for draw in draws]
            known = [value for value in values if value is not None]
            if len(known) == len(values) and len({len(value) for value in known}) == 1:
                low, high = percentile_interval(over_seeds(np.stack(known), interval), interval.level)
        value = float(np.mean([row["value"] for row in mine]))
        rows.append(mine[0].to_dict() | {"value": value, "low": low, "high": high, "seed": pd.NA})
    return pd.DataFrame(rows, columns=tables[0].columns)
