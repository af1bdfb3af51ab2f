"""The figure of label efficiency: score against the number of labelled groups, a line a method."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from workflow_scripts.metrics.registry import title as title_of
from workflow_scripts.plotting.style import method_colours, styled
from workflow_scripts.report.tables import methods_in

CHANCE = ("chance",)
"""Readouts that are drawn as chance."""
ENOUGH = 0.95
"""Share of what all labels give that the sentence speaks of."""
PEOPLE = "human"
"""Name under which a card's published numbers state how well people agree."""


@styled
def draw(tables: Mapping[str, pd.DataFrame], *, dataset: str, task: str) -> tuple[Figure, pd.DataFrame, str] | None:
    """Draw the curves of a task.

    Parameters
    ----------
    tables : mapping
        Holds ``label_efficiency.csv`` and ``comparison.csv``; the level of human agreement is a published number of the
        method ``human`` in the latter.
    dataset, task : str
    """
    rows = tables["label_efficiency.csv"]
    rows = rows[(rows["dataset"] == dataset) & (rows["task"] == task)]
    if rows.empty:
        return None
    rows = rows[rows["family"] == rows["family"].iloc[0]]
    methods = rows[~rows["readout"].isin(CHANCE)]
    chance = rows[rows["readout"].isin(CHANCE)]
    order = methods[methods["labelled"] == methods["labelled"].max()].sort_values("value", ascending=False)["label"]
    figure = Figure(figsize=(5.2, 3.4))
    axis = figure.subplots()
    inks = method_colours(order.astype(str), methods_in(tables["comparison.csv"]) if "comparison.csv" in tables else ())
    for place, label in enumerate(order):
        line = methods[methods["label"] == label].sort_values("labelled")
        # A little apart from one another, so that intervals at one number do not hide each other.
        at = line["labelled"] * (1 + 0.03 * (place - (len(order) - 1) / 2))
        errors = [(line["value"] - line["low"]).clip(lower=0), (line["high"] - line["value"]).clip(lower=0)]
        axis.errorbar(
            at,
            line["value"],
            yerr=errors,
            marker="o",
            markersize=3,
            linewidth=1.1,
            elinewidth=0.7,
            label=label,
            color=inks[label],
        )
    for (label, line), dashes in zip(chance.groupby("label", sort=False), cycle((":", "-.")), strict=False):
        line = line.sort_values("labelled")
        axis.plot(
            line["labelled"], line["value"], color="0.6", linestyle=dashes, linewidth=1, label=f"{label} (chance)"
        )
    metric = str(rows["metric"].iloc[0])
    people = _agreement(tables.get("comparison.csv"), dataset, task, metric)
    if people is not None:
        axis.axhline(people, color="0.3", linestyle="--", linewidth=1, label="human agreement")
    numbers = sorted(rows["labelled"].unique())
    axis.set_xscale("log")
    axis.set_xticks(numbers, [str(number) for number in numbers])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xlabel("labelled training groups")
    axis.set_ylabel(title_of(metric))
    axis.set_title(f"{dataset} · {task}")
    figure.legend(loc="outside right upper", fontsize=7)
    draws, groups = int(rows["draws"].max()), int(rows["n_groups"].max())
    caption = (
        f"{title_of(metric)} on {task} of {dataset} against the number of labelled training groups; every other "
        f"training group is there without labels. Means over {draws} nested draws, 95 % bootstrap intervals over draws "
        f"and {groups} held-out groups, the same for all. " + " ".join(sentences(methods))
    )
    return figure, rows, caption.strip()


def _agreement(table: pd.DataFrame | None, dataset: str, task: str, metric: str) -> float | None:
    if table is None or table.empty:
        return None
    rows = table[(table["dataset"] == dataset) & (table["task"] == task) & (table["metric"] == metric)]
    rows = rows[rows["method"] == PEOPLE]
    known = rows["published"].dropna() if "published" in rows else rows["value"].dropna()
    return float(known.iloc[0]) if len(known) else None


def sentences(table: pd.DataFrame) -> list[str]:
    """Say for each method with how many labelled groups it reaches 95 % of what the largest number gives.

    Parameters
    ----------
    table : DataFrame
        `label_efficiency.csv`, of one dataset, family and task.
    """
    said = []
    for label, rows in table.groupby("label", sort=False):
        rows = rows.sort_values("labelled")
        most = rows.iloc[-1]
        reached = rows[rows["share"] >= ENOUGH]
        if len(rows) < 2 or reached.empty:
            continue
        first = reached.iloc[0]
        if first["labelled"] == most["labelled"]:
            said.append(
                f"{label} gains up to {most['labelled']} labelled groups ({most['value']:.3f}); "
                f"{rows.iloc[-2]['labelled']} do not give 95 % of that."
            )
            continue
        said.append(
            f"With {first['labelled']} labelled group{'s' if first['labelled'] > 1 else ''} {label} reaches "
            f"{100 * first['share']:.0f} % ({100 * first['share_low']:.0f}–{100 * first['share_high']:.0f}) of what "
            f"{most['labelled']} give ({first['value']:.3f} of {most['value']:.3f})."
        )
    return said
