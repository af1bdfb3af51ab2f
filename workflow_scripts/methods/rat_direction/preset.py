"""What a new experiment proposes for `rat_direction`."""

from __future__ import annotations

from workflow_scripts.cards.card import Card
from workflow_scripts.methods import Preset, Size


def preset(card: Card, size: Size) -> Preset | None:
    """Propose it for images of three points."""
    if len(card.keypoints) != 3:
        return None
    more = "tta: true # mean over the eight turns and flips of an image\n" if size == "full" else "draws: 6\n"
    options = f"{more}training: {{max_epochs: {5 if size == 'quick' else 60}}}\n"
    return Preset("three points and two directions (docs/rat_direction.md)", options)
