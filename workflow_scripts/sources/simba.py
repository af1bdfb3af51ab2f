"""SimBA's `targets_inserted` csv: 0 and 1 a frame, among hundreds of columns of features; name the behaviours."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from workflow_scripts.sources.shared import frame_table
from workflow_scripts.sources.shared.found import Found, file_head
from workflow_scripts.sources.shared.frame_table import binary_columns, read_labels, sniffed, table

__all__ = ["Options", "read_labels", "sniff"]


class Options(frame_table.Options):
    """Options of the source `simba`."""

    behaviours: list[str] = Field(min_length=1, description="Columns of the classifiers' targets.")


def sniff(path: Path) -> Found | None:
    """Tell a table of body points and features that ends in columns of 0 and 1."""
    head = file_head(path).rows(1)
    if not head or head[0][0] != "" or sum(cell.endswith(("_x", "_y", "_p")) for cell in head[0]) < 3:
        return None
    rows = table(path)
    header, binary = rows[0][1], binary_columns(rows)
    named: list[str] = []
    for name in reversed(header):  # the targets are the last columns
        if name not in binary:
            break
        named.insert(0, name)
    named = [name for name in named if not name.lower().startswith("probability")]
    if not named:
        return None
    found = sniffed(path, "simba", rows, named)
    found.options = {"behaviours": named}
    found.guessed.append(f"{path.name}: the behaviours are the last columns of 0 and 1: {', '.join(named)}.")
    return found
