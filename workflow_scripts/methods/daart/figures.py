"""The map of weights: what rule-made labels and the next frame add to the hand labels."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from workflow_scripts.plotting.style import readable_on, styled

METRIC = "macro_f1"
AXES = ["lambda_weak", "lambda_pred"]


def _weights(points: pd.DataFrame, dataset: str) -> pd.DataFrame:
    """The two weights of every setting of a dataset, and all else it stands for, as text."""
    found = points[(points["dataset"] == dataset) & (points["method"] == "daart")]
    rows = []
    for setting, text in zip(found["setting"], found["options"], strict=True):
        options = json.loads(text)
        weights = {name: options["loss"].pop(name) for name in AXES}
        rows.append({"setting": str(setting), **weights, "rest": json.dumps(options, sort_keys=True)})
    return pd.DataFrame(rows, columns=["setting", *AXES, "rest"])


def _scores(table: pd.DataFrame, dataset: str, task: str) -> pd.DataFrame:
    """One row a setting, all folds together: the mean over seeds and its interval where the table has them."""
    rows = table[(table["dataset"] == dataset) & (table["task"] == task) & (table["method"] == "daart")]
    rows = rows[(rows["readout"] == "native") & (rows["metric"] == METRIC)]
    rows = rows.assign(split=rows["split"].astype(str), setting=rows["setting"].astype(str))
    rows = rows[~rows["split"].str.contains(r"\d$")]
    seeds = rows[rows["seed"].notna()].groupby("setting")["seed"].nunique().rename("seeds")
    over = rows[rows["seed"].isna()] if rows["seed"].isna().any() else rows
    return over.join(seeds, on="setting")[["setting", "split", "value", "low", "high", "seeds", "n_groups"]]


@styled
def weight_map(
    tables: Mapping[str, pd.DataFrame], *, dataset: str, task: str
) -> tuple[Figure, pd.DataFrame, str] | None:
    """Draw macro F1 on held-out recordings over lambda_weak and lambda_pred, with intervals.

    Parameters
    ----------
    tables : mapping
        Holds ``comparison.csv`` and ``settings.csv``.
    dataset, task : str

    Returns
    -------
    tuple or None
        Figure, numbers drawn, caption; None where fewer than two pairs of weights were scored, or points differ in more
        than the two weights.
    """
    points = _weights(tables["settings.csv"], dataset)
    data = _scores(tables["comparison.csv"], dataset, task).merge(points, on="setting")
    data = data.drop_duplicates(AXES)
    if len(data) < 2 or data["rest"].nunique() > 1:
        return None
    data = data.drop(columns="rest").sort_values(AXES, ignore_index=True)
    rows, columns = (sorted(data[name].unique()) for name in AXES)
    grid = np.full((len(rows), len(columns)), np.nan)
    figure = Figure(figsize=(1.6 + 1.5 * len(columns), 1.2 + 0.85 * len(rows)), layout="constrained")
    axes = figure.subplots()
    for weak, pred, value in zip(data["lambda_weak"], data["lambda_pred"], data["value"], strict=True):
        grid[rows.index(weak), columns.index(pred)] = value
    image = axes.imshow(grid, cmap="cividis", aspect="auto", origin="lower")
    for _, cell in data.iterrows():
        x, y = columns.index(cell["lambda_pred"]), rows.index(cell["lambda_weak"])
        text = f"{cell['value']:.3f}"
        if np.isfinite(cell["low"]):
            text += f"\n{cell['low']:.3f} to {cell['high']:.3f}"
        ground = to_hex(tuple(image.to_rgba(cell["value"])))
        axes.text(x, y, text, ha="center", va="center", color=readable_on(ground), fontsize=8)
    axes.set_xticks(range(len(columns)), [f"{value:g}" for value in columns])
    axes.set_yticks(range(len(rows)), [f"{value:g}" for value in rows])
    axes.set_xlabel("weight of the next frame, λ_pred")
    axes.set_ylabel("weight of weak labels, λ_weak")
    axes.grid(visible=False)
    figure.colorbar(image, ax=axes, label="macro F1")
    seeds, groups = int(data["seeds"].max()), int(data["n_groups"].max())
    several = f"mean over {seeds} seeds, " if seeds > 1 else ""
    over = "recordings and seeds" if seeds > 1 else "recordings"
    caption = (
        f"daart on {dataset}: macro F1 of its own classes of {task} in {groups} held-out groups, {several}by the "
        "weights of weak labels and of the next frame, hand labels having weight 1. Below each value its interval over "
        f"{over}."
    )
    return figure, data, caption
