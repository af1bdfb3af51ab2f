"""`train_curves.png` and `val_curves.png`."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from workflow_scripts.core.files import atomic_path
from workflow_scripts.plotting.style import colour, styled
from workflow_scripts.training.metrics import LEADING


@styled
def curves(table: pd.DataFrame, side: str) -> Figure:
    """Draw one panel a metric against the epoch.

    Parameters
    ----------
    table : DataFrame
        `metrics.csv`.
    side : {"train", "val"}
        Beginning of the metrics' names.

    Returns
    -------
    Figure
        Says so where the run has no such metric.
    """
    names = [name for name in table.columns if name.startswith(f"{side}_") and name not in LEADING]
    names = [name for name in names if table[name].notna().any()]
    columns = min(3, max(1, len(names)))
    rows = max(1, math.ceil(len(names) / columns))
    figure = Figure(figsize=(4.2 * columns, 3.0 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    if not names:
        axes[0].text(0.5, 0.5, f"this run has no {side}_ metrics", ha="center", va="center")
    for axis, name in zip(axes, names, strict=False):
        shown = table[["epoch", name]].dropna()
        axis.plot(shown["epoch"] + 1, shown[name], marker="o", markersize=3, color=colour(0))
        axis.set_title(name.removeprefix(f"{side}_").replace("_", " "), fontsize=10)
        axis.set_xlabel("epoch")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid()
    for axis in axes[len(names) :]:
        axis.set_axis_off()
    return figure


def save_figure(figure: Figure, path: str | Path, dpi: int = 110) -> None:
    """Write a figure, whole or not at all, with nothing in it that changes from run to run."""
    with atomic_path(path) as part:
        metadata = {"Software": None} if part.suffix == ".png" else {"CreationDate": None}
        figure.savefig(part, dpi=dpi, metadata=metadata)
