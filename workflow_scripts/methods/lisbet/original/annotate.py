"""Annotation of recordings: probabilities, classes and bouts as tables people can open."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from workflow_scripts.core.names import slugify
from workflow_scripts.core.tables import write_csv
from workflow_scripts.formats.bouts import runs
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.methods.lisbet.inference import predict_recording
from workflow_scripts.methods.lisbet.module import Lisbet
from workflow_scripts.motifs.bouts import bout_table


def classes_of(probabilities: npt.NDArray[np.float32], *, min_frames: int = 1) -> npt.NDArray[np.int64]:
    """Most probable class of each frame.

    Parameters
    ----------
    probabilities : ndarray, shape (time, classes)
    min_frames : int
        Shorter bouts take the class that, of their two neighbours', is more probable in them.
    """
    said: npt.NDArray[np.int64] = np.asarray(probabilities.argmax(axis=1), np.int64)
    while min_frames > 1:
        starts, stops, values = runs(said)
        lengths = stops - starts
        short = np.flatnonzero(lengths < min_frames)
        if len(starts) < 2 or not len(short):
            break
        k = short[np.argmin(lengths[short])]
        beside = [int(values[j]) for j in (k - 1, k + 1) if 0 <= j < len(values)]
        mean = probabilities[starts[k] : stops[k]].mean(axis=0)
        said[starts[k] : stops[k]] = max(beside, key=lambda label: float(mean[label]))
    return said


def annotate(
    model: Lisbet, recording: Recording, folder: Path, *, min_bout_s: float = 0.0
) -> dict[str, npt.NDArray[np.int64]]:
    """Write what a classifier says about one recording.

    Parameters
    ----------
    model : Lisbet
    recording : Recording
    folder : Path
        Gets, in a folder of the recording's name and per labelled task, `<task>_probabilities.csv` (a column a
        class), `<task>_classes.csv` (frame, class), `<task>_bouts.csv` (behavior, start and end in frames and
        seconds), and `machineAnnotation_lisbet.csv` (one-hot, as the original's) where there is one task.
    min_bout_s : float
        Shorter bouts are merged into a neighbour (:func:`classes_of`), in seconds.

    Returns
    -------
    dict of str to ndarray of int, shape (time,)
        Class of each frame by task.
    """
    found = {}
    probabilities = predict_recording(model, recording)
    place = folder / slugify(recording.id)
    for task, array in probabilities.items():
        names = list(model.spec.vocabularies[task])
        said = classes_of(array, min_frames=max(1, round(min_bout_s * recording.fps)))
        tables = {
            f"{slugify(task)}_probabilities.csv": pd.DataFrame(array, columns=names).rename_axis("frame"),
            f"{slugify(task)}_classes.csv": pd.DataFrame({"class": [names[k] for k in said]}).rename_axis("frame"),
            f"{slugify(task)}_bouts.csv": bout_table(said, names, recording.fps).set_index("behavior"),
        }
        if len(probabilities) == 1:
            onehot = (said[:, None] == np.arange(len(names))).astype(np.int8)
            tables["machineAnnotation_lisbet.csv"] = pd.DataFrame(onehot)
        for name, table in tables.items():
            write_csv(place / name, table, float_format="%.6g", index=True)
        found[task] = said
    return found
