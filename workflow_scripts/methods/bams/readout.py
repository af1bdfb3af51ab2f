"""Linear readouts of labels while BAMS trains: scores, losses and confusion matrices in TensorBoard.

They only watch: no gradient, no random number of the training and no test recording is touched. The judgement of a
run is the probe's, after the training.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from lightning.pytorch import Callback, LightningModule, Trainer
from matplotlib.figure import Figure
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import confusion_matrix, f1_score, log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from workflow_scripts.formats.tracks import Labels, Recording, open_tracks
from workflow_scripts.plotting.style import styled
from workflow_scripts.training.passing import model_of
from workflow_scripts.training.watched_tasks import asked_tasks
from workflow_scripts.views.tracks import TrackView

SUFFIX = "short_term_long_term"
"""End of the original's tags: which latents were read out."""
MOST_ROWS = 20_000
"""Rows of each side a readout sees, about; more are thinned evenly within each recording."""


class Embedder(Protocol):
    """What a readout needs of a model."""

    def embed_recording(self, recording: Recording) -> npt.NDArray[np.float32]:
        """Embed every frame, (time, dim)."""
        ...


@dataclass(frozen=True)
class Score:
    """How a readout did on held-out recordings.

    Attributes
    ----------
    metric : {"f1", "mse"}
        F1 is the average over classes weighted by their frequency, as in the original.
    value, loss : float
        Loss: cross-entropy, or again the MSE.
    matrix : ndarray or None
        Share of each true class (row) by predicted class.
    vocabulary : tuple of str
    """

    metric: str
    value: float
    loss: float
    matrix: npt.NDArray[np.float64] | None
    vocabulary: tuple[str, ...]


def sides(view: TrackView, seed: int) -> tuple[list[str], list[str]]:
    """Return recordings to fit on and to judge by: the validation ones, else a fifth of the training groups."""
    split = view.split
    if split.validation:
        return split.train, split.validation
    groups = sorted({split.groups[recording] for recording in split.labelled_train()})
    chosen = np.random.default_rng([seed, len(groups)]).permutation(groups)[: max(1, round(len(groups) / 5))]
    held = [recording for recording in split.train if split.groups[recording] in chosen]
    return [recording for recording in split.train if recording not in held], held


def _thin(count: int, share: float) -> npt.NDArray[np.int64]:
    """Return evenly spaced indices of a share of `count` rows, one at least."""
    kept = min(count, max(1, round(count * share)))
    return np.linspace(0, count - 1, kept).astype(np.int64)


