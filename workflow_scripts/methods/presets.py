"""What a new experiment proposes: a method's module `preset` says whether it suits a dataset, and with which options.

``preset(card, size) -> Preset | None``: `size` is ``quick`` (minutes on a laptop, to see that all fits) or ``full``.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator

from workflow_scripts import methods
from workflow_scripts.cards.card import Card
from workflow_scripts.methods import Preset, Size


def presets(card: Card, size: Size) -> Iterator[tuple[str, Preset]]:
    """Yield the methods that suit a dataset, those without a network first."""
    for name in sorted(methods.names(), key=lambda name: (methods.config_model(name).neural, name)):
        module = f"{methods.__name__}.{name}.preset"
        if importlib.util.find_spec(module) is None or methods.config_model(name).kind != card.kind:
            continue
        found: Preset | None = importlib.import_module(module).preset(card, size)
        if found is not None:
            yield name, found
