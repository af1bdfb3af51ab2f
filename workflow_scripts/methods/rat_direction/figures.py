"""Figures of the rat direction extractor; each function returns a matplotlib Figure."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from workflow_scripts.formats.images import ImageSet
from workflow_scripts.metrics.registry import DIRECTIONS
from workflow_scripts.plotting.style import INK, QUIET, styled

COLOURS = {"head": "#D55E00", "body": "#0072B2", "true": "#009E73", "found": "#E69F00"}
"""Distinct with any colour vision (Okabe and Ito)."""


@styled
def training_log(metrics: pd.DataFrame) -> Figure:
    """Draw the loss of training and validation by epoch, with the last validation loss as title.

    Parameters
    ----------
    metrics : DataFrame
        `metrics.csv` of the run.
    """
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axis = figure.subplots()
    for name, label, colour in (("train_loss", "training", "body"), ("val_loss", "validation", "head")):
        if name in metrics:
            shown = metrics[["epoch", name]].dropna()
            axis.plot(shown["epoch"] + 1, shown[name], marker="o", markersize=3, label=label, color=COLOURS[colour])
    axis.set_yscale("log")
    axis.set_xlabel("epoch")
    axis.set_ylabel("loss")
    last = (
        metrics["val_loss"].dropna().iloc[-1] if "val_loss" in metrics and metrics["val_loss"].notna().any() else None
    )
    if last is not None:
        axis.set_title(f"last validation loss {last:.4g}")
    axis.legend()
    return figure


@styled
def rose(table: pd.DataFrame) -> Figure:
    """Draw how often the found direction deviates by how much, head and body side by side.

    Parameters
    ----------
    table : DataFrame
        Of :func:`workflow_scripts.metrics.keypoints.errors`.
    """
    figure = Figure(figsize=(8.4, 4.4), layout="constrained")
    axes = figure.subplots(1, 2, subplot_kw={"projection": "polar"})
    edges = np.radians(np.arange(-180, 181, 5))
    for axis, which in zip(axes, DIRECTIONS, strict=True):
        off = (table[f"{which}_angle"] - table[f"{which}_true"] + 180) % 360 - 180
        share = np.histogram(np.radians(off), edges)[0] / max(1, len(off))
        # The area of a bar, not its length, is what the eye compares.
        axis.bar(edges[:-1], np.sqrt(share), width=np.diff(edges), align="edge", color=COLOURS[which], alpha=0.85)
        axis.set_theta_zero_location("N")
        around = np.arange(-135, 181, 45)
        axis.set_thetagrids(around % 360, [f"{angle}°" for angle in around])
        axis.set_rlabel_position(200)  # far from the direction where the bars are
        ticks = np.array([0.01, 0.05, 0.2, 0.5])
        ticks = ticks[ticks <= max(0.05, share.max())]
        axis.set_yticks(np.sqrt(ticks), [f"{100 * tick:g} %" for tick in ticks], fontsize=8)
        error = table[f"{which}_error"]
        axis.set_title(f"{which}: median {error.median():.1f}°, 90 % below {error.quantile(0.9):.1f}°", fontsize=10)
    return figure


@styled
def error_by_animal(table: pd.DataFrame) -> Figure:
    """Draw the median and the 90th percentile of the angle errors by animal.

    Parameters
    ----------
    table : DataFrame
        Of :func:`workflow_scripts.metrics.keypoints.by_animal`.
    """
    figure = Figure(figsize=(1.6 + 1.1 * len(table), 3.8), layout="constrained")
    axis = figure.subplots()
    place = np.arange(len(table))
    for shift, which in zip((-0.2, 0.2), DIRECTIONS, strict=True):
        median, p90 = table[f"{which}_angle_median_deg"], table[f"{which}_angle_p90_deg"]
        axis.bar(place + shift, median, 0.36, color=COLOURS[which], label=f"{which}: median")
        axis.plot(place + shift, p90, "_", markersize=16, markeredgewidth=2, color=INK)
    axis.plot([], [], "_", markersize=12, markeredgewidth=2, color=INK, label="90 % are below")
    axis.set_xticks(place, [f"{a}\nn = {n}" for a, n in zip(table["animal"], table["n"], strict=True)])
    axis.set_ylabel("angle error (°)")
    axis.legend()
    return figure


@styled
def worst_frames(truth: ImageSet, found: npt.NDArray[np.floating], table: pd.DataFrame, count: int = 24) -> Figure:
    """Show the images whose head direction is furthest off, hand points beside found ones.

    Parameters
    ----------
    truth : ImageSet
    found : ndarray, shape (n, n_points, 2)
    table : DataFrame
        Errors, in the order of `truth`.
    count : int
    """
    worst = table["head_error"].to_numpy().argsort()[::-1][:count]
    columns = min(8, len(worst))
    rows = math.ceil(len(worst) / columns)
    figure = Figure(figsize=(1.5 * columns, 1.75 * rows + 0.4), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, row in zip(axes, worst, strict=False):
        axis.imshow(truth.images[row], cmap="gray", vmin=0, vmax=255)
        for points, name, style in ((truth.points[row], "true", "-"), (found[row], "found", "--")):
            axis.plot(points[:, 0], points[:, 1], style, color=COLOURS[name], linewidth=1.4)
            axis.plot(*points[-1], "o", color=COLOURS[name], markersize=4)
        animal = table["animal"].iloc[row]
        axis.set_title(f"{animal} {table['source_frame'].iloc[row]}: {table['head_error'].iloc[row]:.0f}°", fontsize=7)
    figure.suptitle("Largest head errors: hand points (line) and found ones (dashed), dot at the nose", fontsize=9)
    return figure


@styled
def angle_traces(table: pd.DataFrame, fps: float) -> Figure:
    """Draw the directions of a movie over time, with the true ones where they are known.

    Parameters
    ----------
    table : DataFrame
        `head_angle`, `body_angle` in degrees, and perhaps `head_true`, `body_true`.
    fps : float
    """
    figure = Figure(figsize=(9.0, 4.6), layout="constrained")
    axes = figure.subplots(2, 1, sharex=True)
    time = np.arange(len(table)) / fps
    for axis, which in zip(axes, DIRECTIONS, strict=True):
        for name, colour, label in (("true", INK, "true"), ("angle", COLOURS[which], "found")):
            column = f"{which}_{name}"
            if column in table and table[column].notna().any():
                axis.plot(time, _broken(table[column].to_numpy()), color=colour, linewidth=1.0, label=label)
        axis.set_ylabel(f"{which} (°)")
        axis.set_ylim(-185, 185)
        axis.set_yticks([-180, -90, 0, 90, 180])
        axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    axes[-1].set_xlabel("time (s)")
    return figure


def _broken(angle: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Put a gap where an angle passes ±180°, so that no line crosses the plot."""
    shown = angle.astype(np.float64)
    shown[1:][np.abs(np.diff(angle)) > 180] = np.nan
    return shown


