"""Figures of the behaviour tables: animals by condition, rasters, time bins, transitions. Drawing knows no file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from workflow_scripts.plotting.style import GRID, INK, QUIET, colour, legend, readable_on, shorten, styled

Plate = tuple[Figure, pd.DataFrame, str]
Tables = Mapping[str, pd.DataFrame]

WIDTH = 6.6
"""Inches."""
TITLES = {
    "share": "Share of time",
    "seconds": "Time (s)",
    "bouts": "Bouts",
    "rate_per_min": "Bouts per minute",
    "mean_s": "Mean bout (s)",
    "median_s": "Median bout (s)",
    "latency_s": "Latency (s)",
}
MOST_RASTERS = 40
"""Recordings drawn at most in rasters; the first of each condition."""
ALL = "all recordings"


def _chosen(table: pd.DataFrame, select: Mapping[str, str]) -> pd.DataFrame:
    for name, value in select.items():
        table = table[table[name] == value]
    table = table.copy()
    for name in ("animal", "group", "condition", "individual"):
        if name in table:
            table[name] = table[name].fillna("").astype(str)
    return table


def _behaviours(table: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(table[~table["background"].astype(bool)]["class"]))


def _conditions(values: pd.Series[Any]) -> list[str]:
    return sorted(set(values) - {""}) or [""]


def _said_by(source: str) -> str:
    return "hand labels" if source == "human" else f"predictions of {source}"


@styled
def animals(tables: Tables, dataset: str, task: str, source: str) -> Plate | None:
    """Draw one dot a unit and measure, with the mean of each condition and its interval."""
    budget = _chosen(tables["behaviour/budget.csv"], {"dataset": dataset, "task": task, "source": source})
    found = _chosen(tables["behaviour/conditions.csv"], {"dataset": dataset, "task": task, "source": source})
    classes = _behaviours(budget)
    if not classes:
        return None
    measures = list(dict.fromkeys(found["measure"])) or ["share", "rate_per_min", "mean_s", "latency_s"]
    conditions = _conditions(budget["condition"])
    budget["unit"] = budget["animal"].where(budget["animal"] != "", budget["group"])
    dots = (
        budget[["class", "condition", "unit", *measures]].groupby(["class", "condition", "unit"]).mean().reset_index()
    )
    figure = Figure(figsize=(WIDTH, 0.5 + 1.45 * len(classes)))
    axes = figure.subplots(len(classes), len(measures), squeeze=False)
    for row, name in enumerate(classes):
        for column, measure in enumerate(measures):
            place = axes[row, column]
            for number, condition in enumerate(conditions):
                mine = (
                    dots[(dots["class"] == name) & (dots["condition"] == condition)][measure].dropna().to_numpy(float)
                )
                spread = (np.arange(len(mine)) % 5 - min(len(mine) - 1, 4) / 2) * 0.08
                ink = colour(number) if condition else QUIET
                place.plot(
                    number + spread, mine, "o", markersize=3.4, color=ink, markeredgecolor=INK, markeredgewidth=0.3
                )
                estimate = found[
                    (found["class"] == name)
                    & (found["measure"] == measure)
                    & (found["row"] == "estimate")
                    & (found["a"] == condition)
                ]
                for _, line in estimate.iterrows():
                    x = number + 0.32
                    place.plot([x, x], [line["low"], line["high"]], color=INK, linewidth=1.2)
                    place.plot([x], [line["value"]], "_", color=INK, markersize=7, markeredgewidth=1.6)
            test = found[
                (found["class"] == name) & (found["measure"] == measure) & found["row"].isin(["difference", "overall"])
            ]
            test = test[test["row"] == "overall"] if (test["row"] == "overall").any() else test
            if len(test) and math.isfinite(float(test["p_holm"].iloc[0])):
                place.set_title(
                    f"p = {float(test['p_holm'].iloc[0]):.2g}", fontsize=7.5, fontweight="normal", loc="right"
                )
            place.set_xlim(-0.5, len(conditions) - 0.3)
            place.set_xticks(
                range(len(conditions)), [shorten(c or "all", 12) for c in conditions] if row == len(classes) - 1 else []
            )
            place.set_ylim(0, 1.06 * max(place.get_ylim()[1], 1e-9))
            place.tick_params(labelsize=7.5)
            if column == 0:
                place.set_ylabel(shorten(name, 18), fontsize=9, fontweight="bold")
            if row == 0:
                place.annotate(TITLES[measure], (0, 1.22), xycoords="axes fraction", fontsize=8.5)
    engine: Any = figure.get_layout_engine()
    engine.set(rect=(0, 0, 1, 0.97))
    smallest = found["smallest_p"].dropna()
    who = f"{_said_by(source)} of {task} in {dataset}"
    text = f"One dot an animal (or group), from {who}; bars: mean with bootstrap interval."
    if len(smallest):
        text += (
            " p: permutation of conditions over units, corrected (Holm) over "
            f"{int(found['comparisons'].dropna().max())} tests; so many units allow no uncorrected p below "
            f"{float(smallest.min()):.2g}."
        )
    return figure, dots, text


@styled
def rasters(tables: Tables, dataset: str, task: str, source: str) -> Plate | None:
    """Draw the bouts of every recording in a row, by condition."""
    select = {"dataset": dataset, "task": task, "source": source}
    bouts = _chosen(tables["behaviour/bouts.csv"], select)
    budget = _chosen(tables["behaviour/budget.csv"], select)
    classes = _behaviours(budget)
    if not classes:
        return None
    seeds = budget["seed"].dropna()
    if len(seeds):
        bouts, budget = bouts[bouts["seed"] == seeds.min()], budget[budget["seed"] == seeds.min()]
    rows: list[tuple[str, str]] = []
    conditions = _conditions(budget["condition"])
    for condition in conditions:
        names = list(dict.fromkeys(budget[budget["condition"] == condition]["recording"].astype(str)))
        rows += [(condition, name) for name in names[: max(1, MOST_RASTERS // len(conditions))]]
    figure = Figure(figsize=(WIDTH, 0.9 + 0.17 * len(rows)))
    axes = figure.subplots()
    shades = {name: colour(index) for index, name in enumerate(classes)}
    for place, (_, name) in enumerate(rows):
        mine = bouts[bouts["recording"].astype(str) == name]
        about = budget[budget["recording"].astype(str) == name].iloc[0]
        length = float(about["seconds_seen"]) / max(1e-9, 1 - float(about["share_unseen"]))
        axes.broken_barh([(0, length / 60)], (place - 0.4, 0.8), color=GRID, alpha=0.35, linewidth=0)
        for each in classes:
            part = mine[mine["class"] == each]
            spans = list(zip(part["start_s"] / 60, part["duration_s"] / 60, strict=True))
            axes.broken_barh(spans, (place - 0.4, 0.8), color=shades[each], linewidth=0)
    edges = [i for i in range(1, len(rows)) if rows[i][0] != rows[i - 1][0]]
    for edge in edges:
        axes.axhline(edge - 0.5, color=INK, linewidth=0.8)
    for start, stop in zip([0, *edges], [*edges, len(rows)], strict=True):
        axes.annotate(
            shorten(rows[start][0], 16), (1.01, (start + stop - 1) / 2), xycoords=("axes fraction", "data"), va="center"
        )
    axes.set_yticks(range(len(rows)), [shorten(name, 16) for _, name in rows], fontsize=7)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel("Time (min)")
    axes.set_xlim(left=0)
    legend(axes, list(shades.items()), loc="lower left", bbox_to_anchor=(0, 1.0), handlelength=1.2)
    numbers = bouts[["recording", "condition", "class", "start_s", "stop_s"]]
    return (
        figure,
        numbers,
        f"Bouts of {task} in {dataset}, one row a recording, from {_said_by(source)}; grey is background or unseen.",
    )


@styled
def time_course(tables: Tables, dataset: str, task: str, source: str) -> Plate | None:
    """Draw the mean share of time by bin and condition, with one standard error over units."""
    bins = _chosen(tables["behaviour/time_bins.csv"], {"dataset": dataset, "task": task, "source": source})
    classes = _behaviours(bins) if len(bins) else []
    if not classes:
        return None
    conditions = _conditions(bins["condition"])
    bins["unit"] = bins["animal"].where(bins["animal"] != "", bins["group"])
    units = bins.groupby(["class", "condition", "bin", "start_s", "unit"])["share"].mean().reset_index()
    means = units.groupby(["class", "condition", "bin", "start_s"])["share"].agg(["mean", "sem", "count"]).reset_index()
    columns = min(3, len(classes))
    lines = -(-len(classes) // columns)
    figure = Figure(figsize=(WIDTH, 0.6 + 1.7 * lines))
    axes = figure.subplots(lines, columns, squeeze=False, sharex=True)
    for index in range(lines * columns):
        place = axes[index // columns, index % columns]
        if index >= len(classes):
            place.set_axis_off()
            continue
        for number, condition in enumerate(conditions):
            mine = means[(means["class"] == classes[index]) & (means["condition"] == condition)]
            minutes, ink = mine["start_s"] / 60, colour(number)
            place.fill_between(
                minutes, mine["mean"] - mine["sem"], mine["mean"] + mine["sem"], color=ink, alpha=0.22, linewidth=0
            )
            place.plot(minutes, mine["mean"], marker="o", markersize=2.6, linewidth=1.3, color=ink)
        place.set_title(shorten(classes[index], 22))
        place.set_ylim(bottom=0)
        place.grid(axis="y")
        if index % columns == 0:
            place.set_ylabel("Share of time")
        if index // columns == lines - 1:
            place.set_xlabel("Start of bin (min)")
    if conditions != [""]:
        legend(axes[0, 0], [(c, colour(n)) for n, c in enumerate(conditions)], loc="best", columns=1, fontsize=7.5)
    text = (
        f"Share of time by bin, from {_said_by(source)} of {task} in {dataset}: mean over units ± one standard error."
    )
    return figure, means, text


@styled
def transition_graphs(tables: Tables, dataset: str, task: str, source: str) -> Plate | None:
    """Draw the transitions of each condition as arrows, and their difference where there are two."""
    table = _chosen(tables["behaviour/transitions.csv"], {"dataset": dataset, "task": task, "source": source})
    if not len(table) or not table["count"].sum():
        return None
    conditions = _conditions(table["condition"])
    classes = list(dict.fromkeys(table["from"]))
    shown = {
        c or ALL: table[table["condition"] == c].pivot(index="from", columns="to", values="probability")
        for c in conditions
    }
    shown = {name: each.reindex(index=classes, columns=classes).fillna(0.0) for name, each in shown.items()}
    if len(conditions) == 2:
        first, second = shown.values()
        shown[f"{conditions[1]} − {conditions[0]}"] = second - first
    figure = Figure(figsize=(min(WIDTH, 3.2) if len(shown) == 1 else WIDTH, 2.9))
    for place, (name, matrix) in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown.items(), strict=True):
        _graph(place, matrix.to_numpy(float), classes, name, signed="−" in name and len(conditions) == 2)
    columns = ["condition", "from", "to", "count", "probability", "expected", "p_holm"]
    text = (
        f"Which behaviour follows which in {task} of {dataset}, from {_said_by(source)}; width of an arrow: "
        "probability, given the behaviour before it; below 0.05 not drawn. In a difference, orange is more, blue less."
    )
    return figure, table[columns], text


def _graph(place: Any, matrix: Any, classes: Sequence[str], title: str, *, signed: bool) -> None:
    angle = np.pi / 2 - 2 * np.pi * np.arange(len(classes)) / len(classes)
    points = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    for a, b in zip(*np.nonzero(np.abs(matrix) >= 0.05), strict=True):
        value = float(matrix[a, b])
        ink = (colour(1) if value > 0 else colour(0)) if signed else INK
        style: dict[str, Any] = {"color": ink, "linewidth": 0.5 + 4 * abs(value), "mutation_scale": 9, "alpha": 0.85}
        number = f"{value:+.2f}" if signed else f"{value:.2f}"
        if a == b:
            side = 1 if points[a, 1] > -1e-9 else -1
            place.annotate(f"itself {number}", points[a] + (0, side * 0.72), ha="center", va="center", fontsize=7)
            continue
        place.add_patch(
            FancyArrowPatch(
                points[a], points[b], connectionstyle="arc3,rad=0.18", shrinkA=13, shrinkB=13, arrowstyle="-|>", **style
            )
        )
        step = points[b] - points[a]
        where = points[a] + 0.36 * step + 0.15 * np.array([step[1], -step[0]])
        box = {"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.85}
        place.text(*where, number, fontsize=6.5, ha="center", va="center", bbox=box)
    for index, name in enumerate(classes):
        fill, side = colour(index), 1 if points[index, 1] > -1e-9 else -1
        place.plot(*points[index], "o", markersize=19, color=fill, markeredgecolor=INK, markeredgewidth=0.5, zorder=3)
        ink = readable_on(fill)
        place.annotate(str(index + 1), points[index], color=ink, ha="center", va="center", fontsize=8, zorder=4)
        place.annotate(shorten(name, 16), points[index] + (0, side * 0.46), ha="center", va="center", fontsize=7.5)
    place.set_xlim(-1.6, 1.6)
    place.set_ylim(points[:, 1].min() - 0.85, 1.85)
    place.set_aspect("equal")
    place.set_axis_off()
    place.set_title(shorten(title, 24), loc="center")
