"""The registry of methods: a folder here with `config.py` and `method.py` is a method.

`config.py` holds the options (class `Config`) and is light: it is imported while the graph is built.
`method.py` holds the functions of DESIGN §4 and may import torch;
they and what only some methods can do are typed in :mod:`workflow_scripts.methods.protocol`.

A light module `preset.py` with ``preset(card, size) -> Preset | None`` puts a method into new experiments on the
datasets that it suits (:mod:`workflow_scripts.methods.presets`).
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Self, cast

from workflow_scripts.cards.card import Card
from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.validation import Strict, nearest, validate
from workflow_scripts.methods.protocol import Method

Vocabularies = Mapping[str, Sequence[str]]

if TYPE_CHECKING:
    from workflow_scripts.cards.card import Card


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
    label_free: ClassVar[bool] = False
    """Its training never depends on a label, whatever the options."""
    faithful: ClassVar[bool] = False
    """Has a `faithful` mode beside the `sound` one."""
    pretraining_tables: ClassVar[tuple[str, ...]] = ()
    """Tables that the method's own rules make of a pretraining run, below the run's folder."""
    reads: ClassVar[tuple[str, ...]] = ()
    """Options that name a file a training starts from."""

    mode_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """By mode: what the options left empty mean."""

    def resolved(self, mode: str | None = None, vocabularies: Vocabularies | None = None) -> Self:
        """Return the options as they run: what was left empty filled in as the mode says.

        Parameters
        ----------
        mode : {"sound", "faithful"}, optional
            Mode of the run; None = as the options say.
        vocabularies : mapping of str to sequence of str, optional
            Class names of the dataset's tasks, where some option depends on them.

        Raises
        ------
        ConfigError
            When options contradict each other in that mode.
        """
        known = type(self).model_fields
        chosen = str(mode or getattr(self, "mode", "sound"))
        update = {"mode": chosen} if "mode" in known else {}
        defaults = {key: value for key, value in self.mode_defaults.get(chosen, {}).items() if key in known}
        return self.model_copy(
            update=update | {key: value for key, value in defaults.items() if getattr(self, key) is None}
        )

    def files(self) -> list[str]:
        """Files that the options name: inputs of a training, which runs again when one changes."""
        named = [getattr(self, option) for option in self.reads]
        return [str(path) for path in named if path]

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

    def reads_labels(self) -> bool:
        """Whether training depends on labels; if not, splits that differ in hidden labels alone share one training."""
        return not self.label_free

    def window_frames(self) -> int | None:
        """Frames it sees at a time, where its scores are compared with those of perfect windows; else None."""
        return None


@dataclass(frozen=True)
class Facts:
    """What the files of an original model leave open and its user may give; None = not given.

    Attributes
    ----------
    individuals, keypoints : tuple of str or None
        Names in the order of the model's columns.
    fps : float or None
        Frames per second of the recordings the model is for.
    unit : str
    image_size : tuple of float or None
    task : str
        Name of the labelled task that its classes belong to.
    classes : tuple of str or None
        Their names, in the order of the model's outputs.
    window_size : int or None
        Frames of a window, where the method has one.
    """

    individuals: tuple[str, ...] | None = None
    keypoints: tuple[str, ...] | None = None
    fps: float | None = None
    unit: str = "px"
    image_size: tuple[float, float] | None = None
    task: str = "behaviour"
    classes: tuple[str, ...] | None = None
    window_size: int | None = None


class Imported(NamedTuple):
    """An original model in our terms: options, data it is for, weights, source files, version, what was assumed."""

    config: Options
    spec: Any
    state: dict[str, Any]
    files: list[Path]
    version: str
    notes: list[str]


Size = Literal["quick", "full"]
"""``quick``: minutes on a laptop, to see that everything fits; ``full``: the method at work."""


class Preset(NamedTuple):
    """What a new experiment proposes of a method: see the module `preset` of a method.

    `why` is one line about the method, `options` YAML (comments are kept), `sweep` options with several values.
    """

    why: str
    options: str = "{}"
    sweep: str = ""


def frame_tasks(card: Card, *kinds: str) -> list[str]:
    """Tasks of a dataset that are labelled frame by frame, of the kinds given."""
    return [name for name, task in card.tasks.items() if task.level == "frame" and task.kind in kinds]


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


def load(name: str) -> Method:
    """Import a method's functions."""
    return cast(Method, _submodule(name, "method"))
