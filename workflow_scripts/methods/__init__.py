"""The registry of methods: a folder here with `config.py` and `method.py` is a method.

`config.py` holds the options (class `Config`) and is light: it is imported while the graph is built.
`method.py` holds the five functions of DESIGN §4 and may import torch:

``prepare(view, config)``
    The data module a model is fitted on.
``build(config, spec)``
    The model, a `torch.nn.Module` (a LightningModule where it is trained by gradient).
``embed(model, recording)``
    float32 array (time, dim), one row a frame.
``predict(model, recording)``
    Probabilities or points by task, or None where the method has none; :class:`Decided` where a class is not simply
    the most probable one.
``import_weights(path)``
    The original project's checkpoint as a state dict.

Some have more:

``augment_file(data, output, index, options, seed)``
    Writes the augmented set of a dataset, where the options' `stored_copies` says that training reads one.
``predict_file(model, file, folder, overlay)``
    Predicts one file of its kind (a video, a stack of images, tracks) and returns the paths of what it wrote.
``finish(folder)``
    Adds to a run's folder after training what the original leaves there.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, NamedTuple

from workflow_scripts.cards.card import Card
from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.validation import Strict, nearest, validate


class Options(Strict):
    """Base of a method's `Config`: its options, and what the rules must know before they run it."""

    neural: ClassVar[bool] = False
    """Asks for a GPU where there is one."""
    kind: ClassVar[str] = "tracks"
    """Canonical data kind it reads."""
    predicts: ClassVar[bool] = False
    """Has class probabilities or points of its own beside embeddings."""
    seeded: ClassVar[bool] = False
    """Its result depends on the seed; others run with the first seed alone."""
    faithful: ClassVar[bool] = False
    """Has a `faithful` mode beside the `sound` one."""

    def stored_copies(self, mode: str) -> dict[str, Any] | None:
        """Options of the augmented set that it trains on in a mode, where that set is a file; see `augment_file`."""
        return None

    def bytes_a_frame(self, individuals: Sequence[str], keypoints: Sequence[str]) -> int | None:
        """Bytes that training holds for each frame of all animals, where the options tell; None = by rule of thumb."""
        return None

    def readout(self) -> str | None:
        """What its own predictions are called in result tables (``native``, ``finetuned``); None where it has none."""
        return "native" if self.predicts else None

    def check_card(self, card: Card) -> list[str]:
        """Say, in sentences, what in these options a dataset's card cannot serve; empty where nothing is wrong.

        The base checks body roles (`roles`), where the card lists keypoints; a method adds what it alone names.
        """
        roles = getattr(self, "roles", None)
        if roles is None or not card.keypoints:
            return []
        named = [point for points in roles.model_dump().values() for point in points]
        return [
            f"roles names the keypoint {point!r}, which the card {card.name!r} does not have"
            f"{nearest(point, card.keypoints).removesuffix('?')}."
            for point in named
            if point not in card.keypoints
        ]

    def idle_options(self) -> list[str]:
        """Name, in sentences, options that have no effect without another one."""
        return []

    def window_frames(self) -> int | None:
        """Frames it sees at a time, where its scores are to stand beside those of faultless windows; else None."""
        return None


def unknown_tasks(card: Card, named: dict[str, list[str]]) -> list[str]:
    """Return a sentence for each task that options name and a card does not have.

    Parameters
    ----------
    card : Card
    named : dict of str to list of str
        Option → tasks it names.
    """
    return [
        f"{option} names the task {task!r}, which the card {card.name!r} does not have"
        f"{nearest(task, list(card.tasks)).removesuffix('?')}."
        for option, tasks in named.items()
        for task in tasks
        if task not in card.tasks
    ]


class Decided(NamedTuple):
    """Classes of frames (time,) that a method chose by rules of its own, beside their scores (time, classes)."""

    codes: Any
    scores: Any


@cache
def names() -> list[str]:
    """Names of all methods, sorted."""
    return sorted(path.parent.name for path in Path(__file__).parent.glob("*/method.py"))


def _submodule(name: str, module: str) -> ModuleType:
    if name not in names():
        raise ConfigError(f"There is no method {name!r}{nearest(name, names())}.")
    return importlib.import_module(f"{__name__}.{name}.{module}")


def config_model(name: str) -> type[Options]:
    """Return the options model of a method, without importing its code."""
    model: type[Options] = _submodule(name, "config").Config
    return model


def parse(name: str, options: dict[str, Any]) -> Options:
    """Validate a method's options."""
    return validate(config_model(name), options, where=f"methods.{name}")


def load(name: str) -> Any:
    """Import a method's five functions."""
    return _submodule(name, "method")
