"""Readouts that look at nothing but the training labels: the floor every method is shown beside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.validation import nearest
from workflow_scripts.evaluation.probe.rows import Target, find_target, read_labels
from workflow_scripts.formats.datasets import open_dataset
from workflow_scripts.formats.predictions import Prediction, PredictionsWriter, create_predictions
from workflow_scripts.formats.splits import Split
from workflow_scripts.formats.tracks import TracksReader
from workflow_scripts.metrics.chance import MAJORITY, PRIOR


def _training_shares(tracks: TracksReader, target: Target) -> npt.NDArray[np.float64]:
    """Share of each class among the training labels; for ``continuous`` their mean, shape (1,)."""
    counts, total, n = np.zeros(max(target.n_classes, 1)), 0.0, 0
    for recording in target.recordings["train"]:
        labels = read_labels(tracks, target, recording)
        values = labels.values[labels.mask]
        n += len(values)
        if target.n_classes:
            counts += np.bincount(values.astype(np.int64), minlength=target.n_classes)
        else:
            total += float(values.astype(np.float64).sum())
    return counts / n if target.n_classes else np.array([total / n])


def _predict(
    shares: npt.NDArray[np.float64], n: int, target: Target, method: str, rng: np.random.Generator
) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.float32] | None]:
    if not target.n_classes:
        return np.full(n, shares[0], np.float32), None
    if method == MAJORITY.name:
        drawn = np.full(n, shares.argmax())
        certain = np.zeros_like(shares)
        certain[shares.argmax()] = 1.0
        shares = certain
    else:
        drawn = rng.choice(len(shares), size=n, p=shares)
    if target.kind == "binary":
        return drawn.astype(np.uint8), np.full(n, shares[1], np.float32)
    return drawn.astype(np.int16), np.tile(shares.astype(np.float32), (n, 1))


def _write(
    writer: PredictionsWriter, tracks: TracksReader, split: Split, target: Target, method: str, seed: int
) -> None:
    shares = _training_shares(tracks, target)
    target.declare(writer, readout="chance")
    for recording in target.recordings["test"]:
        labels = read_labels(tracks, target, recording)
        # Seeded by task and recording, so that the draws do not depend on what else is predicted.
        rng = np.random.default_rng([seed, *target.name.encode(), 0, *recording.encode()])
        prediction, scores = _predict(shares, len(labels.values), target, method, rng)
        writer.add(
            target.name,
            Prediction(recording, split.groups[recording], labels.values, labels.mask, prediction, scores),
        )


def chance_predictions(
    method: str,
    tracks: Path,
    split: Split,
    tasks: Sequence[str],
    seed: int,
    predictions: Path,
) -> list[str]:
    """Write the held-out predictions of a chance method, in the format of every other readout.

    Parameters
    ----------
    method : str
        ``majority``: the commonest training class everywhere, with full certainty. ``prior``: classes drawn by their
        training shares, with those shares as scores: AP is then the prevalence and AUROC a half, without noise, in
        one split; pooled over folds they may be lower, for a fold's share is low where its held-out share is high.
        Continuous tasks get the training mean from either.
    tracks : Path
        `tracks.h5`.
    split : Split
    tasks : sequence of str
    seed : int
        Of the draws of ``prior``.
    predictions : Path
        File to make; readout ``chance``.

    Returns
    -------
    list of str
        Notes for the report, such as how many test recordings hold no labels.

    Raises
    ------
    ConfigError, InputError
        When the method or a task is unknown, or a task has no labels on one side.
    """
    known = [MAJORITY.name, PRIOR.name]
    if method not in known:
        raise ConfigError(f"There is no chance method {method!r}{nearest(method, known)}.")
    notes = []
    with open_dataset(tracks) as reader:
        reader.hidden = split.unlabelled
        targets = [find_target(reader, split, task) for task in tasks]
        with create_predictions(predictions) as writer:
            for target in targets:
                _write(writer, reader, split, target, method, seed)
                without = len(split.test) - len(target.recordings["test"])
                if without:
                    notes.append(f"{target.name}: {without} test recordings hold no labels of it and are not scored")
    return notes
