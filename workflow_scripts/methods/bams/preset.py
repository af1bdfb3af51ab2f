"""What a new experiment proposes for `bams`."""

from __future__ import annotations

from workflow_scripts.cards.card import Card
from workflow_scripts.methods import Preset, Size


def preset(card: Card, size: Size) -> Preset | None:
    """Propose it in full experiments."""
    if size == "quick":
        return None
    social = "social: true # see the other animals\n" if len(card.individuals) > 1 else ""
    options = f"""\
{social}batch_size: 16
crop: 300 # frames of a training clip; shorter recordings are padded
lr: 0.003
milestone: 9 # epoch after which the rate falls
evaluate_every: 12
training: {{max_epochs: 12, monitor: null}}
"""
    return Preset("self-supervised: predicts what animals do next; needs no labels (docs/bams.md)", options)
