"""What a new experiment proposes for `pca`."""

from __future__ import annotations

from workflow_scripts.cards.card import Card
from workflow_scripts.methods import Preset, Size


def preset(card: Card, size: Size) -> Preset | None:
    """Propose it always."""
    return Preset("principal components of a window of coordinates")
