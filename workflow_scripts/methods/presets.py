"""What a new experiment proposes: a method's module `preset` says whether it suits a dataset, and with which options.

``preset(card, size) -> Preset | None``: `size` is ``quick`` (minutes on a laptop, to see that all fits) or ``full``.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from workflow_scripts import methods
from workflow_scripts.cards.card import Card

Size = Literal["quick", "full"]


@dataclass(frozen=True)
class Preset:
    """A method's entry in an experiment.

    `options` is YAML (comments are kept), `why` one line about the method, `sweep` options with several values.
    """

    why: str
    options: str = "{}"
    sweep: str = ""


def presets(card: Card, size: Size) -> Iterator[tuple[str, Preset]]:
    """Yield the methods that suit a dataset, those without a network first."""
    for name in sorted(methods.names(), key=lambda name: (methods.config_model(name).neural, name)):
        module = f"{methods.__name__}.{name}.preset"
        if importlib.util.find_spec(module) is None or methods.config_model(name).kind != card.kind:
            continue
        found: Preset | None = importlib.import_module(module).preset(card, size)
        if found is not None:
            yield name, found


def frame_tasks(card: Card, *kinds: str) -> list[str]:
    """Tasks that are labelled frame by frame, of the kinds given."""
    return [name for name, task in card.tasks.items() if task.level == "frame" and task.kind in kinds]
