"""Figures of motifs and prototypes; each function returns a matplotlib Figure."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from scipy.cluster.hierarchy import dendrogram, leaves_list
from sklearn.metrics import silhouette_samples

from workflow_scripts.core.typing import Float64Array
from workflow_scripts.motifs.prototypes import Selection
from workflow_scripts.plotting.style import colour, styled


def _colours(n: int) -> list[str]:
    return [colour(k) for k in range(n)]


@styled
def selection_figure(found: Selection) -> Figure:
    """Show how prototypes were chosen, in four panels.

    Mean silhouette by number of clusters; the dendrogram, coloured to the chosen cut; silhouette of each motif in leaf
    order; Jaccard distances in leaf order, clusters boxed, prototypes dotted.
    """
    figure = Figure(figsize=(8, 6), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=[4, 16], height_ratios=[4, 16])
    order = leaves_list(found.tree)
    labels = found.best_labels
    colours = _colours(int(labels.max()))
    place = np.empty(len(order), int)
    place[order] = np.arange(len(order))
    _score_panel(figure.add_subplot(grid[0, 0]), found)
    _tree_panel(figure.add_subplot(grid[0, 1]), found, colours)
    samples = silhouette_samples(found.distance, labels, metric="precomputed")
    _bar_panel(figure.add_subplot(grid[1, 0]), samples[order], [colours[k - 1] for k in labels[order]])
    panel = figure.add_subplot(grid[1, 1])
    image = panel.imshow(found.distance[np.ix_(order, order)], cmap="Reds_r", vmin=0, vmax=1, aspect="auto")
    for cluster in range(1, int(labels.max()) + 1):
        at = place[labels == cluster]
        size = at.max() - at.min() + 1
        panel.add_patch(
            Rectangle((at.min() - 0.5, at.min() - 0.5), size, size, fill=False, edgecolor=colours[cluster - 1], lw=1.5)
        )
    dots = place[found.prototypes]
    panel.plot(dots, dots, "o", ms=5, mfc="white", mec=colour(0), ls="none", label="prototype")
    panel.set(xlabel="motif, in leaf order", yticks=[])
    panel.legend(loc="upper right", fontsize=7)
    figure.colorbar(image, ax=panel, label="Jaccard distance")
    return figure


def _score_panel(panel: matplotlib.axes.Axes, found: Selection) -> None:
    panel.plot(found.n_clusters, found.scores, lw=1)
    n, score = found.n_clusters[found.best], found.scores[found.best]
    panel.plot([n], [score], "o", ms=4)
    panel.axvline(n, ls="--", lw=0.8, color="grey")
    panel.set(xlabel="clusters", ylabel="silhouette", title=f"{n} clusters")


def _tree_panel(panel: matplotlib.axes.Axes, found: Selection, colours: list[str]) -> None:
    """Draw the dendrogram; a link inside one cluster has that cluster's colour."""
    n = len(found.names)
    inside = dict(enumerate(found.best_labels.tolist()))
    for k, (left, right, *_) in enumerate(found.tree):
        one, two = inside[int(left)], inside[int(right)]
        inside[n + k] = one if one == two else 0
    shades = {k: "grey" if cluster == 0 else colours[cluster - 1] for k, cluster in inside.items()}
    dendrogram(found.tree, ax=panel, no_labels=True, link_color_func=lambda k: shades[k])
    panel.set(ylabel="Jaccard distance")


def _bar_panel(panel: matplotlib.axes.Axes, values: Float64Array, colours: list[str]) -> None:
    panel.barh(np.arange(len(values)), values, color=colours, height=1.0)
    panel.invert_yaxis()
    panel.margins(y=0)
    panel.set(xlabel="silhouette", ylabel="motif, in leaf order", yticks=[])


@styled
def transition_figure(shares: Float64Array, names: Sequence[str], *, threshold: float = 0.05) -> Figure:
    """Draw transitions on a circle: an arrow's width is the share of a state's exits that go there.

    Parameters
    ----------
    shares : ndarray, shape (states, states)
        From :func:`.bouts.transition_matrix`.
    names : sequence of str
    threshold : float
        Smaller shares are left out.
    """
    figure = Figure(figsize=(5, 5), layout="constrained")
    panel = figure.add_subplot()
    n = len(names)
    turn = 2 * np.pi * np.arange(n) / max(n, 1)
    at = np.stack([np.sin(turn), np.cos(turn)], axis=1)
    colours = _colours(n)
    for i in range(n):
        for j in range(n):
            share = shares[i, j]
            if np.isfinite(share) and share >= threshold:
                panel.add_patch(
                    FancyArrowPatch(
                        tuple(at[i]),
                        tuple(at[j]),
                        connectionstyle="arc3,rad=0.15",
                        arrowstyle="-|>",
                        mutation_scale=8 + 8 * share,
                        lw=0.5 + 4 * share,
                        color=colours[i],
                        alpha=0.8,
                        shrinkA=14,
                        shrinkB=14,
                    )
                )
    panel.scatter(at[:, 0], at[:, 1], s=500, c=colours, zorder=3)
    for k, name in enumerate(names):
        panel.annotate(name, at[k] * 1.22, ha="center", va="center", fontsize=8)
    panel.set(xlim=(-1.5, 1.5), ylim=(-1.5, 1.5), aspect="equal")
    panel.axis("off")
    return figure


@styled
def f1_figure(
    scores: Float64Array, motifs: Sequence[str], classes: Sequence[str], pairs: Sequence[tuple[int, int | None]]
) -> Figure:
    """Heat map of motifs against labels, motifs in matched order, matches framed.

    Parameters
    ----------
    scores : ndarray, shape (motifs, classes)
        From :func:`.bouts.f1_matrix`.
    motifs, classes : sequence of str
    pairs : sequence of (int, int or None)
        From :func:`.bouts.match_motifs`.
    """
    order = [motif for motif, _ in pairs]
    figure = Figure(figsize=(1.5 + 0.7 * len(classes), 1.2 + 0.3 * len(order)), layout="constrained")
    panel = figure.add_subplot()
    image = panel.imshow(scores[order], cmap="viridis", vmin=0, vmax=1, aspect="auto")
    for row, (motif, label) in enumerate(pairs):
        for column in range(len(classes)):
            value = scores[motif, column]
            shade = "black" if value > 0.6 else "white"
            panel.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7, color=shade)
        if label is not None:
            panel.add_patch(Rectangle((label - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=colour(3), lw=2))
    panel.set_xticks(range(len(classes)), classes, rotation=30, ha="right")
    panel.set_yticks(range(len(order)), [motifs[motif] for motif in order])
    figure.colorbar(image, ax=panel, label="F1")
    return figure
