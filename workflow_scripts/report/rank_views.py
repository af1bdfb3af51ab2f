"""Ranks as the page shows them: a plot for each task, a plot and a table of mean ranks over several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from workflow_scripts.plotting.style import to_svg
from workflow_scripts.report import learnt
from workflow_scripts.report.data import ReportData
from workflow_scripts.report.ranking import rank_plot
from workflow_scripts.report.tables import methods_in, with_interval


@dataclass(frozen=True)
class Plot:
    """A figure of the page: SVG made by our own code, and a caption that the template escapes."""

    svg: str
    caption: str


def rows_of(table: pd.DataFrame, **wanted: str) -> pd.DataFrame:
    """Rows of a small table, none where the table is empty (and so has no columns)."""
    for name, value in wanted.items():
        table = table[table[name] == value] if len(table) else table
    return table


def _rank_plot(
    ranks: pd.DataFrame, tests: pd.DataFrame | None, caption: str, prefix: str, every: Sequence[str]
) -> Plot:
    spoken = "; ".join(
        f"{row['label']} {with_interval(row['rank'], row['low'], row['high'])}"
        for row in ranks.sort_values("rank").to_dict("records")
    )
    return Plot(to_svg(rank_plot(ranks, tests, every=every), label=f"Ranks: {spoken}", prefix=prefix), caption)


def rank_blocks(ranks: pd.DataFrame, what: str, prefix: str, every: Sequence[str] = ()) -> list[tuple[str, object]]:
    """Return a plot and a table of mean ranks as blocks; nothing where there are none."""
    if ranks.empty or ranks["chance"].astype(str).eq("True").all():
        return []
    plot = _rank_plot(ranks, None, f"Mean rank {what}; lines are bootstrap intervals, chance in grey.", prefix, every)
    return [("svg", plot), ("table", learnt.ranks_table(ranks, f"Mean ranks {what}", f"{prefix}.csv"))]


def critical(data: ReportData, dataset: str, task: str, identifier: str) -> list[Plot]:
    """Return the ranks of the methods on one task as a plot; nothing where there are fewer than two."""
    ranks = rows_of(data.ranks, scope="task", dataset=dataset, task=task)
    if len(ranks) < 2:
        return []
    caption = (
        "Rank of each method with its bootstrap interval over groups. Bars at the side join methods that the paired "
        "tests do not tell apart (5 % after Holm's correction)."
    )
    tests = rows_of(data.tests, dataset=dataset, task=task)
    return [
        _rank_plot(ranks, tests if len(tests) else None, caption, f"{identifier}-ranks", methods_in(data.comparison))
    ]
