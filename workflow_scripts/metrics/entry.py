"""What the registry of metrics knows about each metric."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from workflow_scripts.core.typing import Float64Array, FloatArray

Statistic: TypeAlias = Literal["confusion", "bouts", "class_bouts", "edits", "ranking", "regression", "points", ""]
"""What a metric is computed from; see :attr:`Metric.of`. Empty for a metric that other code computes."""
Per: TypeAlias = Literal["task", "class", "shown", "bout", "foreground", "point", "direction", "mean"]

UNIT = (0.0, 1.0)
CLASSES = ("binary", "multiclass")
FRAME: tuple[str, ...] = ("frame",)
LEVELS = ("frame", "sequence")


@dataclass(frozen=True)
class Reduction:
    """How a column of point errors becomes one number: a quantile, or the share of values above a threshold.

    Attributes
    ----------
    column : str
        Of the table of errors; ``{}`` stands for the point.
    quantile : float or None
        None for a share.
    above : float
        For a share: of the rows whose value is above this.
    """

    column: str
    quantile: float | None = None
    above: float = 0.0


@dataclass(frozen=True)
class Metric:
    """One metric, or one family of metrics that share a pattern.

    Attributes
    ----------
    name : str
        As in result tables; ``{}`` stands for the class or point.
    title : str
        In prose, with the same ``{}``.
    statistic : str
        ``confusion``: counts (…, class, class). ``bouts``: hits, false alarms and misses (…, overlap, 3) of all
        classes together; ``class_bouts``: those at the largest overlap, (…, class, 3). ``edits``: (…, 2).
        ``ranking``: histograms (…, 2, bin). ``regression``: (…, 4). ``points``: a column of errors.
    per : str
        ``task``: one row a task. ``class``: one a class, for which `of` returns an array (…, class); ``shown``: only
        those that the truth shows, the first class of a binary task left out; ``bout``: those without the background.
        ``foreground``: the mean over the classes without the background. ``point``, ``direction``: one a point or
        direction. ``mean``: only as the mean over tasks.
    of : callable or None
        From statistics, summed over groups, to the value; broadcasts over leading axes.
    reduction : Reduction or None
        For ``points``.
    lower_is_better : bool
    bounds : tuple of float or None
        Smallest and largest value; None = unbounded.
    kinds, levels : tuple of str
        Tasks that have it.
    main : bool
        Whether tasks of those kinds are judged by it in report and summary.
    tested : bool
        Whether paired tests and ranks compare by it; it must add up over groups.
    mean : str
        Name of the task of its rows averaged over tasks; empty = it is not averaged.
    """

    name: str
    title: str
    statistic: Statistic = ""
    per: Per = "task"
    of: Callable[[Float64Array], Float64Array] | None = None
    reduction: Reduction | None = None
    lower_is_better: bool = False
    bounds: tuple[float | None, float | None] = UNIT
    kinds: tuple[str, ...] = CLASSES
    levels: tuple[str, ...] = LEVELS
    main: bool = False
    tested: bool = False
    mean: str = ""

    def row(self, which: str) -> str:
        """Return the name of the row of one class or point."""
        return self.name.replace("{}", which)

    def match(self, name: str) -> str | None:
        """Return the class or point in a row's name, "" where the metric has none; None for another metric."""
        if name == self.name:
            return "" if "{}" not in name else "{}"
        before, bracket, after = self.name.partition("{}")
        found = re.fullmatch(re.escape(before) + "(.+)" + re.escape(after), name) if bracket else None
        return found.group(1) if found else None

    def compute(self, sums: Float64Array) -> Float64Array:
        """Return `of` these statistics.

        Raises
        ------
        TypeError
            For a metric that other code computes.
        """
        if self.of is None:
            raise TypeError(f"the metric {self.name} has no function of sums")
        return self.of(sums)


@dataclass(frozen=True)
class Measure:
    """A :class:`Reduction` for one point or direction.

    Attributes
    ----------
    name : str
        The metric, as in result tables.
    column : str
        Of the table of errors.
    quantile, above
        As in :class:`Reduction`.
    """

    name: str
    column: str
    quantile: float | None = None
    above: float = 0.0

    def of(self, values: FloatArray) -> float:
        """Return the number for a column's values."""
        if self.quantile is None:
            return float((values > self.above).mean())
        return float(np.quantile(values, self.quantile))
