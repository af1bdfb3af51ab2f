"""What a new experiment proposes for `random_init`."""

from __future__ import annotations

from workflow_scripts.cards.card import Card
from workflow_scripts.methods import Preset, Size


def preset(card: Card, size: Size) -> Preset | None:
    """Propose it in full experiments."""
    return (
        Preset("a network that learnt nothing: what training adds is measured against it") if size == "full" else None
    )
