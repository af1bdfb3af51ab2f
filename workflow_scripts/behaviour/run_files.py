"""The files of a run that films and suggestions are made from: its data and what it predicts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from workflow_scripts.cards.kinds import FILES
from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.core.files import read_yaml
from workflow_scripts.core.validation import nearest
from workflow_scripts.formats.predictions import open_predictions
from workflow_scripts.formats.tracks import by_class

NAMES = (
    "native_decided_predictions.h5",
    "predictions.h5",
    "decided_predictions.h5",
    "probe_predictions.h5",
)
"""Predictions of a run, the ones to show first: decided ones, and the method's own before the probe's."""


def data_of(run: Path, given: Path | None = None) -> Path:
    """Return the file of recordings that a run is about.

    Parameters
    ----------
    run : Path
        Folder of a run, or one that `ethomake predict` wrote.
    given : Path or None
        As the user names it.

    Raises
    ------
    InputError
        When it is not found.
    """
    if given is not None:
        return given
    own = run / FILES["tracks"]
    if own.is_file():
        return own
    stored = next((run / name for name in ("embedder/config.yaml", "hparams.yaml") if (run / name).is_file()), None)
    if stored is None:
        raise InputError(
            run, "is no folder of a run", "name results/<experiment>/runs/…/seed<k>, or a predicted file's"
        )
    dataset = str(read_yaml(stored)["dataset"])
    for folder in run.resolve().parents:
        for name in FILES.values():
            if (folder / "data" / dataset / name).is_file():
                return folder / "data" / dataset / name
    raise InputError(run, f"the data of {dataset!r} are not in data/ above it", "name them: --data data/NAME/tracks.h5")


def prediction_files(run: Path, given: Path | None = None) -> list[Path]:
    """Return a run's files of predictions, the one to show first in front; applied ones last.

    Raises
    ------
    InputError
        When there is none.
    """
    found = [given] if given is not None else [run / name for name in NAMES if (run / name).is_file()]
    if given is None:
        found += sorted((run / "applied").glob("*.h5"))
    if not found:
        raise InputError(run, "holds no predictions", "name a run that predicts, or the file: --predictions FILE")
    return found


def predictions_with(paths: Sequence[Path], recording: str, task: str | None = None) -> tuple[Path, str]:
    """Return the first file that predicts a recording, and the task.

    Raises
    ------
    ConfigError
        When none does; names the nearest recording.
    """
    known: dict[str, None] = {}
    for path in paths:
        with open_predictions(path) as reader:
            for name in class_tasks(path, task):
                ids = reader.recordings(name)
                known |= dict.fromkeys(ids)
                if recording in ids:
                    return path, name
    what = f" of the task {task!r}" if task else ""
    raise ConfigError(f"The run predicts no recording {recording!r}{what}{nearest(recording, list(known))}.")


def class_tasks(path: Path, task: str | None = None) -> Iterator[str]:
    """Yield the tasks of a file that have a class a frame, or the one that is asked for."""
    with open_predictions(path) as reader:
        for name in reader.tasks:
            if by_class(*reader.info(name)[:2]) and task in (None, name):
                yield name
