"""Read the series of an experiment: hand labels of its datasets, and predictions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.behaviour.series import Series, class_names, known_codes
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.validation import nearest
from workflow_scripts.formats.datasets import open_dataset
from workflow_scripts.formats.predictions import open_predictions
from workflow_scripts.formats.tracks import by_class
from workflow_scripts.views.seen import seen_frames

KNOWN = ("recording", "dataset", "group", "animal", "condition")
"""Columns of a table of conditions with a meaning; others are covariates."""


@dataclass(frozen=True)
class About:
    """What is known of a recording beside its frames."""

    group: str
    animal: str = ""
    condition: str = ""
    fps: float = 30.0
    n_frames: int = 0
    covariates: dict[str, str] = field(default_factory=dict)


def read_conditions(path: Path) -> pd.DataFrame:
    """Read a table of conditions, one row a recording, as text.

    Parameters
    ----------
    path : Path
        UTF-8 with tabs or commas; the columns recording and condition are required.

    Raises
    ------
    InputError
        When the file is absent, lacks a column, or names a recording twice.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(path, "the file does not exist or cannot be read", "check behaviour.conditions") from error
    except UnicodeDecodeError as error:
        raise InputError(path, "is not UTF-8 text", "save it as UTF-8 text with tabs or commas") from error
    mark = "\t" if "\t" in text.partition("\n")[0] else ","
    rows = [[cell.strip() for cell in line.split(mark)] for line in text.splitlines() if line.strip()]
    header = rows[0] if rows else []
    for name in ("recording", "condition"):
        if name not in header:
            hint = nearest(name, header).removesuffix("?") if header else ""
            raise InputError(
                path, f"line 1: expected the column {name!r}, found {', '.join(header) or 'nothing'}{hint}", ""
            )
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(header):
            raise InputError(path, f"line {number}: has {len(row)} cells, the header {len(header)}", "fix that row")
    table = pd.DataFrame(rows[1:], columns=header, dtype=str)
    keys = [name for name in ("dataset", "recording") if name in header]
    twice = table[table.duplicated(keys)]
    if len(twice):
        raise InputError(path, f"names the recording {twice['recording'].iloc[0]!r} twice", "keep one row of it")
    return table


def recordings_of(dataset: str, data: Path, conditions: pd.DataFrame | None) -> dict[str, About]:
    """Return what is known of each recording: the sheet's columns, with a table of conditions laid over them.

    Parameters
    ----------
    dataset : str
    data : Path
        File of the converted dataset.
    conditions : DataFrame or None
        From :func:`read_conditions`.
    """
    given: dict[str, dict[str, str]] = {}
    if conditions is not None:
        mine = conditions[conditions["dataset"] == dataset] if "dataset" in conditions else conditions
        given = {
            str(row["recording"]): {str(key): str(value) for key, value in row.items()}
            for row in mine.to_dict("records")
        }
    found = {}
    with open_dataset(data) as reader:
        for recording in reader.ids:
            # Files of before the sheet hold no row of it.
            row: dict[str, Any] = reader.row(recording) if hasattr(reader, "row") else {}
            over = given.get(recording, {})
            found[recording] = About(
                group=over.get("group") or reader.group(recording),
                animal=over.get("animal") or str(row.get("animal", "")),
                condition=over.get("condition") or str(row.get("condition", "")),
                fps=float(reader.fps(recording)),
                n_frames=int(reader.n_frames(recording)),
                covariates={
                    **row.get("covariates", {}),
                    **{key: value for key, value in over.items() if key not in KNOWN},
                },
            )
    return found


def human_series(dataset: str, data: Path, tasks: Sequence[str], about: Mapping[str, About]) -> Iterator[Series]:
    """Yield the hand labels of tasks that have a class a frame."""
    with open_dataset(data) as reader:
        for recording, known in about.items():
            for task in tasks:
                labels = reader.labels(recording, task)
                if labels is None or not by_class(labels.kind, labels.level) or not labels.mask.any():
                    continue
                classes, background = class_names(task, labels.kind, labels.vocabulary, labels.background)
                codes = known_codes(labels.values, labels.mask)
                yield _series(dataset, recording, known, task, "human", "labelled", codes, classes, background, None)


def predicted_series(
    dataset: str,
    data: Path,
    predictions: Path,
    about: Mapping[str, About],
    *,
    source: str,
    role: str,
    seed: int | None,
    seen: dict[str, Any],
) -> Iterator[Series]:
    """Yield the predictions of a file for tasks that have a class a frame.

    Parameters
    ----------
    dataset, data : str, Path
    predictions : Path
    about : mapping of str to About
    source, role, seed
        As in :class:`workflow_scripts.behaviour.series.Series`.
    seen : dict
        Frames of each recording that show an animal; filled as recordings are met.
    """
    with open_predictions(predictions) as reader, open_dataset(data) as recordings:
        for task in reader.tasks:
            kind, level, vocabulary, _ = reader.info(task)
            if not by_class(kind, level):
                continue
            classes, background = class_names(task, kind, vocabulary, reader.background(task))
            for found in reader.iterate(task):
                shown = found.seen
                if shown is None:
                    if found.recording not in seen:
                        seen[found.recording] = seen_frames(recordings.read(found.recording))
                    shown = seen[found.recording]
                values = found.prediction.astype(np.int32)
                # A decision may leave a frame open, which is no class.
                codes = known_codes(values, shown & (values >= 0))
                known = about[found.recording]
                yield _series(dataset, found.recording, known, task, source, role, codes, classes, background, seed)


def _series(
    dataset: str,
    recording: str,
    known: About,
    task: str,
    source: str,
    role: str,
    codes: Any,
    classes: Sequence[str],
    background: int | None,
    seed: int | None,
) -> Series:
    return Series(
        dataset=dataset,
        recording=recording,
        task=task,
        source=source,
        role=role,
        codes=codes,
        classes=tuple(classes),
        background=background,
        fps=known.fps,
        group=known.group,
        animal=known.animal,
        condition=known.condition,
        covariates=known.covariates,
        seed=seed,
    )
