"""The figure of a paper: our numbers beside the published ones, and what the published figure or table shows."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workflow_scripts.metrics.registry import find, in_order
from workflow_scripts.metrics.registry import title as title_of
from workflow_scripts.plotting.style import INK, QUIET, legend, legend_columns, method_colours, shorten, styled
from workflow_scripts.report.tables import heading, methods_in, over_seeds, pool_seeds, scores, without_folds

DRAWN = ["task", "metric", "what", "method", "value", "low", "high", "source", "verified"]
"""Columns of the numbers drawn; `what` is ``published`` or ``here``."""


def beside(tables: Mapping[str, pd.DataFrame], *, dataset: str) -> tuple[Figure, pd.DataFrame, str] | None:
    """Draw the published numbers of a dataset in grey, and ours on the same tasks and metrics in colour.

    Parameters
    ----------
    tables : mapping
        Holds ``comparison.csv`` and ``tables/published.csv``.
    dataset : str

    Returns
    -------
    Figure, DataFrame, str
        The caption says what each source published and how its numbers came about. None without published numbers.
    """
    numbers = tables["tables/published.csv"]
    numbers = numbers[numbers["dataset"].astype(str) == dataset] if len(numbers) else numbers
    if numbers.empty:
        return None
    rows = without_folds(tables["comparison.csv"])
    rows = rows[rows["dataset"] == dataset]
    names = [str(name) for name in dict.fromkeys(numbers["ours"].fillna("")) if name]
    lines: list[tuple[object, ...]] = []
    for row in numbers.to_dict("records"):
        number = row["value"], math.nan, math.nan
        sure = str(row["verified"]) == "True"
        lines.append((row["task"], row["metric"], "published", row["method"], *number, row["source"], sure))
    for (task, metric), mine in rows.groupby(["task", "metric"], sort=False):
        if not ((numbers["task"] == task) & (numbers["metric"] == metric)).any():
            continue
        found = [over_seeds(seeds) for seeds in pool_seeds(scores(mine), str(metric)).values() if not seeds[0].chance]
        same = [score for score in found if score.method in names]
        for score in dict.fromkeys([*found[:1], *same]):
            lines.append((task, metric, "here", score.label, score.value, score.low, score.high, "", True))
    data = pd.DataFrame(lines, columns=DRAWN)
    return _draw(data, names, dataset, methods_in(tables["comparison.csv"])), data, _caption(numbers, dataset)


@styled
def _draw(data: pd.DataFrame, names: list[str], dataset: str, every: list[str]) -> Figure:
    metrics = in_order(set(data["metric"]))
    here = [str(label) for label in data[data["what"] == "here"]["method"]]
    inks = method_colours(here, every)
    # The methods of the papers first, then what is best on a task.
    order = sorted(inks, key=lambda label: (_place(label, names), here.index(label)))
    sizes = [data[data["metric"] == metric]["task"].nunique() for metric in metrics]
    figure = Figure(figsize=(6.6, 0.9 + sum(0.32 * size + 0.55 for size in sizes)))
    panels = figure.subplots(len(metrics), 1, squeeze=False, height_ratios=[size + 1 for size in sizes])
    for axis, metric in zip(panels[:, 0], metrics, strict=True):
        _panel(axis, data[data["metric"] == metric], inks)
        axis.set_xlabel(heading(title_of(metric)) + (" (lower is better)" if find(metric).lower_is_better else ""))
    entries = [("published", QUIET)]
    entries += [
        (f"{label}, here" + (" (best)" if _place(label, names) == len(names) else ""), inks[label]) for label in order
    ]
    legend(
        panels[0, 0],
        entries,
        columns=legend_columns([name for name, _ in entries], 4.8),
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        handlelength=1.0,
    )
    figure.suptitle(shorten(dataset, 60), x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure


def _place(label: str, names: list[str]) -> int:
    """Place of a label's method among those of the papers; behind all of them, where it is none."""
    name = label.split(" · ")[0]
    return names.index(name) if name in names else len(names)


def _panel(axis: Axes, data: pd.DataFrame, inks: Mapping[str, str]) -> None:
    tasks = list(dict.fromkeys(data["task"]))
    for place, task in enumerate(tasks):
        mine = data[data["task"] == task]
        for row in mine[mine["what"] == "published"].to_dict("records"):
            mark = "D" if row["verified"] else "d"
            axis.plot(row["value"], place, mark, markersize=5, color=QUIET, markeredgecolor=INK, markeredgewidth=0.3)
        ours = mine[mine["what"] == "here"].to_dict("records")
        # Below the published ones and each other, so that no interval hides another.
        offsets = [0.18 + k * min(0.16, 0.3 / max(1, len(ours) - 1)) for k in range(len(ours))]
        for row, offset in zip(ours, offsets, strict=True):
            ink = inks[str(row["method"])]
            axis.plot([row["low"], row["high"]], [place + offset] * 2, color=ink, linewidth=1.2)
            axis.plot(
                row["value"], place + offset, "o", markersize=4.5, color=ink, markeredgecolor=INK, markeredgewidth=0.3
            )
    axis.set_yticks(range(len(tasks)), [shorten(str(task), 28) for task in tasks])
    axis.set_ylim(len(tasks) - 0.4, -0.6)
    axis.grid(axis="x")
    axis.tick_params(axis="y", length=0)


def _caption(numbers: pd.DataFrame, dataset: str) -> str:
    parts = [
        f"Numbers published on {dataset} (grey diamonds, thin ones not verified in the source) and ours on the same "
        "tasks and metrics (circles, lines are intervals)."
    ]
    for (source, place), rows in numbers.fillna({"place": "", "protocol": ""}).groupby(["source", "place"], sort=False):
        methods = "; ".join(dict.fromkeys(rows["method"].astype(str)))
        protocol = next(iter(rows["protocol"]), "")
        parts.append(f"{heading(str(source))}{', ' if place else ''}{place}: {methods}. {protocol}".strip())
    return " ".join(parts)