@styled
def leak_bars(table: pd.DataFrame) -> Figure:
    """Draw the validation error by what was held out: the published way beside honest ones.

    Parameters
    ----------
    table : DataFrame
        Rows of :func:`workflow_scripts.methods.rat_direction.study.leak_rows`.
    """
    measures = {
        "mse": "MSE\n(half image widths²)",
        "pixel_error_median": "median pixel error (px)",
        "head_angle_median_deg": "median head angle error (°)",
    }
    names = {"copy": "validation\nas published", "frame": "frames\nheld out", "animal": "an animal\nheld out"}
    colours = {"copy": QUIET, "frame": COLOURS["body"], "animal": COLOURS["head"]}
    order = [name for name in names if name in set(table["holdout"])]
    figure = Figure(figsize=(9.6, 3.6), layout="constrained")
    for axis, (name, title) in zip(figure.subplots(1, len(measures)), measures.items(), strict=True):
        for place, holdout in enumerate(order):
            values = table.loc[table["holdout"] == holdout, name]
            axis.bar(place, values.mean(), 0.6, color=colours[holdout])
            axis.plot(np.full(len(values), place), values, "o", color=INK, markersize=3)
            axis.annotate(f"{values.mean():.3g}", (place, values.max()), ha="center", va="bottom", fontsize=9)
        axis.set_xticks(range(len(order)), [names[holdout] for holdout in order])
        axis.set_title(title, fontsize=10)
        axis.margins(y=0.15)
    figure.suptitle(
        "the same networks: error on copies of frames they trained on, and of frames they never saw", fontsize=10
    )
    return figure
