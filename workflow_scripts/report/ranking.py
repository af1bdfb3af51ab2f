"""Ranks of methods with intervals, and which of them the tests tell apart (critical-difference plot)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from workflow_scripts.plotting.style import INK, PAPER, QUIET, method_colours, shorten, styled
from workflow_scripts.report.figures import WIDTH

LEVEL = 0.05


def cliques(order: list[str], tests: pd.DataFrame) -> list[tuple[int, int]]:
    """Find the runs of methods, next to each other by rank, of which no two are distinguished.

    Parameters
    ----------
    order : list of str
        Labels, best first.
    tests : DataFrame
        Rows of `tests.csv` of one task.

    Returns
    -------
    list of (int, int)
        First and last place of each run of two or more; none lies inside another.
    """
    apart = {
        frozenset((row["a"], row["b"]))
        for row in tests.to_dict("records")
        if pd.notna(row["p_holm"]) and row["p_holm"] <= LEVEL
    }
    found: list[tuple[int, int]] = []
    for first in range(len(order)):
        last = first
        while last + 1 < len(order) and all(
            frozenset((order[k], order[last + 1])) not in apart for k in range(first, last + 1)
        ):
            last += 1
        if last > first and not any(start <= first and last <= end for start, end in found):
            found.append((first, last))
    return found


@styled
def rank_plot(
    ranks: pd.DataFrame, tests: pd.DataFrame | None = None, title: str = "", every: Sequence[str] = ()
) -> Figure:
    """Draw each method's rank with its interval; bars at the side join methods that the tests do not tell apart.

    Parameters
    ----------
    ranks : DataFrame
        Rows of `ranks.csv` of one scope.
    tests : DataFrame, optional
        Rows of `tests.csv` of the same task, for the bars.
    title : str
    every : sequence of str
        All methods of the experiment, for the colours.
    """
    table = ranks.sort_values(["rank", "label"]).reset_index(drop=True)
    order = [str(label) for label in table["label"]]
    figure = Figure(figsize=(WIDTH, 0.8 + 0.28 * len(order)))
    axes = figure.subplots()
    chance = table["chance"].astype(str).eq("True")
    inks = method_colours(table["label"][~chance].astype(str), every)
    for place, row in enumerate(table.to_dict("records")):
        ink = inks.get(str(row["label"]), QUIET)
        if math.isfinite(row["low"]) and math.isfinite(row["high"]):
            axes.plot([row["low"], row["high"]], [place, place], color=ink, linewidth=2.2)
        axes.plot([row["rank"]], [place], marker="o", markersize=6, color=ink, markeredgecolor=PAPER, linestyle="none")
    most = len(order)
    for index, (first, last) in enumerate(cliques(order, tests) if tests is not None else []):
        x = most + 0.5 + 0.22 * index
        axes.plot([x, x], [first - 0.25, last + 0.25], color=INK, linewidth=2.4, clip_on=False)
    axes.set_yticks(range(most), [shorten(label, 34) for label in order])
    axes.set_ylim(most - 0.4, -0.6)
    axes.set_xlim(0.7, most + 0.3)
    axes.set_xticks(range(1, most + 1))
    axes.set_xlabel("rank (1 is best)")
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    if title:
        axes.set_title(shorten(title, 70))
    return figure
