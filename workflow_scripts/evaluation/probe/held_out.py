"""What the probe says of training recordings whose groups it was not fitted on: out-of-fold predictions."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.special import expit, softmax

from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.core.typing import Float32Array, FloatArray
from workflow_scripts.evaluation.options import ProbeConfig
from workflow_scripts.evaluation.probe.probe import run_probe
from workflow_scripts.formats.predictions import Prediction, open_predictions
from workflow_scripts.formats.splits import Split


def inner_splits(split: Split, folds: int) -> Iterator[Split]:
    """Yield splits of the training recordings that hold out every training group once; none of one group alone."""
    labelled = split.labelled_train()
    groups = sorted({split.groups[recording] for recording in labelled})
    n = min(folds, len(groups))
    for k in range(n if n > 1 else 0):
        held = set(groups[k::n])
        test = [recording for recording in labelled if split.groups[recording] in held]
        train = [recording for recording in labelled if split.groups[recording] not in held]
        yield replace(split, train=train, validation=[], test=test, unlabelled=[])


def held_out_predictions(
    embeddings: Path, tracks: Path, split: Split, task: str, config: ProbeConfig, seed: int, folds: int
) -> tuple[list[Prediction], list[str]]:
    """Predict the training recordings out of fold.

    Parameters
    ----------
    embeddings, tracks, split, config, seed
        As for :func:`workflow_scripts.evaluation.probe.probe.run_probe`.
    task : str
    folds : int
        At most.

    Returns
    -------
    predictions : list of Prediction
        Of every training recording with labels of the task, but for folds that cannot be fitted.
    notes : list of str
        Why a fold is missing.
    """
    found: list[Prediction] = []
    notes: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for k, inner in enumerate(inner_splits(split, folds)):
            output = Path(folder) / f"{k}.h5"
            try:
                run_probe(embeddings, tracks, inner, [task], config, seed, output)
            except EthoMakeError as error:
                # A rare class may be labelled in one group only; the other folds still tune.
                notes.append(f"{task}: inner fold {k + 1} could not be fitted: {error}")
                continue
            with open_predictions(output) as reader:
                found += list(reader.iterate(task))
    return found, notes


def as_probabilities(scores: FloatArray, *, logistic: bool) -> Float32Array:
    """Return probabilities (time, classes) of what the probe gives as scores.

    Parameters
    ----------
    scores : ndarray, shape (time,) or (time, classes)
        One column is the positive class of a binary task.
    logistic : bool
        They are probabilities; else decision values, of which a softmax is taken (calibration sets its scale).
    """
    if scores.ndim == 1:
        positive = scores if logistic else expit(scores)
        return np.stack([1 - positive, positive], axis=1).astype(np.float32)
    return (scores if logistic else softmax(scores, axis=1)).astype(np.float32)
