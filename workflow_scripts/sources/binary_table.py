"""Tables of 0 and 1, a column a behaviour; rows are frames or follow a column `time` (BORIS's binary export)."""

from __future__ import annotations

from pathlib import Path

from workflow_scripts.sources.shared.found import Found, file_head
from workflow_scripts.sources.shared.frame_table import (
    Options,
    binary_columns,
    index_columns,
    read_labels,
    sniffed,
    table,
)

__all__ = ["Options", "read_labels", "sniff"]


def in_seconds(options: Options) -> bool:
    """Say whether the labels follow a clock and not a count of frames."""
    return options.step_s is not None


def sniff(path: Path) -> Found | None:
    """Tell a table whose columns, but for a first one of frames or times, hold 0 and 1 alone."""
    head = file_head(path).rows(3)
    if len(head) < 2 or len(head[0]) < 1 + index_columns(head[0]) or head[0][0] == "scorer":
        return None
    first = head[1][index_columns(head[0]) :]
    if not first or not all(cell in {"0", "1", "-1", "0.0", "1.0"} for cell in first):
        return None
    if any(_is_number(cell) for cell in head[0] if cell):
        return None
    rows = table(path)
    named = binary_columns(rows)
    if len(named) != len(rows[0][1]) - index_columns(rows[0][1]) or "background" in {name.lower() for name in named}:
        return None
    return sniffed(path, "binary_table", rows, named)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
