"""Figures of results: data in, Figure out. Drawing knows no file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MultipleLocator

from workflow_scripts.formats.bouts import runs
from workflow_scripts.metrics.entry import UNIT
from workflow_scripts.metrics.registry import find
from workflow_scripts.metrics.registry import title as title_of
from workflow_scripts.plotting.style import (
    INK,
    PAPER,
    QUIET,
    class_colours,
    legend,
    legend_columns,
    method_colours,
    readable_on,
    shorten,
    styled,
)
from workflow_scripts.report.tables import (
    Score,
    heading,
    mean,
    number,
    pool_seeds,
    scores,
)
from workflow_scripts.report.timeline import clock

ABOVE: Any = {"loc": "lower left", "bbox_to_anchor": (0, 1.0), "borderaxespad": 0.4, "handlelength": 1.2}
"""Place of a legend over its axes."""
NUMBERED = 40
"""Classes up to which a confusion matrix has its numbers written into its cells."""
WIDTH = 6.6
"""Inches; the page shows it at its own size, papers at one column and a half."""


def _whiskers(axes: Axes, found: Sequence[Score], centre: float, height: float) -> None:
    """Draw every seed's interval beside the others, so that none hides another."""
    offsets = (np.arange(len(found)) - (len(found) - 1) / 2) * height / max(1, len(found))
    for score, offset in zip(found, offsets, strict=True):
        if math.isfinite(score.low) and math.isfinite(score.high):
            for ink, wide in ((PAPER, 2.3), (INK, 1.1)):  # the halo keeps it visible on bars of any colour
                axes.plot([score.low, score.high], [centre + offset] * 2, color=ink, linewidth=wide)
        if len(found) > 1:
            axes.plot([score.value], [centre + offset], marker="o", markersize=2.5, color=INK, linestyle="none")


@styled
def empty(text: str) -> Figure:
    """Draw a sentence in place of a figure that has nothing to show."""
    figure = Figure(figsize=(WIDTH, 0.8))
    figure.text(0.5, 0.5, text, ha="center", va="center")
    return figure


def _value_axis(axes: Axes, metric: str, highest: float, *, per_class: bool = False) -> None:
    direction = " (lower is better)" if find(metric).lower_is_better else ""
    axes.set_xlabel(("F1 by class" if per_class else heading(title_of(metric))) + direction)
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    if find(metric).bounds == UNIT:  # the whole range, so that figures compare
        axes.set_xlim(0, max(1.0, highest))


@styled
def method_bars(table: pd.DataFrame, metric: str = "macro_f1", title: str = "", every: Sequence[str] = ()) -> Figure:
    """Draw one bar a method with its interval, best on top, chance below in grey.

    Parameters
    ----------
    table : DataFrame
        Comparison rows of one dataset and task.
    metric : str
    title : str
    every : sequence of str
        All methods of the experiment, for the colours.

    Returns
    -------
    Figure
        With several seeds the bar is their mean, and each seed's value and interval is drawn on it.
    """
    grouped = pool_seeds(scores(table), metric)
    if not grouped:
        return empty(f"No value of {title_of(metric)}")
    order = list(grouped)
    figure = Figure(figsize=(WIDTH, 0.75 + 0.3 * len(order)))
    axes = figure.subplots()
    highest = 0.0
    inks = method_colours((label for label in order if not grouped[label][0].chance), every)
    for place, label in enumerate(order):
        found = grouped[label]
        chance = found[0].chance
        value = mean(found)
        axes.barh(place, value, height=0.66, color=inks.get(label, QUIET), hatch="////" if chance else None)
        _whiskers(axes, found, place, 0.5)
        ends = [x for s in found for x in (s.value, s.high) if math.isfinite(x)]
        highest = max(highest, *ends)
        axes.annotate(
            number(value),
            (max(*ends, value, 0.0), place),  # right of the bar, a bar below zero too
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.6},  # the line of chance may cross it
        )
    floor = [mean(grouped[label]) for label in order if grouped[label][0].floor]
    if floor:
        level = min(floor) if find(metric).lower_is_better else max(floor)
        axes.axvline(level, color=INK, linestyle=(0, (4, 3)), linewidth=0.9)
    axes.set_yticks(range(len(order)), [shorten(label, 34) for label in order])
    axes.set_ylim(len(order) - 0.4, -0.6)
    _value_axis(axes, metric, highest)
    if title:
        axes.set_title(shorten(title, 70))
    return figure


