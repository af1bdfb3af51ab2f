"""One task in one recording (or in one animal of it), frame by frame: what every behaviour table is made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workflow_scripts.core.typing import BoolArray, IntArray

UNSEEN = -1
"""Code of a frame that nobody labelled, or that shows no animal, or of which a decision left open what it is."""

INFO = ("dataset", "recording", "individual", "animal", "group", "condition", "task", "source", "role", "seed")
"""Columns that say whose numbers a row holds; the first of every table by recording."""


@dataclass(frozen=True)
class Series:
    """Classes of one task over time.

    Attributes
    ----------
    dataset, recording, task : str
    source : str
        ``human``, or the method that predicted.
    role : str
        ``labelled`` (human), ``held_out`` (predicted by a model that did not see the recording's labels in its split)
        or ``applied`` (predicted by the final model).
    codes : ndarray of int, shape (time,)
        Index into `classes`, :data:`UNSEEN` where nothing is known.
    classes : tuple of str
    background : int or None
        Index of the class that has no bouts; None where every class has.
    fps : float
        Frames per second.
    individual, group, animal, condition : str
        Empty where unknown.
    covariates : dict of str to str
    seed : int or None
    """

    dataset: str
    recording: str
    task: str
    source: str
    role: str
    codes: IntArray
    classes: tuple[str, ...]
    background: int | None
    fps: float
    individual: str = ""
    group: str = ""
    animal: str = ""
    condition: str = ""
    covariates: dict[str, str] = field(default_factory=dict)
    seed: int | None = None

    def info(self) -> dict[str, Any]:
        """Values of the columns :data:`INFO`."""
        return {name: getattr(self, name) for name in INFO}

    @property
    def behaviours(self) -> list[int]:
        """Indices of the classes that have bouts."""
        return [code for code in range(len(self.classes)) if code != self.background]


def class_names(
    task: str, kind: str, vocabulary: Sequence[str], background: str | None
) -> tuple[list[str], int | None]:
    """Return the names of a task's classes in tables, and the index of its background.

    Parameters
    ----------
    task : str
    kind : {"binary", "multiclass"}
        The positive class of a ``binary`` task is called as the task.
    vocabulary : sequence of str
    background : str or None
        As the card names it.
    """
    if kind == "binary":
        return [vocabulary[0] if vocabulary else f"not {task}", task], 0
    names = list(vocabulary)
    return names, None if background is None else names.index(background)


def known_codes(values: IntArray, known: BoolArray) -> IntArray:
    """Return classes with :data:`UNSEEN` where `known` is False."""
    codes: IntArray = np.where(known, values.astype(np.int32), UNSEEN)
    return codes
