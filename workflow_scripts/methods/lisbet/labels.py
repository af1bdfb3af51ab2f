"""The heads of a model: which tasks it has, how many outputs each, and which labels teach it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from workflow_scripts.core.errors import ConfigError, EthoMakeError
from workflow_scripts.core.validation import nearest
from workflow_scripts.methods.lisbet.config import BINARY, Config
from workflow_scripts.views.tracks import DataSpec


@dataclass(frozen=True)
class Head:
    """One output of the model.

    Attributes
    ----------
    name : str
        Task; a supervised head that is one of several is called ``multiclass_<label>``.
    kind : {"binary", "geom", "multiclass", "multilabel"}
    outputs : int
    labels : tuple of str
        Labelled tasks of the dataset.
    """

    name: str
    kind: Literal["binary", "geom", "multiclass", "multilabel"]
    outputs: int
    labels: tuple[str, ...] = ()


def _chosen(config: Config, spec: DataSpec, supervised: str) -> list[str]:
    known = dict(spec.vocabularies)
    for name in config.labels:
        if name not in known:
            raise ConfigError(
                f"methods.lisbet.labels: the training data label no task {name!r}{nearest(name, list(known))}."
            )
    names = list(config.labels or known)
    if not names:
        raise EthoMakeError(
            f"The task {supervised} needs labelled recordings, and the training data label nothing; train without it."
        )
    return names


def heads(config: Config, spec: DataSpec) -> list[Head]:
    """List the heads that options and data ask for, in the order of the tasks.

    Raises
    ------
    EthoMakeError
        When supervision is asked for and nothing is labelled, or an asked label is not there.
    """
    found: list[Head] = []
    for task in config.task_ids:
        if task in BINARY:
            found.append(Head(task, "binary", 1))
        elif task == "geom":
            found.append(Head("geom", "geom", 0))
        elif task == "multilabel":
            names = [name for name in _chosen(config, spec, task) if len(spec.vocabularies[name]) == 2]
            if not names:
                raise EthoMakeError("The task multilabel needs labels of two classes each; choose multiclass.")
            found.append(Head("multilabel", "multilabel", len(names), tuple(names)))
        else:
            names = _chosen(config, spec, task)
            for name in names:
                head = "multiclass" if len(names) == 1 else f"multiclass_{name}"
                found.append(Head(head, "multiclass", len(spec.vocabularies[name]), (name,)))
    return found
