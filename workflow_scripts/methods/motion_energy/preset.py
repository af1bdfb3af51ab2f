"""What a new experiment proposes for `motion_energy`."""

from __future__ import annotations

from workflow_scripts.cards.card import Card
from workflow_scripts.methods import Preset, Size


def preset(card: Card, size: Size) -> Preset | None:
    """Propose it always."""
    return Preset("the mere amount of motion: what an action classifier must beat")
