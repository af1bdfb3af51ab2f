"""SimBA's `targets_inserted` csv: 0 and 1 a frame, among hundreds of columns of features; name the behaviours."""

from __future__ import annotations

from pydantic import Field

from workflow_scripts.sources.shared import frame_table
from workflow_scripts.sources.shared.frame_table import read_labels

__all__ = ["Options", "read_labels"]


class Options(frame_table.Options):
    """Options of the source `simba`."""

    behaviours: list[str] = Field(min_length=1, description="Columns of the classifiers' targets.")
