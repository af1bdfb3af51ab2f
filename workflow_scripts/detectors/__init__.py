"""Where the animal is: detectors behind one interface, reached through this registry.

A detector is a module with `Options` (a `config.Strict`) and a class `Detector(options, folder)`, where `folder` is
the dataset's own (files its options name lie below it):

``paths(options)``
    Files, below that folder, which the options name.
``fit(info, samples, region)``
    Look at a video as a whole before its first frame; `samples` are frames spread over it.
``detect(frames, numbers)``
    float32 array (n, 5): x1, y1, x2, y2 in pixels of the frames given, and a score in [0, 1]; NaN = not found.
``batch``
    How many frames to hand over at a time.
``samples``
    How many sample frames `fit` wants.

One that can tell animals apart also has ``detect_all(frames, numbers)``: for each frame a float32 array (n, 5), one row
an animal, the surest first; :mod:`.linked` follows one of them.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from workflow_scripts.cards.kinds import DETECTORS
from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.validation import Strict, nearest, validate
from workflow_scripts.detectors.linked import Linked, Several
from workflow_scripts.video.frames import Planes, Region
from workflow_scripts.video.metadata import VideoInfo


class Detector(Protocol):
    """What every detector does; see the module."""

    batch: int
    samples: int

    def fit(self, info: VideoInfo, samples: Sequence[Planes], region: Region | None) -> None:
        """Look at a video as a whole."""

    def detect(self, frames: Sequence[Planes], numbers: Sequence[int]) -> npt.NDArray[np.float32]:
        """Find the animal in frames of the fitted video."""


def _module(name: str) -> ModuleType:
    if name not in DETECTORS:
        raise ConfigError(f"There is no detector {name!r}{nearest(name, list(DETECTORS))}.")
    return importlib.import_module(f"{__name__}.{name}")


def check_options(name: str, options: dict[str, Any]) -> Strict:
    """Validate a detector's options.

    Raises
    ------
    ConfigError
        When the detector or an option is unknown.
    """
    model: type[Strict] = _module(name).Options
    return validate(model, options, where=f"options of the detector {name}")


def make(name: str, options: dict[str, Any], folder: Path, *, animals: int = 1, animal: int = 0) -> Detector:
    """Make a detector.

    Parameters
    ----------
    name : str
        A key of `DETECTORS`.
    options : dict
        Options of that detector.
    folder : Path
        The dataset's folder, below which files named in the options lie.
    animals : int
        Animals in the picture, each with a box of its own.
    animal : int
        Which of them is followed, from 0.

    Raises
    ------
    ConfigError, InputError
        When the detector or an option is unknown, a file it needs cannot be used, or it cannot tell animals apart.
    """
    if animals > 1 and name == "background":
        options = {"animals": 1} | options
        if options["animals"] != 1:
            raise ConfigError(
                "The option animals of the detector background draws one box around all animals, the option animals "
                "of the videos one around each; set one of the two."
            )
    detector: Detector = _module(name).Detector(check_options(name, options), folder)
    if animals == 1:
        return detector
    if not hasattr(detector, "detect_all"):
        raise ConfigError(
            f"The detector {name} gives one box a frame and cannot tell {animals} animals apart; use background or "
            "rtdetrv2, or from_tracks with its option individual."
        )
    return Linked(cast(Several, detector), animals, animal)
