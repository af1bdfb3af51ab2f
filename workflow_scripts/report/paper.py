"""Figures for a paper: tables in; Figure, the numbers drawn and a caption out."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workflow_scripts.formats.tables import background_in, confusion_matrix, vocabulary_in
from workflow_scripts.metrics.entry import UNIT
from workflow_scripts.metrics.registry import find
from workflow_scripts.metrics.registry import title as title_of
from workflow_scripts.plotting.style import INK, QUIET, class_colours, method_colours, shorten, styled
from workflow_scripts.report import figures
from workflow_scripts.report.ranking import rank_plot
from workflow_scripts.report.tables import (
    Score,
    heading,
    mean,
    methods_in,
    number,
    pool_seeds,
    primary_metric,
    without_folds,
)
from workflow_scripts.report.tables import scores as read_scores
from workflow_scripts.report.timeline import frames

Plate = tuple[Figure, pd.DataFrame, str]
"""A figure, the numbers drawn in it, and its caption."""
Tables = Mapping[str, pd.DataFrame]

COLUMNS = 3
LONGEST = 40
"""Letters of a method's name that are shown."""
WORDS = 32
"""Letters of an axis label in one line of a panel."""
MOST_PANELS = 12
"""With more tasks than this, a heat map takes the place of a panel a task."""


def _rows(tables: Tables, dataset: str, task: str | None = None) -> pd.DataFrame:
    table = tables["comparison.csv"]
    table = without_folds(table[table["dataset"] == dataset])
    return table if task is None else table[table["task"] == task]


def _spread(found: list[Score]) -> tuple[float, float]:
    """Interval of one seed, or what the intervals of all seeds span."""
    lows, highs = [s.low for s in found if math.isfinite(s.low)], [s.high for s in found if math.isfinite(s.high)]
    return (min(lows), max(highs)) if lows and highs else (math.nan, math.nan)


def scores(tables: Tables, *, dataset: str) -> Plate | None:
    """Draw every method on every task of a dataset: a panel a task, or a heat map where there are many.

    Parameters
    ----------
    tables : mapping
        Holds ``comparison.csv``.
    dataset : str
    """
    table = _rows(tables, dataset)
    by_task: dict[str, tuple[str, dict[str, list[Score]]]] = {}
    for task, rows in table.groupby("task", sort=False):
        found = read_scores(rows)
        metric = primary_metric(found)
        if metric is not None:
            by_task[str(task)] = (metric, pool_seeds(found, metric))
    if not by_task:
        return None
    data = pd.DataFrame(
        [
            (
                task,
                metric,
                label,
                found[0].chance,
                mean(found),
                *_spread(found),
                found[0].published,
                len(found),
                found[0].n_groups,
            )
            for task, (metric, grouped) in by_task.items()
            for label, found in grouped.items()
        ],
        columns=["task", "metric", "method", "chance", "value", "low", "high", "published", "seeds", "n_groups"],
    )
    every = methods_in(tables["comparison.csv"])
    figure = _panels(data, every) if len(by_task) <= MOST_PANELS else _heat_map(data)
    groups = data["n_groups"].dropna()
    over = f"; intervals are 95 % bootstraps over {int(groups.min())} or more groups" if len(groups) else ""
    seeds = int(data["seeds"].max())
    caption = (
        f"Methods on {dataset}, held-out recordings{over}. "
        + (f"Points are means of {seeds} seeds and lines span the seeds' intervals. " if seeds > 1 else "")
        + "Grey: chance and rules that look at labels alone. "
        + ("Grey diamonds: published numbers, whose protocol may differ." if data["published"].notna().any() else "")
    )
    return figure, data, caption.strip()


