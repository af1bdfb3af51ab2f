"""Gather what the report shows from the canonical files."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd

from workflow_scripts.cards import Card
from workflow_scripts.errors import InputError
from workflow_scripts.formats.predictions import Prediction, open_predictions
from workflow_scripts.formats.tracks import Recording, open_tracks
from workflow_scripts.report.data import (
    Confusion,
    DatasetSection,
    ExamplePrediction,
    IntArray,
    Quarantined,
    RecordingQuality,
    TaskSummary,
)

LIBRARIES = ("snakemake", "torch", "lightning", "numpy", "scipy", "pandas", "h5py", "scikit-learn", "matplotlib")


def _quality(recording: Recording) -> RecordingQuality:
    missing = np.isnan(recording.position).any(axis=-1)
    points = max(1, missing.size)
    return RecordingQuality(
        recording=recording.id,
        group=recording.group,
        frames=recording.n_frames,
        fps=recording.fps,
        missing=float(missing.sum()) / points,
        filled=0.0 if recording.filled is None else float(recording.filled.sum()) / points,
        warnings=tuple(recording.warnings),
    )


def dataset_section(card: Card, tracks: str | Path) -> tuple[DatasetSection, list[Quarantined]]:
    """Describe a dataset from its card and its converted tracks, one recording in memory at a time.

    Parameters
    ----------
    card : Card
    tracks : str or Path
        `data/<dataset>/tracks.h5`.

    Returns
    -------
    section : DatasetSection
        Tasks of the card first, then any others the files hold; tasks without a label count as empty.
    quarantined : list of Quarantined
    """
    recordings: list[RecordingQuality] = []
    counts: dict[str, IntArray] = {}
    facts: dict[str, tuple[str, str, tuple[str, ...]]] = {
        name: (task.kind, task.level, tuple(task.vocabulary)) for name, task in card.tasks.items()
    }
    labelled: dict[str, int] = {}
    with open_tracks(tracks) as reader:
        for identifier in reader.ids:
            recording = reader.read(identifier)
            recordings.append(_quality(recording))
            for task, labels in recording.labels.items():
                facts[task] = (labels.kind, labels.level, labels.vocabulary)
                labelled[task] = labelled.get(task, 0) + int(labels.mask.sum())
                if labels.kind != "continuous":
                    known = labels.values[labels.mask].astype(np.int64)
                    here = np.bincount(known[known >= 0], minlength=len(labels.vocabulary))
                    before = counts.get(task, np.zeros(len(here), np.int64))
                    size = max(len(here), len(before))
                    counts[task] = np.pad(here, (0, size - len(here))) + np.pad(before, (0, size - len(before)))
        quarantined = [Quarantined(card.name, shard, reason) for shard, reason in reader.quarantined.items()]
    tasks = [
        TaskSummary(
            name=name,
            kind=kind,
            level=level,
            vocabulary=vocabulary,
            counts=tuple(int(c) for c in counts.get(name, [0] * len(vocabulary))),
            labelled=labelled.get(name, 0),
        )
        for name, (kind, level, vocabulary) in facts.items()
    ]
    section = DatasetSection(
        name=card.name,
        title=card.title,
        description=card.description,
        licence=card.licence,
        terms=card.terms,
        citation=tuple(card.citation),
        twin=card.simulate is not None,
        tasks=tuple(tasks),
        recordings=tuple(recordings),
    )
    return section, quarantined


def confusion(dataset: str, task: str, method: str, predictions: Sequence[str | Path]) -> Confusion | None:
    """Count truth against prediction over every recording of a run's held-out files.

    Parameters
    ----------
    dataset, task, method : str
    predictions : sequence of str or Path
        Files of :mod:`workflow_scripts.formats.predictions`; those of all folds pool.

    Returns
    -------
    Confusion or None
        None for a continuous task, and where no file has the task.

    Raises
    ------
    InputError
        When two files have different vocabularies for the task.
    """
    names: tuple[str, ...] | None = None
    matrix = np.zeros((0, 0), np.int64)
    for path in predictions:
        with open_predictions(path) as reader:
            if task not in reader.tasks:
                continue
            kind, _, vocabulary, _ = reader.info(task)
            if kind == "continuous":
                return None
            if names is None:
                names, matrix = vocabulary, np.zeros((len(vocabulary),) * 2, np.int64)
            elif names != vocabulary:
                raise InputError(path, f"task {task!r} has classes {vocabulary}, other folds {names}", "run it again")
            for item in reader.iterate(task):
                truth, said = (v[item.mask].astype(np.int64) for v in (item.truth, item.prediction))
                matrix += np.bincount(truth * len(names) + said, minlength=len(names) ** 2).reshape(matrix.shape)
    return None if names is None else Confusion(dataset, task, method, names, matrix)


def _masked(values: Prediction) -> IntArray:
    return np.where(values.mask, values.truth.astype(np.int64), -1)


def examples(
    dataset: str, task: str, predictions: Mapping[str, Sequence[str | Path]], tracks: str | Path, limit: int = 2
) -> list[ExamplePrediction]:
    """Take the first held-out recordings (by name) of a frame-level class task, with every method's prediction.

    Parameters
    ----------
    dataset, task : str
    predictions : mapping of str to sequence of str or Path
        Prediction files by method.
    tracks : str or Path
        `data/<dataset>/tracks.h5`, for the frame rate.
    limit : int
        How many recordings.
    """
    chosen: list[str] = []
    truths: dict[str, IntArray] = {}
    said: dict[str, dict[str, IntArray]] = {}
    vocabulary: tuple[str, ...] = ()
    available: dict[str, list[tuple[str, str | Path]]] = {}
    for method, paths in predictions.items():
        for path in paths:
            with open_predictions(path) as reader:
                if task in reader.tasks and reader.info(task)[0] != "continuous" and reader.info(task)[1] == "frame":
                    vocabulary = reader.info(task)[2]
                    for recording in reader.recordings(task):
                        available.setdefault(recording, []).append((method, path))
    chosen = sorted(available)[:limit]
    for recording in chosen:
        for method, path in available[recording]:
            with open_predictions(path) as reader:
                item = reader.read(task, recording)
            truths[recording] = _masked(item)
            said.setdefault(recording, {})[method] = item.prediction.astype(np.int64)
    with open_tracks(tracks) as tracks_reader:
        return [
            ExamplePrediction(
                dataset, task, recording, vocabulary, truths[recording], said[recording], tracks_reader.fps(recording)
            )
            for recording in chosen
        ]


def timings(benchmarks: Mapping[str, Iterable[str | Path]]) -> pd.DataFrame:
    """Sum Snakemake's benchmark files by rule.

    Parameters
    ----------
    benchmarks : mapping of str to iterable of str or Path
        Benchmark tsv files by rule; absent files are passed over, since a cached job writes none.

    Returns
    -------
    DataFrame
        Columns ``rule``, ``jobs``, ``seconds`` (sum of wall time) and ``max_rss_mb`` (highest of any job).

    Raises
    ------
    InputError
        When a file is no benchmark table.
    """
    rows = []
    for rule, paths in benchmarks.items():
        jobs, seconds, peak = 0, 0.0, float("nan")
        for path in paths:
            if not Path(path).is_file():
                continue
            try:
                table = pd.read_csv(path, sep="\t", na_values=["-", "NA"])
                jobs, seconds = jobs + len(table), seconds + float(table["s"].sum())
                peak = float(np.fmax(peak, table["max_rss"].max()))
            except (KeyError, ValueError, TypeError) as error:
                raise InputError(path, f"is no Snakemake benchmark ({error})", "delete it and run again") from error
        if jobs:
            rows.append((rule, jobs, seconds, peak))
    return pd.DataFrame(rows, columns=["rule", "jobs", "seconds", "max_rss_mb"])


def versions() -> dict[str, str]:
    """Return the versions of Python, of this package and of the libraries the numbers depend on."""
    found = {"python": platform.python_version()}
    for name in ("ethomake", *LIBRARIES):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found
