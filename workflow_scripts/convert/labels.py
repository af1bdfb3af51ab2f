"""What the card adds to labels that a source has read."""

from __future__ import annotations

import dataclasses

from workflow_scripts.cards.card import Task
from workflow_scripts.formats.tracks import Labels


def with_background(labels: dict[str, Labels], tasks: dict[str, Task]) -> dict[str, Labels]:
    """Return labels with the background that the card names for each task; of a binary task it is the first class."""
    return {
        name: dataclasses.replace(
            found, background=tasks[name].background or (found.background if found.kind == "binary" else None)
        )
        for name, found in labels.items()
    }