@styled
def _panels(data: pd.DataFrame, every: Sequence[str]) -> Figure:
    tasks = list(dict.fromkeys(data["task"]))
    order = list(dict.fromkeys(data["method"]))
    inks = method_colours(data["method"][~data["chance"]], every)
    longest = min(LONGEST, max(map(len, order)))
    columns = min(COLUMNS if longest < 24 else COLUMNS - 1, len(tasks))
    lines = math.ceil(len(tasks) / columns)
    most = data.groupby("task").size().max()
    figure = Figure(figsize=((2.0 + 0.075 * longest) * columns, lines * (0.75 + 0.2 * most)))
    axes = figure.subplots(lines, columns, squeeze=False)
    for axis in axes.flat[len(tasks) :]:
        axis.set_axis_off()
    for axis, task in zip(axes.flat, tasks, strict=False):
        rows = data[data["task"] == task].reset_index(drop=True)
        for place, row in rows.iterrows():
            ink = inks.get(row["method"], QUIET)
            if pd.notna(row["published"]):  # below the row, so that neither hides the other
                axis.plot(
                    row["published"],
                    place + 0.3,
                    "D",
                    markersize=4,
                    color=QUIET,
                    markeredgecolor=INK,
                    markeredgewidth=0.4,
                )
            axis.plot([row["low"], row["high"]], [place, place], color=INK, linewidth=1.1)
            axis.plot(row["value"], place, "o", markersize=5, color=ink, markeredgecolor=INK, markeredgewidth=0.4)
        axis.set_yticks(range(len(rows)), [shorten(name, LONGEST) for name in rows["method"]])
        axis.set_ylim(len(rows) - 0.5, -0.5)
        axis.grid(axis="x")
        axis.set_xlabel(_axis_label(rows["metric"].iloc[0]), fontsize=8)
        if find(rows["metric"].iloc[0]).bounds == UNIT:
            axis.set_xlim(0, 1)
        axis.set_title(shorten(task, 30))
    return figure


def _axis_label(metric: str) -> str:
    """Return the title of a metric in lines that a panel has room for."""
    words = heading(title_of(metric)) + (" (lower is better)" if find(metric).lower_is_better else "")
    return "\n".join(textwrap.wrap(words, WORDS))


@styled
def _heat_map(data: pd.DataFrame) -> Figure:
    """Shade by rank inside the task, since tasks have different metrics; write the value."""
    wide = data.pivot_table(index="task", columns="method", values="value", sort=False)
    sign = (
        data.drop_duplicates("task").set_index("task")["metric"].map(lambda m: -1.0 if find(m).lower_is_better else 1.0)
    )
    ranks = wide.mul(sign, axis=0).rank(axis=1, pct=True)
    figure = Figure(figsize=(2.6 + 0.75 * wide.shape[1], 1.2 + 0.2 * len(wide)))
    axis = figure.subplots()
    axis.pcolormesh(ranks.to_numpy(), cmap="Blues", vmin=0, vmax=1.4, edgecolors="white", linewidth=0.5)
    for (row, column), value in np.ndenumerate(wide.to_numpy(dtype=float)):
        if math.isfinite(value):
            axis.text(column + 0.5, row + 0.5, number(value), ha="center", va="center", fontsize=6.5)
    names = [shorten(str(name), 20) for name in wide.columns]
    axis.set_xticks(np.arange(wide.shape[1]) + 0.5, names, rotation=40, ha="right", rotation_mode="anchor")
    axis.set_yticks(np.arange(len(wide)) + 0.5, [shorten(str(name), 36) for name in wide.index], fontsize=7)
    axis.set_ylim(len(wide), 0)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    return figure


def classes(tables: Tables, *, dataset: str, task: str) -> Plate | None:
    """Draw F1 by class and method.

    Parameters
    ----------
    tables : mapping
        Holds ``comparison.csv`` and ``tables/labels.csv``.
    dataset, task : str
    """
    table = _rows(tables, dataset, task)
    table = table[table["metric"].str.startswith("f1/")]
    labels = tables["tables/labels.csv"]
    here = labels[(labels["dataset"] == dataset) & (labels["task"] == task)]
    if table["value"].notna().sum() == 0:
        return None
    caption = (
        f"F1 by class of {task} on {dataset}, held-out recordings, 95 % bootstrap over groups; "
        "the broken line is the best chance row."
    )
    vocabulary = list(dict.fromkeys(here["label"].dropna().astype(str)))
    every = methods_in(tables["comparison.csv"])
    return figures.class_bars(table, f"{dataset} · {task}", background_in(here), vocabulary, every), table, caption


