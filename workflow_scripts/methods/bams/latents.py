"""Maps of BAMS's latents: two principal components of the short-term, the long-term and both, coloured by labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure
from sklearn.decomposition import PCA

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.files import atomic_path
from workflow_scripts.core.tables import write_csv
from workflow_scripts.formats.embeddings import open_embeddings
from workflow_scripts.formats.sections import Item, Section, write_section
from workflow_scripts.formats.tracks import Labels, open_tracks
from workflow_scripts.methods.bams.network import LONG, SHORT
from workflow_scripts.plotting.style import class_colours, legend, styled

PARTS = {"short": (SHORT,), "long": (LONG,), "both": (SHORT, LONG)}
"""Name of a map → latents it is made of."""
Classes = tuple[Sequence[str], str | None]
"""Classes of a task in their order, and the one that means nothing of interest."""
MOST_TASKS = 6
"""Labels the figure shows; the table has all."""


def _columns(names: Sequence[str], parts: Sequence[str]) -> list[int]:
    return [k for k, name in enumerate(names) if any(part in name for part in parts)]


def _classes(labels: Labels) -> Classes:
    return tuple(str(name) for name in labels.vocabulary or ("0", "1")), labels.background


def _answer(labels: Labels | None) -> str | float:
    """Return what a recording says of a task: its label, its commonest class, or its mean where values or yes/no."""
    if labels is None or not labels.mask.any():
        return ""
    known = labels.values[labels.mask]
    if labels.kind == "continuous" or (labels.kind == "binary" and labels.level == "frame"):
        return float(known.mean())
    names = labels.vocabulary or ("0", "1")
    return str(names[int(np.bincount(known.astype(np.int64)).argmax())])


def latent_maps(embeddings: Path, tracks: Path, tasks: Sequence[str]) -> pd.DataFrame:
    """Project the mean latents of every recording on their first two principal components.

    Parameters
    ----------
    embeddings : Path
        Of a run of BAMS.
    tracks : Path
        For the labels.
    tasks : sequence of str

    Returns
    -------
    DataFrame
        Columns map (short, long, both), recording, pc1, pc2, explained (share of the variance of both components
        together), and one for each task: a recording's label or, of a task labelled by frame, its commonest class,
        or the mean of values and of yes/no.

    Raises
    ------
    InputError
        When the embeddings are not BAMS's, or there are fewer than three recordings.
    """
    with open_embeddings(embeddings) as reader, open_tracks(tracks) as track_reader:
        if not all(_columns(reader.names, parts) for parts in PARTS.values()):
            raise InputError(embeddings, "has no short-term and long-term latents", "use the embeddings of a BAMS run")
        if len(reader.ids) < 3:
            raise InputError(embeddings, "holds fewer than three recordings, too few for a map", "embed more")
        means = np.stack([reader.read(recording).mean(axis=0, dtype=np.float64) for recording in reader.ids])
        answers = {task: [_answer(track_reader.labels(name, task)) for name in reader.ids] for task in tasks}
        rows = []
        for name, parts in PARTS.items():
            values = means[:, _columns(reader.names, parts)]
            fitted = PCA(2, svd_solver="full").fit(values)
            points = fitted.transform(values)
            about = {"map": name, "recording": reader.ids, "pc1": points[:, 0], "pc2": points[:, 1]}
            rows.append(pd.DataFrame(about | {"explained": fitted.explained_variance_ratio_.sum(), **answers}))
    return pd.concat(rows, ignore_index=True)


@styled
def latent_figure(maps: pd.DataFrame, tasks: Sequence[str], classes: Mapping[str, Classes] | None = None) -> Figure:
    """Draw a row of three maps for every task.

    Parameters
    ----------
    maps : DataFrame
        As :func:`latent_maps` gives it.
    tasks : sequence of str
    classes : mapping of str to (sequence of str, str or None), optional
        Classes of each task in their order and its background, which give them the colours they have everywhere else;
        by name where absent.
    """
    figure = Figure(figsize=(8.4, 2.7 * len(tasks)), layout="constrained")
    grid = figure.subplots(len(tasks), len(PARTS), squeeze=False)
    for row, task in zip(grid, tasks, strict=True):
        for axes, name in zip(row, PARTS, strict=True):
            here = maps[maps["map"] == name]
            title = f"{name}: {here['explained'].iloc[0]:.0%} of the variance" if task == tasks[0] else ""
            axes.set(title=title, xticks=[], yticks=[])
            drawn = _scatter(axes, here, task, (classes or {}).get(task), last=axes is row[-1])
        row[0].set_ylabel(task)
        if drawn is not None:
            figure.colorbar(drawn, ax=row[-1], label=f"mean of {task}")
    return figure


def _scatter(axes: Any, here: pd.DataFrame, task: str, classes: Classes | None, *, last: bool) -> Any:
    """Draw one map; the return value is what a colour bar is of, None for classes: the last map has their legend."""
    values = here[task]
    known: npt.NDArray[np.bool_] = (values != "").to_numpy()
    if known.any() and all(isinstance(value, str) for value in values[known]):
        names, background = classes or (sorted(set(values[known])), None)
        colours = class_colours(names, background)
        for label, shade in zip(names, colours, strict=True):
            chosen = here[values == label]
            axes.scatter(chosen["pc1"], chosen["pc2"], s=14, color=shade)
        if last:
            legend(axes, list(zip(names, colours, strict=True)), columns=1, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        return None
    shown = here[known]
    return axes.scatter(shown["pc1"], shown["pc2"], s=14, c=shown[task].astype(float), cmap="viridis")


def write_latents_section(embeddings: Path, tracks: Path, tasks: Sequence[str], dataset: str, path: Path) -> None:
    """Write table and figure of the latents' maps as a section of the report.

    Parameters
    ----------
    embeddings, tracks : Path
    tasks : sequence of str
        The figure shows the first `MOST_TASKS`, those of one answer a recording before the others.
    dataset : str
    path : Path
        `section.json`; the files go beside it.
    """
    maps = latent_maps(embeddings, tracks, tasks)
    with open_tracks(tracks) as reader:
        found = {task: next(filter(None, (reader.labels(name, task) for name in reader.ids)), None) for task in tasks}
    ordered = sorted(tasks, key=lambda task: found[task] is None or found[task].level != "sequence")  # type: ignore[union-attr]
    write_csv(path.parent / "latents.csv", maps, float_format="%.6g")
    with atomic_path(path.parent / "latents.png") as part:
        classes = {task: _classes(labels) for task, labels in found.items() if labels is not None}
        latent_figure(maps, ordered[:MOST_TASKS], classes).savefig(part, format="png", dpi=110)
    items = [
        Item(
            kind="image",
            file="latents.png",
            caption="Mean latents of every recording on their first two principal components: short-term, long-term, "
            "both. Colours are the labels; of labels by frame the recording's commonest class or its mean.",
        ),
        Item(kind="table", file="latents.csv", caption="The points of the maps, with all labels."),
    ]
    write_section(path, Section(title="Latents of BAMS", dataset=dataset, order=20, items=items))
