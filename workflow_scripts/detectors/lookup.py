"""What detectors share whose boxes somebody already has: read them once, look them up by frame number."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from workflow_scripts.core.boundary import reading
from workflow_scripts.core.validation import Strict
from workflow_scripts.video.frames import Planes, Region
from workflow_scripts.video.metadata import VideoInfo

OptionsT = TypeVar("OptionsT", bound=Strict)


class Lookup(ABC, Generic[OptionsT]):
    """Looks boxes up by frame number.

    Parameters
    ----------
    options : Strict
        Of the detector.
    folder : Path
        The dataset's folder.
    file : str
        Path below it of the file the boxes are read from.

    Attributes
    ----------
    warnings : list of str
        What had to be decided about the video that was fitted last.
    """

    batch = 1
    samples = 200

    def __init__(self, options: OptionsT, folder: Path, file: str) -> None:
        self.options = options
        self.path = folder / file
        self.warnings: list[str] = []
        self._boxes: npt.NDArray[np.float32] = np.empty((0, 5), np.float32)

    @abstractmethod
    def read(self, info: VideoInfo) -> npt.NDArray[np.floating]:
        """Return the boxes of a video, shape (n_frames, 5), in pixels of its whole upright picture.

        Raises
        ------
        InputError
            When they cannot be read, or belong to another video.
        """

    def fit(self, info: VideoInfo, samples: Sequence[Planes], region: Region | None) -> None:
        """Read the boxes; see :mod:`workflow_scripts.detectors`."""
        self.warnings = []
        with reading(self.path, "boxes of the video"):
            boxes = self.read(info).astype(np.float32)
        if region is not None:
            boxes[:, :4] -= np.array([region.x, region.y] * 2, np.float32)
        self._boxes = boxes

    def detect(self, frames: Sequence[Planes], numbers: Sequence[int]) -> npt.NDArray[np.float32]:
        """Look up; see :mod:`workflow_scripts.detectors`."""
        return self._boxes[list(numbers)]
