"""What an image model was made for (`ImageSpec`) and the images it may see (`ImageView`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.formats.images import TASK, ImageSet, open_images
from workflow_scripts.formats.splits import Split


@dataclass(frozen=True)
class ImageSpec:
    """The images a model is built for; stored with its weights, checked before it is used on others.

    Attributes
    ----------
    height, width : int
        Pixels.
    points : tuple of str
        Names of the points, in the order of the model's outputs.
    body : float or None
        Length of the animal (median distance of its first and last point) as share of the image's width, by which new
        videos are cropped to the same scale; None where it is not known.
    """

    height: int
    width: int
    points: tuple[str, ...]
    body: float | None = None

    @classmethod
    def of(cls, images: ImageSet) -> ImageSpec:
        """Describe a set of images."""
        return cls(images.images.shape[1], images.images.shape[2], images.names)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for YAML or JSON."""
        return {**asdict(self), "points": list(self.points)}

    @property
    def vocabularies(self) -> dict[str, tuple[str, ...]]:
        """Names of the points, as the classes of the task `points`."""
        return {TASK: self.points}

    def describe(self) -> str:
        """Say in a few words what goes in."""
        return f"grey images of {self.width} × {self.height} px with the points {', '.join(self.points)}"

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> ImageSpec:
        """Undo :meth:`to_dict`."""
        return cls(int(value["height"]), int(value["width"]), tuple(value["points"]), value.get("body"))

    def check(self, images: ImageSet) -> None:
        """Refuse images of another size or with other points.

        Raises
        ------
        EthoMakeError
            Names both sides.
        """
        other = ImageSpec.of(images)
        for name in ("height", "width", "points"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                raise EthoMakeError(
                    f"The images have {name} {theirs}, but the model was made for {mine}; "
                    "use images of the same kind or train on these."
                )


class ImageView:
    """The images of one dataset as one split shows them.

    Parameters
    ----------
    path : str or Path
        `images.h5`.
    split : Split
        Recordings are source frames, so copies of one frame always stay together.
    augmented : str or Path, optional
        File of the augmented set of the same frames.
    """

    def __init__(self, path: str | Path, split: Split, augmented: str | Path | None = None) -> None:
        self.path = Path(path)
        self.split = split
        self.augmented = None if augmented is None else Path(augmented)

    def _read(self, recordings: list[str]) -> ImageSet:
        with open_images(self.path) as reader:
            return reader.read().take(reader.rows_of(recordings))

    def train(self) -> ImageSet:
        """Return the training images: all a method may fit on."""
        return self._read(self.split.train)

    def validation(self) -> ImageSet:
        """Return the validation images, for early stopping; may be empty."""
        return self._read(self.split.validation)

    def _copies(self, recordings: list[str]) -> ImageSet:
        if self.augmented is None:
            raise ValueError("the view has no augmented set")
        with open_images(self.augmented) as reader:
            rows = reader.rows_of(recordings)
            # Copies of a frame are adjacent, so one slice is the least that has to be read.
            first = int(rows[0]) if len(rows) else 0
            return reader.read(first, int(rows[-1]) + 1 if len(rows) else 0).take(rows - first)

    def train_copies(self) -> ImageSet | None:
        """Return the augmented copies of the training images, where there is a file of them."""
        return None if self.augmented is None else self._copies(self.split.train)

    def test_copies(self) -> ImageSet:
        """Return the augmented copies of the held-out images; the view must have the file."""
        return self._copies(self.split.test)

    def _iterate(self, recordings: list[str]) -> Iterator[ImageSet]:
        images = self._read(recordings)
        order = np.argsort(images.source_frame, kind="stable")
        edges = np.flatnonzero(np.diff(images.source_frame[order])) + 1
        for rows in np.split(order, edges) if len(images) else []:
            yield images.take(rows)

    def test(self) -> Iterator[ImageSet]:
        """Yield the held-out images, one source frame after the other."""
        return self._iterate(self.split.test)

    def everything(self) -> Iterator[ImageSet]:
        """Yield every image of the split, one source frame after the other."""
        return self._iterate([*self.split.train, *self.split.validation, *self.split.test])

    def spec(self) -> ImageSpec:
        """Describe the images."""
        with open_images(self.path) as reader:
            spec = ImageSpec.of(reader.read(0, 1))
        points = self.train().points
        length = np.hypot(*(points[:, -1] - points[:, 0]).T) / spec.width
        return replace(spec, body=float(np.nanmedian(length)) if np.isfinite(length).any() else None)
