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
``import_run(path, folder, options, *, data)``
    Makes weights of the original a run that embeds without training; `data` is a converted dataset's file.

A light module `preset.py` with ``preset(card, size) -> Preset | None`` puts a method into new experiments on the
datasets that it suits (:mod:`workflow_scripts.methods.presets`).
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.validation import Strict, nearest, validate

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
    faithful: ClassVar[bool] = False
    """Has a `faithful` mode beside the `sound` one."""
    pretraining_tables: ClassVar[tuple[str, ...]] = ()
    """Tables that the method's own rules make of a pretraining run, below the run's folder."""
    reads: ClassVar[tuple[str, ...]] = ()
    """Options that name a file a training starts from."""

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

    def window_frames(self) -> int | None:
        """Frames it sees at a time, where its scores are to stand beside those of faultless windows; else None."""
        return None


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
