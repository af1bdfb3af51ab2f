"""CalMS21's official JSON: `{group: {sequence: {keypoints, scores, annotations, metadata}}}`, read as a stream.

Facts of the format (Caltech record s0vdx-0k302): `keypoints` (time, mouse, xy, part) in pixels of a 1024 × 570 image
at 30 frames a second, `scores` (time, mouse, part), `annotations` (time) where people labelled, `metadata.vocab` name →
index. Mouse 0 is the resident, mouse 1 the intruder.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from workflow_scripts.errors import InputError
from workflow_scripts.files import atomic_path
from workflow_scripts.formats.tracks import Recording


def _record(path: Path, recording: Recording, task: str) -> dict[str, Any]:
    record: dict[str, Any] = {
        "keypoints": np.moveaxis(recording.position, 3, 2).tolist(),
        "scores": recording.confidence.tolist(),
    }
    metadata: dict[str, Any] = {}
    if task in recording.labels:
        labels = recording.labels[task]
        if not labels.mask.all():
            raise InputError(
                path, f"{recording.id}: CalMS21's JSON has no sign for unlabelled frames", "label all or none"
            )
        record["annotations"] = labels.values.astype(int).tolist()
        metadata = {"annotator-id": 0, "vocab": {name: index for index, name in enumerate(labels.vocabulary)}}
    return {**record, "metadata": metadata}


def write_json(path: Path, recordings: Iterable[Recording], *, group: str, task: str = "behaviour") -> None:
    """Write recordings in CalMS21's layout, one in memory at a time.

    Parameters
    ----------
    path : Path
        The JSON file to make, whole or not at all.
    recordings : iterable of Recording
        May be a generator; ids become the sequence names. Missing points are written as Python's ``NaN``.
    group : str
        The outer key: ``annotator-id_0`` for task 1, ``unlabeled_videos`` for the unlabeled part.
    task : str
        Labels written as `annotations`, in recordings that have them.

    Raises
    ------
    InputError
        When a recording is labelled in part, which the layout cannot say.
    """
    with atomic_path(path) as part, open(part, "w", encoding="utf-8") as handle:
        handle.write(f"{{{json.dumps(group)}: {{")
        separator = ""
        for recording in recordings:
            handle.write(f"{separator}{json.dumps(recording.id)}: {json.dumps(_record(path, recording, task))}")
            separator = ", "
        handle.write("}}\n")
