"""The linear probe: fit on frozen embeddings of training recordings, predict the held-out ones.

Ridge reads the training recordings once for all tasks and keeps sums alone, whatever their number. Logistic regression
holds the labelled training rows of one task at a time, twice in float32; `max_train_frames` bounds them. The penalty is
chosen on validation recordings, else by inner folds over training groups, never on test recordings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import numpy.typing as npt

from workflow_scripts.core.errors import InputError
from workflow_scripts.evaluation.options import ProbeConfig
from workflow_scripts.evaluation.probe.linear import LinearModel
from workflow_scripts.evaluation.probe.logistic import fit_logistic
from workflow_scripts.evaluation.probe.readout import save_readout
from workflow_scripts.evaluation.probe.ridge import GramAccumulator, RidgeTask
from workflow_scripts.evaluation.probe.rows import Draw, Target, codes, find_target, read_labels, rows
from workflow_scripts.formats.datasets import open_dataset
from workflow_scripts.formats.embeddings import EmbeddingsReader, open_embeddings
from workflow_scripts.formats.predictions import Prediction, PredictionsWriter, create_predictions
from workflow_scripts.formats.splits import Split
from workflow_scripts.formats.tracks import TracksReader
from workflow_scripts.metrics import frames as metrics

INNER_FOLDS = 5
"""At most so many inner folds; fewer where there are fewer training groups."""


class _Tally:
    """How well each penalty does on held-out rows."""

    def __init__(self, target: Target, n_alphas: int) -> None:
        self.target = target
        shape = (target.n_classes, target.n_classes) if target.n_classes else (4,)
        self.sums = np.zeros((n_alphas, *shape))

    def add(self, models: Sequence[LinearModel], x: npt.NDArray[np.float32], values: npt.NDArray[np.generic]) -> None:
        """Count rows; `values` as :func:`workflow_scripts.evaluation.probe.rows.codes` gives them."""
        known = values.astype(np.int64) >= 0 if self.target.n_classes else ~np.isnan(values.astype(np.float64))
        x, values = x[known], values[known]
        if not len(values):
            return
        for sums, model in zip(self.sums, models, strict=True):
            predicted, _ = model.predict(x)
            if self.target.n_classes:
                sums += metrics.confusion(values.astype(np.int64), predicted.astype(np.int64), self.target.n_classes)
            else:
                sums += metrics.regression_sums(values.astype(np.float64), predicted.astype(np.float64))

    def best(self, alphas: Sequence[float]) -> int:
        """Index of the penalty with the best macro F1 or MSE; of equals the strongest penalty; -1 without rows."""
        score = metrics.macro_f1(self.sums) if self.target.n_classes else -metrics.mse(self.sums)
        if np.isnan(score).all():
            return -1
        return max(range(len(alphas)), key=lambda i: (score[i], alphas[i]))


class _Probe:
    def __init__(
        self, embeddings: EmbeddingsReader, tracks: TracksReader, split: Split, config: ProbeConfig, seed: int
    ) -> None:
        self.embeddings, self.tracks, self.split, self.config, self.seed = embeddings, tracks, split, config, seed
        self.notes: list[str] = []

    def folds(self, target: Target) -> dict[str, int]:
        """Inner fold of each training recording, by group; all 0 where no penalty has to be chosen."""
        recordings = target.recordings["train"]
        groups = sorted({self.split.groups[recording] for recording in recordings})
        choose = len(self.config.alphas) > 1 and not target.recordings["validation"]
        n = min(INNER_FOLDS, len(groups)) if choose else 1
        if choose and n < 2:
            self.notes.append(
                f"{target.name}: one training group and no validation recordings, so the penalty could not be chosen; "
                f"the first one ({self.config.alphas[0]:g}) was used"
            )
        fold = {group: index % n for index, group in enumerate(groups)}
        return {recording: fold[self.split.groups[recording]] for recording in recordings}

    def draw(self, target: Target) -> Draw:
        """Choose the training rows of a task, and note what is odd about them."""
        draw = Draw(self.tracks, target, target.recordings["train"], self.config.max_train_frames, self.seed)
        if draw.used < draw.total:
            self.notes.append(f"{target.name}: fitted on {draw.used} of {draw.total} labelled training rows, drawn")
        return draw

    def note_classes(self, target: Target, counts: npt.NDArray[np.number]) -> None:
        """Note the classes without a training row."""
        names = target.vocabulary or ("0", "1")
        absent = [name for name, count in zip(names, counts, strict=True) if not count]
        if absent:
            self.notes.append(
                f"{target.name}: no training row of {', '.join(absent)} in split {self.split.name}, never predicted"
            )

    def fit_ridge(self, targets: Sequence[Target]) -> dict[str, LinearModel]:
        """Fit every target of one level in one pass."""
        found = {}
        for level in sorted({target.level for target in targets}):
            found.update(self._fit_ridge_level([target for target in targets if target.level == level]))
        return found

    def _fit_ridge_level(self, targets: Sequence[Target]) -> dict[str, LinearModel]:
        sums = GramAccumulator(
            self.embeddings.dim, [RidgeTask(t.name, t.n_classes, t.kind == "binary") for t in targets]
        )
        folds = {target.name: self.folds(target) for target in targets}
        draws = {target.name: self.draw(target) for target in targets}
        for recording in self.split.train:
            here = [target for target in targets if recording in folds[target.name]]
            # Tasks may be labelled in different groups, and then have different inner folds.
            by_fold: dict[int, dict[str, npt.NDArray[np.generic]]] = {}
            for target in here:
                labels = read_labels(self.tracks, target, recording)
                values = codes(labels, draws[target.name].mask(recording, labels))
                by_fold.setdefault(folds[target.name][recording], {})[target.name] = values
            for fold, values_of in by_fold.items():
                n_labels = len(next(iter(values_of.values())))
                for where, x in rows(self.embeddings, recording, here[0].level, n_labels):
                    sums.add(x, {name: values[where] for name, values in values_of.items()}, fold)
        chosen = {}
        for target in targets:
            if target.n_classes:
                self.note_classes(target, sums.counts(target.name))
            chosen[target.name] = self._choose_ridge(target, sums, folds[target.name])
        return chosen

    def _solve(self, sums: GramAccumulator, target: Target, cells: Iterable[int] | None = None) -> list[LinearModel]:
        balanced = self.config.class_weight == "balanced"
        return sums.solve(
            target.name, self.config.alphas, cells=cells, balanced=balanced, standardise=self.config.standardise
        )

    def _choose_ridge(self, target: Target, sums: GramAccumulator, folds: dict[str, int]) -> LinearModel:
        models = self._solve(sums, target)
        n_folds = max(folds.values()) + 1
        if len(models) == 1 or (n_folds == 1 and not target.recordings["validation"]):
            return models[0]
        tally = _Tally(target, len(models))
        if target.recordings["validation"]:
            self._score(tally, models, target.recordings["validation"])
        else:
            for fold in range(n_folds):
                rest = [cell for cell in range(n_folds) if cell != fold]
                if sums.counts(target.name, rest).sum():
                    held_out = [recording for recording, index in folds.items() if index == fold]
                    self._score(tally, self._solve(sums, target, rest), held_out)
        return self._pick(target, tally, models)

    def _score(self, tally: _Tally, models: Sequence[LinearModel], recordings: Sequence[str]) -> None:
        for recording in recordings:
            values = codes(read_labels(self.tracks, tally.target, recording))
            for where, x in rows(self.embeddings, recording, tally.target.level, len(values)):
                tally.add(models, x, values[where])

    def _pick(self, target: Target, tally: _Tally, models: Sequence[LinearModel]) -> LinearModel:
        best = tally.best(self.config.alphas)
        if best < 0:
            self.notes.append(f"{target.name}: no held-out label to choose the penalty by; the first one was used")
            best = 0
        else:
            self.notes.append(f"{target.name}: penalty {self.config.alphas[best]:g} chosen on held-out groups")
        return models[best]

    def fit_logistic(self, target: Target) -> LinearModel:
        """Fit one classification task."""
        config = self.config
        folds = self.folds(target)
        draw = self.draw(target)
        x = np.empty((draw.used, self.embeddings.dim), dtype=np.float32)
        y = np.empty(draw.used, dtype=np.int64)
        fold_of = np.empty(draw.used, dtype=np.int64)
        filled = 0
        for recording in target.recordings["train"]:
            labels = read_labels(self.tracks, target, recording)
            values = codes(labels, draw.mask(recording, labels)).astype(np.int64)
            for where, chunk in rows(self.embeddings, recording, target.level, len(values)):
                known = values[where] >= 0
                end = filled + int(known.sum())
                x[filled:end], y[filled:end], fold_of[filled:end] = chunk[known], values[where][known], folds[recording]
                filled = end
        self.note_classes(target, np.bincount(y, minlength=target.n_classes))
        stuck: set[float] = set()

        def fit(train: npt.NDArray[np.bool_] | None) -> list[LinearModel]:
            fits = fit_logistic(
                x,
                y,
                target.n_classes,
                config.alphas,
                binary=target.kind == "binary",
                balanced=config.class_weight == "balanced",
                standardise=config.standardise,
                rows=train,
                max_iter=config.max_iter,
            )
            stuck.update(alpha for alpha, fitted in zip(config.alphas, fits, strict=True) if not fitted.converged)
            return [fitted.model for fitted in fits]

        models = fit(None)
        n_folds = max(folds.values()) + 1
        chosen = models[0]
        if len(models) > 1 and (n_folds > 1 or target.recordings["validation"]):
            tally = _Tally(target, len(models))
            if target.recordings["validation"]:
                self._score(tally, models, target.recordings["validation"])
            else:
                for fold in range(n_folds):
                    held_out = fold_of == fold
                    if held_out.any() and not held_out.all():
                        tally.add(fit(~held_out), x[held_out], y[held_out])
            chosen = self._pick(target, tally, models)
        if stuck:
            listed = ", ".join(f"{alpha:g}" for alpha in sorted(stuck))
            self.notes.append(
                f"{target.name}: logistic regression stopped after {config.max_iter} iterations before it converged "
                f"(penalty {listed}); raise probe.max_iter"
            )
        return chosen

    def write(self, writer: PredictionsWriter, target: Target, model: LinearModel) -> None:
        """Predict the test recordings that hold labels of the task."""
        target.declare(writer, readout="probe")
        for recording in target.recordings["test"]:
            labels = read_labels(self.tracks, target, recording)
            parts = [model.predict(x) for _, x in rows(self.embeddings, recording, target.level, len(labels.values))]
            prediction = Prediction(
                recording=recording,
                group=self.split.groups[recording],
                truth=labels.values,
                mask=labels.mask,
                prediction=np.concatenate([part for part, _ in parts]),
                scores=np.concatenate([part for _, part in parts]).astype(np.float32) if target.n_classes else None,
            )
            writer.add(target.name, prediction)
        without = len(self.split.test) - len(target.recordings["test"])
        if without:
            self.notes.append(f"{target.name}: {without} test recordings hold no labels of it and are not scored")


def run_probe(
    embeddings: Path,
    tracks: Path,
    split: Split,
    tasks: Sequence[str],
    config: ProbeConfig,
    seed: int,
    predictions: Path | None,
    readout: Path | None = None,
) -> list[str]:
    """Fit the readout of every task on the training recordings and write its predictions for the test recordings.

    Parameters
    ----------
    embeddings : Path
        File of :mod:`workflow_scripts.formats.embeddings`.
    tracks : Path
        `tracks.h5`, for the labels.
    split : Split
    tasks : sequence of str
    config : ProbeConfig
        Continuous tasks are always ridge regression.
    seed : int
        Of the draw of training rows; nothing else is random.
    predictions : Path or None
        File of :mod:`workflow_scripts.formats.predictions` to make; scores are probabilities (logistic) or decision
        values (ridge). None where the split holds nothing out.
    readout : Path, optional
        Folder that gets the fitted models (:mod:`workflow_scripts.evaluation.probe.readout`).

    Returns
    -------
    list of str
        What the reader of the numbers should know (absent classes, chosen penalties, drawn rows).

    Raises
    ------
    InputError, ConfigError
        When a task is unknown, unlabelled on one side, or an embedding is missing, too short, NaN or infinite.
    """
    with open_dataset(tracks) as track_reader, open_embeddings(embeddings) as embedding_reader:
        if not embedding_reader.dim:
            raise InputError(embeddings, "holds embeddings of no dimension", "run the embed rule again")
        track_reader.hidden = split.unlabelled
        probe = _Probe(embedding_reader, track_reader, split, config, seed)
        needed = ("train",) if predictions is None else ("train", "test")
        targets = [find_target(track_reader, split, task, needed) for task in tasks]
        closed = [target for target in targets if config.model == "ridge" or target.kind == "continuous"]
        models = probe.fit_ridge(closed)
        with create_predictions(predictions) if predictions else nullcontext() as writer:
            for target in targets:
                if target.name not in models:
                    models[target.name] = probe.fit_logistic(target)
                if writer is not None:
                    probe.write(writer, target, models[target.name])
        if readout is not None:
            about = {
                "dataset": split.dataset,
                "split": split.name,
                "seed": seed,
                "probe": config.model_dump(mode="json"),
            }
            fitted = {target.name: (target, models[target.name]) for target in targets}
            save_readout(readout, fitted, about | {"notes": list(probe.notes)})
    return probe.notes