def _rows(
    embedding: npt.NDArray[np.float32], labels: Labels, share: float
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return a share of the labelled rows of a recording: copies, so that the embedding is not kept."""
    known = np.flatnonzero(labels.mask)
    known = known[_thin(len(known), share)]
    x = embedding.mean(axis=0, keepdims=True) if labels.level == "sequence" else embedding
    return x[known], labels.values[known]


def fit_and_score(
    train: tuple[npt.NDArray[Any], npt.NDArray[Any]],
    test: tuple[npt.NDArray[Any], npt.NDArray[Any]],
    labels: Labels,
) -> Score | None:
    """Fit a readout of standardised latents and judge it; None where the training rows are of one class.

    Parameters
    ----------
    train, test : tuple of ndarray
        Latents (row, dim) and answers (row,).
    labels : Labels
        Of any recording: kind and vocabulary.
    """
    (x, y), (held, truth) = train, test
    if labels.kind == "continuous":
        said = make_pipeline(StandardScaler(), Ridge(1.0)).fit(x, y).predict(held)
        mse = float(((said - truth) ** 2).mean())
        return Score("mse", mse, mse, None, ())
    classes = np.unique(y)
    if len(classes) < 2:
        return None
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=100)).fit(x, y)
    said, known = model.predict(held), np.isin(truth, classes)
    # A class that training never saw has no probability to take the logarithm of.
    loss = log_loss(truth[known], model.predict_proba(held[known]), labels=classes) if known.any() else float("nan")
    names = labels.vocabulary or ("no", "yes")
    matrix = confusion_matrix(truth, said, labels=np.arange(len(names)), normalize="true")
    f1 = float(f1_score(truth, said, average="weighted", zero_division=0))
    return Score("f1", f1, float(loss), matrix, tuple(names))


def read_out(model: Embedder, view: TrackView, seed: int, tasks: Sequence[str] | None = None) -> dict[str, Score]:
    """Fit and judge a readout of labels of the training recordings.

    What is kept of a recording are the rows that a readout sees: about `MOST_ROWS` of each side and task in all.

    Parameters
    ----------
    model : Embedder
    view : TrackView
    seed : int
        Of the draw of held-out groups.
    tasks : sequence of str or None
        Tasks to read out; None = all that are labelled.
    """
    parts: tuple[dict[str, list[Any]], dict[str, list[Any]]] = ({}, {})
    about: dict[str, Labels] = {}
    with open_tracks(view.path) as reader:
        reader.hidden = view.split.unlabelled
        for found, ids in zip(parts, sides(view, seed), strict=True):
            totals: Counter[str] = Counter()
            for identifier in ids:
                for task in reader.tasks(identifier) if tasks is None else tasks:
                    labels = reader.labels(identifier, task)
                    totals[task] += 0 if labels is None else int(labels.mask.sum())
            for identifier in ids:
                recording = reader.read(identifier)
                known = {
                    task: labels
                    for task, labels in recording.labels.items()
                    if labels.mask.any() and (tasks is None or task in tasks)
                }
                if not known:
                    continue
                embedding = model.embed_recording(recording)
                for task, labels in known.items():
                    about.setdefault(task, labels)
                    found.setdefault(task, []).append(_rows(embedding, labels, MOST_ROWS / max(totals[task], 1)))
    scores = {}
    for task, labels in about.items():
        train, test = ([np.concatenate(side) for side in zip(*found.get(task, []), strict=True)] for found in parts)
        if train and test:
            # Classes that are rare, or that one side lacks, are what is watched for, not worth a warning an epoch.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                score = fit_and_score((train[0], train[1]), (test[0], test[1]), labels)
            if score is not None:
                scores[task] = score
    return scores


@styled
def confusion_figure(matrix: npt.NDArray[np.float64], vocabulary: tuple[str, ...]) -> Figure:
    """Draw shares of each true class (row) by predicted class."""
    size = 1.5 + 0.6 * len(vocabulary)
    figure = Figure(figsize=(size, size), layout="constrained")
    axes = figure.subplots()
    axes.imshow(matrix, vmin=0, vmax=1, cmap="Blues")
    for (row, column), share in np.ndenumerate(matrix):
        axes.text(column, row, f"{share:.2f}", ha="center", va="center", color="white" if share > 0.5 else "black")
    ticks = range(len(vocabulary))
    axes.set(xticks=ticks, yticks=ticks, xlabel="predicted", ylabel="true")
    axes.set_xticklabels(vocabulary, rotation=45, ha="right")
    axes.set_yticklabels(vocabulary)
    return figure


class Watch(Callback):
    """Reads labels out after every so many epochs, into TensorBoard under the original's tags.

    Parameters
    ----------
    every : int
        Epochs.
    seed : int
    """

    def __init__(self, every: int, seed: int) -> None:
        self.every, self.seed = every, seed

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Fit, judge, write."""
        if (trainer.current_epoch + 1) % self.every or trainer.logger is None:
            return
        data: Any = getattr(trainer, "datamodule", None)
        view = getattr(getattr(data, "inner", data), "view", None)
        if view is None:
            return
        board: Any = trainer.logger
        model = model_of(pl_module)
        for task, score in read_out(model, view, self.seed, asked_tasks(view.split.dataset)).items():
            tag = f"{task}_{SUFFIX}"
            board.experiment.add_scalar(f"test/{score.metric}_{tag}", score.value, trainer.global_step)
            board.experiment.add_scalar(f"test/loss_{tag}", score.loss, trainer.global_step)
            if score.matrix is not None:
                board.experiment.add_figure(tag, confusion_figure(score.matrix, score.vocabulary), trainer.global_step)