def positives(tables: Tables, *, dataset: str, positive: str) -> Plate | None:
    """Draw F1 of the positive class by yes-or-no task and method.

    Parameters
    ----------
    tables : mapping
        Holds ``comparison.csv``.
    dataset : str
    positive : str
        The tasks' positive class.
    """
    table = _rows(tables, dataset)
    table = table[table["metric"] == f"f1/{positive}"]
    if table["value"].notna().sum() == 0:
        return None
    caption = (
        f"F1 of the class {positive} by task of {dataset}, held-out recordings, 95 % bootstrap over groups; "
        "the broken line is the best chance row."
    )
    shown = table.assign(metric="f1/" + table["task"])
    return figures.class_bars(shown, dataset, every=methods_in(tables["comparison.csv"])), table, caption


def confusion(tables: Tables, *, dataset: str, task: str) -> Plate | None:
    """Draw the confusion matrix of the best method, folds and seeds together.

    Parameters
    ----------
    tables : mapping
        Holds ``comparison.csv`` and ``tables/confusions.csv``.
    dataset, task : str
    """
    counts = tables["tables/confusions.csv"]
    counts = counts[(counts["dataset"] == dataset) & (counts["task"] == task)]
    if counts.empty:
        return None
    run = counts["method"] + " · " + counts["mode"] + " · " + counts["setting"]
    right = counts["n"].where(counts["truth"] == counts["prediction"], 0)
    sizes = {name: counts["n"].groupby([run, counts[name]]).sum() for name in ("truth", "prediction")}
    both = sizes["truth"].add(sizes["prediction"].rename_axis(sizes["truth"].index.names), fill_value=0)
    f1 = (2 * right.groupby([run, counts["truth"]]).sum() / both.replace(0, np.nan)).groupby(level=0).mean()
    best = str(f1.sort_index().idxmax())
    rows = counts[run == best]
    vocabulary, matrix = confusion_matrix(rows)
    data = pd.DataFrame(matrix, index=pd.Index(vocabulary, name="truth"), columns=vocabulary).reset_index()
    caption = f"Held-out confusion of {best} on {task} of {dataset}: shares of each true class, and counts."
    return figures.confusion(matrix, vocabulary, best.split(" · ")[0]), data, caption


def ranks(tables: Tables, *, dataset: str, task: str) -> Plate | None:
    """Draw the rank of every method on a task with its interval, and which methods the tests do not tell apart.

    Parameters
    ----------
    tables : mapping
        Holds ``ranks.csv`` and ``tests.csv``, and ``comparison.csv`` for the colours.
    dataset, task : str
    """
    found = {name: table[(table["dataset"] == dataset) & (table["task"] == task)] for name, table in tables.items()}
    rows, tests = found["ranks.csv"], found["tests.csv"]
    rows = rows[rows["scope"] == "task"]
    if rows.empty:
        return None
    split = rows["split"].iloc[0]
    rows, tests = rows[rows["split"] == split], tests[tests["split"] == split]
    caption = (
        f"Ranks by {title_of(str(rows['metric'].iloc[0]))} on {task} of {dataset}, with bootstrap intervals over "
        f"{int(rows['n_groups'].iloc[0])} held-out groups; a bar at the side joins methods that paired permutation "
        "tests, corrected after Holm, do not tell apart."
    )
    every = methods_in(tables["comparison.csv"]) if "comparison.csv" in tables else ()
    return rank_plot(rows, tests, f"{dataset} · {task}", every), rows, caption


