"""The view of a dataset of any kind, and what its models were made for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from workflow_scripts.formats.hdf5 import file_kind
from workflow_scripts.formats.splits import Split
from workflow_scripts.views.clips import ClipSpec, ClipView
from workflow_scripts.views.images import ImageSpec, ImageView
from workflow_scripts.views.tracks import DataSpec, TrackView


class Spec(Protocol):
    """The data a model is built for, of any kind."""

    @property
    def vocabularies(self) -> dict[str, tuple[str, ...]]:
        """Class (or point) names of each task."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for YAML or JSON."""

    def check(self, recording: Any) -> None:
        """Refuse a recording of another kind than the model was made for."""

    def describe(self) -> str:
        """Say in a few words what goes in, for the model's card."""


class View(Protocol):
    """The recordings of one dataset as one split shows them, of any kind.

    What it yields has an `id`, `n_frames` and `labels` by task.
    """

    path: Path
    split: Split

    def spec(self) -> Spec:
        """Describe the data."""

    def test(self) -> Iterator[Any]:
        """Yield the held-out recordings."""

    def everything(self) -> Iterator[Any]:
        """Yield every recording of the split."""


VIEWS: dict[str, Any] = {"tracks": TrackView, "images": ImageView, "clips": ClipView}
SPECS: dict[str, Any] = {"tracks": DataSpec, "images": ImageSpec, "clips": ClipSpec}
"""Class by kind of data (:data:`workflow_scripts.cards.kinds.FILES`)."""


def open_view(path: str | Path, split: Split, **more: Any) -> Any:
    """Return the view of a dataset's file, whatever kind it is of.

    Parameters
    ----------
    path : str or Path
    split : Split
    **more
        What views of that kind take besides.
    """
    return VIEWS[file_kind(path)](path, split, **more)
