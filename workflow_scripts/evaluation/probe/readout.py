"""A fitted probe as files, `probe/{model.safetensors, config.yaml}` of a run, which predict any recording's embeddings.

`model.safetensors` holds `<task>/coef` (outputs, dim) and `<task>/intercept` (outputs,) in float64, and for exclusive
classes `<task>/present`; `config.yaml` holds kind, level, classes, background and link of each task.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml
from pydantic import BaseModel
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from workflow_scripts.cards.names import Label, TaskName
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.files import atomic_path, read_yaml, write_text
from workflow_scripts.core.validation import validate
from workflow_scripts.evaluation.probe.linear import LinearModel, Link
from workflow_scripts.evaluation.probe.rows import Target
from workflow_scripts.formats.tracks import Kind, Level

READOUT_FILES = ("model.safetensors", "config.yaml")
"""What a saved probe consists of."""


class SavedTask(BaseModel):
    """What `config.yaml` says of a task."""

    kind: Kind
    level: Level
    vocabulary: list[Label]
    background: Label | None
    link: Link


class SavedProbe(BaseModel):
    """`config.yaml` of a probe; what it says for people is not looked at."""

    tasks: dict[TaskName, SavedTask]


@dataclass(frozen=True)
class Readout:
    """A fitted task.

    Attributes
    ----------
    kind, level : str
    vocabulary : tuple of str
    background : str or None
    model : LinearModel
    """

    kind: Kind
    level: Level
    vocabulary: tuple[str, ...]
    background: str | None
    model: LinearModel

    def predict(
        self, embedding: npt.NDArray[np.floating]
    ) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.float32] | None]:
        """Predict one recording.

        Parameters
        ----------
        embedding : ndarray, shape (time, dim)

        Returns
        -------
        prediction : ndarray, shape (time,), or (1,) for a label by sequence
        scores : ndarray, float32, shape (time, n_classes) or (time,), or None
            Probabilities (logistic) or decision values (ridge); None for ``continuous``.

        Raises
        ------
        ValueError
            When the embedding is of another width than the one the probe was fitted on.
        """
        dim = self.model.coef.shape[1]
        if embedding.shape[1] != dim:
            raise ValueError(f"expected embeddings of {dim} dimensions, found {embedding.shape[1]}")
        x = embedding if self.level == "frame" else embedding.mean(axis=0, dtype=np.float64).astype(np.float32)[None]
        prediction, scores = self.model.predict(x)
        return prediction, None if self.kind == "continuous" else scores.astype(np.float32)


def save_readout(folder: Path, fitted: Mapping[str, tuple[Target, LinearModel]], about: Mapping[str, Any]) -> None:
    """Write a fitted probe.

    Parameters
    ----------
    folder : Path
        Gets :data:`READOUT_FILES`.
    fitted : mapping of str to (Target, LinearModel)
        By task.
    about : mapping
        What it was fitted on and how, for people; plain values.
    """
    tensors: dict[str, npt.NDArray[Any]] = {}
    tasks: dict[str, Any] = {}
    for task, (target, model) in fitted.items():
        tensors[f"{task}/coef"] = np.ascontiguousarray(model.coef, np.float64)
        tensors[f"{task}/intercept"] = np.ascontiguousarray(model.intercept, np.float64)
        if model.present is not None:
            tensors[f"{task}/present"] = np.ascontiguousarray(model.present)
        tasks[task] = {
            "kind": target.kind,
            "level": target.level,
            "vocabulary": list(target.vocabulary),
            "background": target.background,
            "link": model.link,
        }
    with atomic_path(folder / "model.safetensors") as part:
        save_file(tensors, part)
    text = yaml.safe_dump({"tasks": tasks, **about}, sort_keys=False, allow_unicode=True)
    write_text(folder / "config.yaml", text)


def load_readout(folder: Path) -> dict[str, Readout]:
    """Read a fitted probe.

    Returns
    -------
    dict of str to Readout
        By task.

    Raises
    ------
    InputError
        When a file is absent, damaged, or does not fit the other.
    """
    config = validate(SavedProbe, read_yaml(folder / "config.yaml"), where=str(folder / "config.yaml"))
    path = folder / "model.safetensors"
    if not path.is_file():
        raise InputError(path, "the file does not exist", "run the workflow, which makes it")
    try:
        tensors = load_file(path)
        return {
            task: Readout(
                kind=about.kind,
                level=about.level,
                vocabulary=tuple(about.vocabulary),
                background=about.background,
                model=LinearModel(
                    tensors[f"{task}/coef"], tensors[f"{task}/intercept"], about.link, tensors.get(f"{task}/present")
                ),
            )
            for task, about in config.tasks.items()
        }
    except SafetensorError as error:
        raise InputError(path, f"is no readable safetensors file ({error})", "run the probe rule again") from error
    except KeyError as error:
        raise InputError(path, f"does not fit config.yaml beside it ({error})", "run the probe rule again") from error
