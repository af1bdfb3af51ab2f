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
``recognises(path)``, ``import_original(path, facts)``
    Whether a path is a model of the original program, and that model as an :class:`Imported`, from which
    :func:`.originals.import_run` makes a run's folder.
``export_original(model, run, output, …)``
    Writes a run's folder in the original program's layout; :func:`.originals.export_run` calls it.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, NamedTuple

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


@dataclass(frozen=True)
class Facts:
    """What the files of an original model leave open and its user may tell; None = untold.

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