@styled
def _maps(points: pd.DataFrame, names: Sequence[str]) -> Figure:
    panels = list(points.groupby(["method", "mode", "setting"], sort=False))
    columns = min(COLUMNS, len(panels))
    lines = math.ceil(len(panels) / columns)
    inks = dict(zip(names, class_colours(names, background_in(points)), strict=True))
    figure = Figure(figsize=(0.4 + 2.4 * columns, 0.7 + 2.3 * lines))
    axes = figure.subplots(lines, columns, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, ((method, mode, point), rows) in zip(axes.flat, panels, strict=False):
        axis.set_axis_on()
        unknown = rows["label"].isna()
        axis.scatter(rows["pc1"][unknown], rows["pc2"][unknown], c=QUIET, s=2, alpha=0.5, linewidth=0)
        rows = rows[~unknown]
        axis.scatter(rows["pc1"], rows["pc2"], c=[inks[name] for name in rows["label"]], s=3, linewidth=0)
        axis.set_xticks([])
        axis.set_yticks([])
        share = 100 * (rows["share1"].iloc[0] + rows["share2"].iloc[0])
        axis.set_xlabel(f"{share:.0f} % of the variance", fontsize=7.5)
        shown = [str(method)] + [str(text) for text in (mode, point) if text not in ("sound", "default")]
        axis.set_title(shorten(" · ".join(shown), 30))
    entries = [(name, inks[name]) for name in names]
    if points["label"].isna().any():
        entries.append(("not labelled", QUIET))
    figure.legend(
        [Line2D([], [], marker="o", linestyle="none", markersize=4, color=ink) for _, ink in entries],
        [shorten(name) for name, _ in entries],
        loc="outside upper center",
        ncols=min(6, len(entries)),
    )
    return figure


def embeddings(tables: Tables, *, dataset: str) -> Plate | None:
    """Draw the two largest principal components of every method's held-out embeddings, coloured by the mapped task.

    Parameters
    ----------
    tables : mapping
        Holds ``tables/embedding_maps.csv`` and ``tables/labels.csv``.
    dataset : str
    """
    points = tables["tables/embedding_maps.csv"]
    points = points[points["dataset"] == dataset]
    labelled = points.dropna(subset=["label"])
    if labelled.empty:
        return None
    task = labelled["task"].iloc[0]
    points = points[(points["task"] == task) | points["label"].isna()]
    caption = f"Principal components of embeddings of {dataset}, a sample of held-out frames, coloured by {task}."
    names = vocabulary_in(tables["tables/labels.csv"], dataset, str(task), labelled["label"])
    return _maps(points, names), points, caption


def ethogram(tables: Tables, *, dataset: str, task: str) -> Plate | None:
    """Draw the example recording of a task: human labels and every method, over time.

    Parameters
    ----------
    tables : mapping
        Holds ``tables/ethograms.csv``, ``tables/quality.csv`` and ``tables/labels.csv``.
    dataset, task : str
    """
    bouts = tables["tables/ethograms.csv"]
    bouts = bouts[(bouts["dataset"] == dataset) & (bouts["task"] == task)]
    if bouts.empty:
        return None
    recording = bouts["recording"].iloc[0]
    bouts = bouts[bouts["recording"] == recording]
    quality = tables["tables/quality.csv"]
    quality = quality[(quality["dataset"] == dataset) & (quality["recording"] == recording)]
    vocabulary = vocabulary_in(tables["tables/labels.csv"], dataset, task, bouts["label"])
    drawn = {str(row): frames(found, vocabulary, int(bouts["stop"].max())) for row, found in bouts.groupby("row")}
    truth = drawn.pop("truth")
    fps, title = float(quality["fps"].iloc[0]), f"{dataset} · {recording}"
    figure = figures.ethogram(truth, drawn, vocabulary, fps, title, background_in(bouts))
    return figure, bouts, f"{task} in the held-out recording {recording} of {dataset}, human labels on top."
