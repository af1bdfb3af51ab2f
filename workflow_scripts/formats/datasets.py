"""Open a converted dataset of any kind."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from workflow_scripts.core.errors import InputError
from workflow_scripts.formats.clips import open_clips
from workflow_scripts.formats.hdf5 import file_kind
from workflow_scripts.formats.images import open_images
from workflow_scripts.formats.tracks import open_tracks


class DatasetReader(Protocol):
    """What splits need of a dataset of any kind."""

    @property
    def ids(self) -> list[str]:
        """Recording ids, sorted."""

    @property
    def quarantined(self) -> dict[str, str]:
        """Shards that could not be converted, and why."""

    def group(self, recording: str) -> str:
        """Return the group that no split may cut."""


READERS: dict[str, Callable[[str | Path], AbstractContextManager[Any]]] = {
    "tracks": open_tracks,
    "images": open_images,
    "clips": open_clips,
}
"""How the file of each kind (:data:`workflow_scripts.cards.kinds.FILES`) is opened."""


def open_dataset(path: str | Path) -> AbstractContextManager[Any]:
    """Open the file of a dataset of any kind for reading.

    Raises
    ------
    InputError
        When the file is absent, is no HDF5, or holds no dataset.
    """
    kind = file_kind(path)
    if kind not in READERS:
        raise InputError(path, f"holds {kind}, which is no dataset", "check the path")
    return READERS[kind](path)
