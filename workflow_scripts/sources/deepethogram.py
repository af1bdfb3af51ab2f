"""DeepEthogram's `<video>_labels.csv`: one-hot, the first class `background`, -1 where nobody labelled."""

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


def sniff(path: Path) -> Found | None:
    """Tell a one-hot table with a column `background`."""
    head = file_head(path).rows(1)
    if not head or "background" not in head[0]:
        return None
    rows = table(path)
    named = binary_columns(rows)
    if len(named) != len(rows[0][1]) - index_columns(rows[0][1]):
        return None
    return sniffed(path, "deepethogram", rows, named)