def _class_order(found: Sequence[Score], vocabulary: Sequence[str], background: str | None) -> list[str]:
    """Classes as the vocabulary has them, others as the table; the background last: it is rarely the question."""
    names = dict.fromkeys(score.metric.removeprefix("f1/") for score in found)
    ordered = [*(name for name in vocabulary if name in names), *(name for name in names if name not in vocabulary)]
    return sorted(ordered, key=lambda name: name == background)


def _method_order(found: Sequence[Score]) -> list[str]:
    """Methods by their mean F1 over the classes, best first."""
    labels = {score.label for score in found}
    means = {label: mean([score for score in found if score.label == label]) for label in labels}
    return sorted(labels, key=lambda label: (-means[label], label))


@styled
def class_bars(
    table: pd.DataFrame,
    title: str = "",
    background: str | None = None,
    vocabulary: Sequence[str] = (),
    every: Sequence[str] = (),
) -> Figure:
    """Draw every class's F1 by method, with intervals, and the best chance row as a line across the class.

    Parameters
    ----------
    table : DataFrame
        Comparison rows of one dataset and task; those whose metric is ``f1/<class>`` are drawn.
    title : str
    background : str, optional
        Class that means nothing of interest, drawn last.
    vocabulary : sequence of str
        Classes in the order of the other figures; those of the table where empty.
    every : sequence of str
        All methods of the experiment, for the colours.
    """
    found = [s for s in scores(table) if s.metric.startswith("f1/") and math.isfinite(s.value)]
    methods = _method_order([score for score in found if not score.chance])
    classes = _class_order(found, vocabulary, background)
    if not methods:
        return empty("No F1 by class")
    thick = 0.155 if len(methods) > 3 else 0.2  # inches a bar
    # The legend begins where the axes do, right of the classes' names.
    names = max(1.2, 0.3 + 0.07 * max(min(len(name), 22) for name in classes))
    columns = legend_columns(methods, WIDTH - names)
    legend_rows = -(-len(methods) // columns)
    figure = Figure(figsize=(WIDTH, 0.9 + 0.2 * legend_rows + len(classes) * (thick * len(methods) + 0.16)))
    axes = figure.subplots()
    inks = method_colours(methods, every)
    height = 1 / (len(methods) + 0.16 / thick)
    for place, name in enumerate(classes):
        grouped = pool_seeds(found, f"f1/{name}")
        for index, label in enumerate(methods):
            centre = place + (index - (len(methods) - 1) / 2) * height
            if label in grouped:
                fill = inks[label]
                axes.barh(centre, mean(grouped[label]), height=height, color=fill, edgecolor=INK, linewidth=0.3)
                _whiskers(axes, grouped[label], centre, 0.6 * height)
        floor = [mean(rows) for rows in grouped.values() if rows[0].floor]
        if floor:
            half = height * len(methods) / 2
            axes.plot([max(floor)] * 2, [place - half, place + half], color=INK, linestyle=(0, (2, 1.5)), linewidth=1.4)
    axes.set_yticks(range(len(classes)), [shorten(name, 22) for name in classes])
    axes.set_ylim(len(classes) - 0.45, -0.55)
    _value_axis(axes, "f1/{}", 1.0, per_class=True)
    legend(axes, list(inks.items()), columns=columns, **ABOVE)
    if title:
        figure.suptitle(shorten(title, 70), x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure


def _tick_step(seconds: float) -> float:
    """Return a round number of seconds that gives at most eight ticks."""
    steps = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
    return next((step for step in steps if seconds / step <= 8), max(1.0, seconds / 8))


@styled
def ethogram(
    truth: npt.NDArray[np.integer[Any]],
    predictions: Mapping[str, npt.NDArray[np.integer[Any]]],
    vocabulary: Sequence[str],
    fps: float,
    title: str = "",
    background: str | None = None,
) -> Figure:
    """Draw what people saw and what the methods said, one row each, over time.

    Parameters
    ----------
    truth : ndarray of int, shape (time,)
        Index into `vocabulary`; -1 where nobody labelled.
    predictions : mapping of str to ndarray of int, shape (time,)
        By method, in the order drawn.
    vocabulary : sequence of str
    fps : float
        Frames per second.
    title : str
    background : str, optional
        Class that means nothing of interest, drawn in grey.
    """
    rows = {"human labels": truth, **predictions}
    colours = class_colours(vocabulary, background)
    columns = legend_columns(vocabulary, WIDTH - 1.2)
    legend_rows = -(-len(vocabulary) // columns)
    figure = Figure(figsize=(WIDTH, 0.85 + 0.3 * len(rows) + 0.2 * legend_rows))
    axes = figure.subplots()
    for place, values in enumerate(rows.values()):
        cut = runs(values)
        for state, fill in enumerate(colours):
            starts, stops = cut.of(state)
            spans = list(zip(starts / fps, (stops - starts) / fps, strict=True))
            axes.broken_barh(spans, (place - 0.4, 0.8), facecolors=fill, linewidth=0)
    axes.set_yticks(range(len(rows)), [shorten(name, 22) for name in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(0, len(truth) / fps)
    axes.xaxis.set_major_locator(MultipleLocator(_tick_step(len(truth) / fps)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: clock(seconds)))
    axes.set_xlabel("time (min:s)")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    if vocabulary:
        entries = list(zip(vocabulary, colours, strict=True))
        legend(axes, entries, columns=columns, **ABOVE)
    if title:
        figure.suptitle(shorten(title, 70), x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure


@styled
def confusion(matrix: npt.NDArray[np.integer[Any]], vocabulary: Sequence[str], title: str = "") -> Figure:
    """Draw a confusion matrix: shares of each true class, counts in small print.

    Parameters
    ----------
    matrix : ndarray of int, shape (n_classes, n_classes)
        Rows are the truth, columns the prediction.
    vocabulary : sequence of str
    title : str

    Raises
    ------
    ValueError
        When matrix and vocabulary do not fit.
    """
    size = len(vocabulary)
    if matrix.shape != (size, size):
        raise ValueError(f"a confusion matrix of shape {matrix.shape} beside {size} classes")
    totals = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, totals, out=np.zeros(matrix.shape), where=totals > 0)
    small = size <= NUMBERED
    side = max(2.2, 0.62 * size if small else 0.12 * size)
    figure = Figure(figsize=(side + 1.7, side + 1.1))
    axes = figure.subplots()
    ramp = LinearSegmentedColormap.from_list("shares", ["#f4f8fb", "#0072b2", "#00314d"])
    if small:
        edges = np.arange(size + 1) - 0.5
        axes.pcolormesh(edges, edges, shares, cmap=ramp, vmin=0, vmax=1, edgecolors="face", linewidth=0.4)
    else:  # 40 000 cells of 200 classes are one picture of a pixel a cell, without numbers
        axes.imshow(shares, cmap=ramp, vmin=0, vmax=1, interpolation="none")
    for row, column in np.ndindex(size, size) if small else ():
        if totals[row, 0] == 0:
            continue
        share = shares[row, column]
        text = readable_on(ramp(share)[:3])
        axes.text(column, row - 0.1, f"{share:.2f}", ha="center", va="center", color=text, fontsize=8.5)
        axes.text(column, row + 0.25, f"{matrix[row, column]:,}", ha="center", va="center", color=text, fontsize=6)
    # Laying out 400 names takes longer than all the rest of a page, and nobody could read them.
    named = range(0, size, -(-size // NUMBERED))
    names = [shorten(vocabulary[k], 16) for k in named]
    axes.set_xticks(named, names, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(named, names)
    axes.set_ylim(size - 0.5, -0.5)
    axes.set_aspect("equal")
    axes.tick_params(length=0, labelsize=None if small else 6)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("predicted")
    axes.set_ylabel("human label")
    if title:
        axes.set_title(shorten(title, 44))
    return figure
