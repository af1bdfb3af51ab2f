"""Small tables behind the report's pictures, so that it can be redrawn without predictions at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from workflow_scripts.core.files import read_json
from workflow_scripts.formats.bouts import runs as equal_runs
from workflow_scripts.formats.predictions import PredictionsReader, open_predictions

RUN = ["dataset", "method", "mode", "setting", "split", "seed"]
CLASSES = ("binary", "multiclass")
ETHOGRAM = ["dataset", "task", "recording", "row", "start", "stop", "label", "background"]
LOOKED_AT = 12
RunKey = tuple[str, str, str, str, str, int]


def ethogram_table(runs: Sequence[RunKey], predictions: Sequence[str | Path]) -> pd.DataFrame:
    """Bouts of truth and prediction in one held-out recording of each dataset and frame-level class task.

    Of the first :data:`LOOKED_AT` recordings by name, it is the one whose labels show most classes.

    Parameters
    ----------
    runs : sequence of tuple
        (dataset, method, mode, point, split, seed) of each predictions file.
    predictions : sequence of str or Path

    Returns
    -------
    DataFrame
        Columns dataset, task, recording, row (``truth`` or the method), start, stop (frames, exclusive), label,
        background (True for the class that means nothing of interest).
        Unlabelled stretches of the truth are left out. One run a method: its first.
    """
    rows: list[tuple[str, str, str, str, int, int, str, bool]] = []
    chosen: dict[tuple[str, str], str] = {}
    seen: set[tuple[str, str, str]] = set()
    for run, path in zip(runs, predictions, strict=True):
        dataset, method = run[0], run[1]
        with open_predictions(path) as reader:
            for task in reader.tasks:
                kind, level, vocabulary, _ = reader.info(task)
                quiet = [name == reader.background(task) for name in vocabulary]
                recordings = sorted(reader.recordings(task))
                if kind not in CLASSES or level != "frame" or not recordings or (dataset, task, method) in seen:
                    continue
                first = (dataset, task) not in chosen
                if first:
                    chosen[dataset, task] = _liveliest(reader, task, recordings)
                recording = chosen[dataset, task]
                if recording not in recordings:
                    continue
                found = reader.read(task, recording)
                if first:
                    truth = np.where(found.mask, found.truth.astype(np.int64), -1)
                    for start, stop, value in equal_runs(truth).triples():
                        if value >= 0:
                            label = vocabulary[value], quiet[value]
                            rows.append((dataset, task, recording, "truth", start, stop, *label))
                for start, stop, value in equal_runs(found.prediction).triples():
                    rows.append((dataset, task, recording, method, start, stop, vocabulary[value], quiet[value]))
                seen.add((dataset, task, method))
    return pd.DataFrame(rows, columns=ETHOGRAM)


def _liveliest(reader: PredictionsReader, task: str, recordings: Sequence[str]) -> str:
    def classes(recording: str) -> int:
        found = reader.read(task, recording)
        return len(np.unique(found.truth[found.mask]))

    return max(recordings[:LOOKED_AT], key=classes)  # the first of those that show as many


def confusion_table(runs: Sequence[RunKey], predictions: Sequence[str | Path]) -> pd.DataFrame:
    """Count truth against prediction over the labelled held-out frames of each run and class task.

    Returns
    -------
    DataFrame
        The run's columns, then task, truth, prediction, n; pairs of two classes that never occur are left out.
    """
    rows = []
    for run, path in zip(runs, predictions, strict=True):
        with open_predictions(path) as reader:
            for task in reader.tasks:
                kind, _, vocabulary, _ = reader.info(task)
                if kind not in CLASSES:
                    continue
                size = len(vocabulary)
                counts = np.zeros((size, size), dtype=np.int64)
                for found in reader.iterate(task):
                    truth, said = (
                        found.truth[found.mask].astype(np.int64),
                        found.prediction[found.mask].astype(np.int64),
                    )
                    pairs = truth * size + said
                    counts += np.bincount(pairs, minlength=size * size).reshape(size, size)
                # Most pairs of many classes never occur; the diagonal keeps every class, in its order.
                for i, j in zip(*np.nonzero((counts > 0) | np.eye(size, dtype=bool)), strict=True):
                    rows.append((*run, task, vocabulary[i], vocabulary[j], int(counts[i, j])))
    return pd.DataFrame(rows, columns=[*RUN, "task", "truth", "prediction", "n"])


def notes_table(runs: Sequence[RunKey], notes: Sequence[str | Path]) -> pd.DataFrame:
    """Gather what the probes had to say: the run's columns, then note."""
    rows = [(*run, note) for run, path in zip(runs, notes, strict=True) for note in read_json(path)]
    return pd.DataFrame(rows, columns=[*RUN, "note"])


def gather(tables: Mapping[str, str | Path]) -> pd.DataFrame:
    """Put the same table of several datasets into one, with a first column `dataset`."""
    parts = [pd.read_csv(path, dtype=str).assign(dataset=name) for name, path in tables.items()]
    whole = pd.concat(parts, ignore_index=True)
    return whole[["dataset", *whole.columns.drop("dataset")]]
