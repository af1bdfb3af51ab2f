"""A row of a result table together with the resampled values that its interval was made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from workflow_scripts.core.typing import Float64Array
from workflow_scripts.evaluation.scores.intervals import percentile_interval
from workflow_scripts.evaluation.scores.pool import Pool

COLUMNS = ["task", "level", "metric", "value", "low", "high", "n", "n_groups", "readout"]


@dataclass(frozen=True)
class Estimate:
    """The value of one metric and its resamples.

    Attributes
    ----------
    metric : str
    value : float
        NaN where it is undefined.
    draws : ndarray, shape (resamples,), or None
        The metric in every resample of the groups; None where there is no spread over groups to speak of.
    level : float
        Share of the draws that the interval holds.
    """

    metric: str
    value: float
    draws: Float64Array | None = None
    level: float = 0.95

    @property
    def interval(self) -> tuple[float, float]:
        """Low and high; NaN without draws, or where no draw is defined."""
        if self.draws is None:
            return float("nan"), float("nan")
        return percentile_interval(self.draws, self.level)


@dataclass(frozen=True)
class Row:
    """An estimate and what it is of: the columns of a result table that a run does not fix.

    Attributes
    ----------
    task, level, readout : str
    n : int
        Labelled frames or sequences.
    n_groups : int
    estimate : Estimate
    method : str
        Where the row is of another method than the run, as ``all_positive`` beside ``majority``.
    """

    task: str
    level: str
    readout: str
    n: int
    n_groups: int
    estimate: Estimate
    method: str = ""

    @classmethod
    def of(cls, pool: Pool, task: str, readout: str, estimate: Estimate, method: str = "") -> Row:
        """Make a row of a pooled task."""
        return cls(task, pool.level, readout, pool.n, len(pool.statistics), estimate, method)

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What the row is about: method (empty for that of the run), readout, task and metric."""
        return self.method, self.readout, self.task, self.estimate.metric


def table_of(rows: Iterable[Row]) -> pd.DataFrame:
    """Return rows as a table with the columns :data:`COLUMNS`."""
    records = []
    for row in rows:
        found = row.estimate
        low, high = found.interval
        values = (row.task, row.level, found.metric, found.value, low, high, row.n, row.n_groups, row.readout)
        records.append(values)
    return pd.DataFrame(records, columns=COLUMNS)
