"""Options of embeddings made elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from workflow_scripts.methods import Options


class Config(Options):
    """Arrays (time, dim) by recording: npy, csv or h5 (docs/external.md)."""

    label_free: ClassVar[bool] = True
    reads: ClassVar[tuple[str, ...]] = ("path",)

    path: str | None = Field(
        None,
        description="A folder of <recording>.npy, .csv or .h5, an HDF5 file of one dataset a recording, or a csv "
        "with a column `recording`.",
    )

    def files(self) -> list[str]:
        """Every file of the folder, so that an edited one counts: a folder's own time says nothing of its files."""
        folder = Path(self.path) if self.path else None
        if folder is None or not folder.is_dir():
            return super().files()
        return sorted(str(path) for path in folder.iterdir() if path.is_file()) or super().files()
