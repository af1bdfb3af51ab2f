"""Small tables of what runs learnt: embeddings as maps of two dimensions, and training curves."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.files import failure
from workflow_scripts.evaluation.extracts.ethograms import RUN, RunKey
from workflow_scripts.formats.embeddings import EmbeddingsReader, open_embeddings
from workflow_scripts.formats.predictions import Prediction, open_predictions

MAP_COLUMNS = [*RUN, "task", "recording", "frame", "label", "pc1", "pc2", "share1", "share2", "umap1", "umap2"]
MAP_COLUMNS += ["background"]
"""Columns of `embedding_maps.csv`; `share1` and `share2` are the shares of variance of the two components, `umap1` and
`umap2` are empty where no UMAP was asked for, `background` is True for the class that means nothing of interest."""
CURVE_COLUMNS = [*RUN, "series", "epoch", "value"]
FITTED, SHOWN = 4000, 400
"""Frames that the components are fitted on, and frames of the map."""
LONGEST = 100
"""Epochs of a curve that are kept, evenly spread, where it is longer."""


def _labels(path: Path) -> tuple[str, str | None, dict[str, npt.NDArray[np.object_]]]:
    """Return the first class task, its background, and its label of every held-out frame; "" where unknown."""
    with open_predictions(path) as reader:
        for task in reader.tasks:
            kind, _, vocabulary, _ = reader.info(task)
            if kind in {"binary", "multiclass"}:
                names = np.array([*(vocabulary or ("no", "yes")), ""], dtype=object)
                labels = {found.recording: names[_codes(found)] for found in reader.iterate(task)}
                return task, reader.background(task), labels
        blank = {found.recording: np.array([""], object) for task in reader.tasks for found in reader.iterate(task)}
        return "", None, blank


def _codes(found: Prediction) -> npt.NDArray[np.int64]:
    return np.where(found.mask, found.truth.astype(np.int64), -1)


def _draw(reader: EmbeddingsReader, recordings: Sequence[str], n: int) -> list[tuple[str, int]]:
    """Choose frames evenly over all recordings together."""
    lengths = [reader.n_frames(recording) for recording in recordings]
    ends = np.cumsum(lengths)
    chosen = np.unique(np.linspace(0, max(0, int(ends[-1]) - 1), n).astype(np.int64))
    places = np.searchsorted(ends, chosen, side="right")
    starts = ends - lengths
    return [
        (recordings[place], int(frame - starts[place])) for place, frame in zip(places.tolist(), chosen, strict=True)
    ]


def _components(rows: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], list[float]]:
    """Return mean, two axes (2, dim) with a fixed sign, and their shares of variance."""
    mean = rows.mean(axis=0)
    _, singular, axes = np.linalg.svd(rows - mean, full_matrices=False)
    variance = singular**2
    two = np.zeros((2, rows.shape[1]))
    two[: min(2, len(axes))] = axes[:2]
    # The sign of a component is arbitrary; the largest weight is made positive, so that maps do not flip.
    signs = np.sign(two[np.arange(2), np.abs(two).argmax(axis=1)])
    shares = [*(variance / max(variance.sum(), 1e-300)), 0.0, 0.0][:2]
    return mean, two * np.where(signs == 0, 1, signs)[:, None], [float(share) for share in shares]


def _umap(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Lay rows out by UMAP (McInnes, Healy and Melville 2018, arXiv:1802.03426), shape (n, 2).

    The seed is fixed and one thread is used, so one machine gives the same map again; other processors round otherwise,
    and the map follows.
    """
    try:
        umap = importlib.import_module("umap")
    except ImportError as error:
        raise ConfigError("umap: UMAP is not installed; pip install 'ethomake[umap]', or set umap: false.") from error
    neighbours = min(15, len(rows) - 1)
    laid: npt.NDArray[np.float64] = umap.UMAP(n_neighbors=neighbours, random_state=0, n_jobs=1).fit_transform(rows)
    return laid


def embedding_map(run: RunKey, embeddings: Path, predictions: Path, umap: bool = False) -> pd.DataFrame:
    """Project held-out frames onto the first two principal components of the embedding.

    Parameters
    ----------
    run : tuple
        (dataset, method, mode, point, split, seed).
    embeddings, predictions : Path
        Of that run; labels come from the latter.
    umap : bool
        Also lay the same frames out by UMAP.

    Returns
    -------
    DataFrame
        Columns :data:`MAP_COLUMNS`, at most :data:`SHOWN` rows, drawn evenly from the held-out recordings.
    """
    task, background, labels = _labels(predictions)
    with open_embeddings(embeddings) as reader:
        recordings = [recording for recording in sorted(labels) if reader.n_frames(recording)]
        if not recordings:
            return pd.DataFrame(columns=MAP_COLUMNS)
        places = _draw(reader, recordings, FITTED)
        # Whole recordings are read one by one: slices of single frames would take longer.
        by: dict[str, list[int]] = {}
        for recording, frame in places:
            by.setdefault(recording, []).append(frame)
        rows = np.concatenate([reader.read(recording)[frames] for recording, frames in by.items()]).astype(np.float64)
    mean, axes, shares = _components(rows)
    every = np.unique(np.linspace(0, len(rows) - 1, SHOWN).astype(np.int64))
    points = (rows[every] - mean) @ axes.T
    laid = _umap(rows)[every] if umap and len(rows) > 3 else np.full((len(every), 2), np.nan)  # two need neighbours
    table: list[tuple[Any, ...]] = []
    for place, (x, y), other in zip(every.tolist(), points.tolist(), laid.tolist(), strict=True):
        recording, frame = places[place]
        known = labels[recording]
        label = known[frame if len(known) > 1 else 0]
        quiet = bool(label) and label == background
        table.append((*run, task, recording, frame, label, x, y, *shares, *other, quiet))
    return pd.DataFrame(table, columns=MAP_COLUMNS)


def training_curves(runs: Sequence[RunKey], metrics: Sequence[Path]) -> pd.DataFrame:
    """Gather every loss and score that trainings logged, in long form.

    Parameters
    ----------
    runs : sequence of tuple
    metrics : sequence of Path
        `metrics.csv` of each run; runs of one epoch have no curve and are left out.

    Returns
    -------
    DataFrame
        Columns :data:`CURVE_COLUMNS`.
    """
    rows: list[tuple[Any, ...]] = []
    for run, path in zip(runs, metrics, strict=True):
        if failure(path) is not None:
            continue
        table = pd.read_csv(path)
        names = [name for name in table.columns if name.startswith(("train_", "val_"))]
        for name in names:
            known = table[["epoch", name]].apply(pd.to_numeric, errors="coerce").dropna()
            known = known[np.isfinite(known[name])]
            if len(known) < 2:
                continue
            chosen = np.unique(np.linspace(0, len(known) - 1, min(LONGEST, len(known))).astype(np.int64))
            rows += [(*run, name, int(epoch) + 1, float(v)) for epoch, v in known.iloc[chosen].itertuples(index=False)]
    return pd.DataFrame(rows, columns=CURVE_COLUMNS)
