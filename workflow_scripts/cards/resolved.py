"""A dataset's card as the file that jobs read in place of the user's YAML."""

from __future__ import annotations

from pathlib import Path

from workflow_scripts.cards.card import Card
from workflow_scripts.core.files import read_json
from workflow_scripts.core.validation import validate


def read_card(path: Path) -> Card:
    """Read a card that :func:`workflow_scripts.experiment.resolved.write_resolved` wrote."""
    return validate(Card, read_json(path), where=str(path))
