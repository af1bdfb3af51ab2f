"""What a new experiment proposes for `raw`."""

from __future__ import annotations

from workflow_scripts.cards.card import Card
from workflow_scripts.methods import Preset, Size


def preset(card: Card, size: Size) -> Preset | None:
    """Propose it always."""
    return Preset("coordinates of one frame: the floor that everything else must beat")
