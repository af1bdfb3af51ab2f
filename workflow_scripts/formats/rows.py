"""What a recording of any kind keeps of its row in the sheet, as attributes."""

from __future__ import annotations

import json
from typing import Any, Protocol

import h5py


class SheetRow(Protocol):
    """What a recording of any kind keeps of its row in the sheet."""

    @property
    def animal(self) -> str:
        """Animal or cage."""

    @property
    def condition(self) -> str:
        """Treatment, genotype …."""

    @property
    def covariates(self) -> dict[str, str]:
        """Other columns."""

    @property
    def start(self) -> int:
        """Frame of the video at which the recording begins."""


def write_row(node: h5py.Group, recording: SheetRow) -> None:
    """Write what a recording keeps of its row in the sheet."""
    node.attrs["animal"] = recording.animal
    node.attrs["condition"] = recording.condition
    node.attrs["covariates"] = json.dumps(recording.covariates)
    node.attrs["start"] = recording.start


def read_row(node: h5py.Group) -> dict[str, Any]:
    """Read what :func:`write_row` wrote; files of before the sheet hold none of it."""
    return {
        "animal": str(node.attrs.get("animal", "")),
        "condition": str(node.attrs.get("condition", "")),
        "covariates": json.loads(str(node.attrs.get("covariates", "{}"))),
        "start": int(node.attrs.get("start", 0)),
    }
