"""Twins: deterministic simulated copies of datasets, in the datasets' own file formats, made offline.

A generator is a module here with `Options` (its options) and `make(path, target, options, card)`. The bytes of a file
depend on the card's name, the file's shard and the options alone: neither on the order in which files are made nor on
what else is made.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from workflow_scripts.cards.card import Card
from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.validation import nearest, validate

GENERATORS = (
    *(
        "calms21",
        "fly_daart",
        "mabe22_fly",
        "mabe22_mouse",
        "mouse_action",
        "quadrupeds",
        "rat_direction",
        "rats_pairs",
    ),
)
"""Modules here, one per dataset; imported when used."""


def make_file(generator: str, path_in_dataset: str, target: Path, options: dict[str, Any], card: Card) -> None:
    """Make one file of a twin.

    Parameters
    ----------
    generator : str
        Name of a module here (the card's `simulate.generator`).
    path_in_dataset : str
        Entry of the card's `files`.
    target : Path
        Where to write it, whole or not at all.
    options : dict
        Options of the generator (the card's `simulate.options`).
    card : Card
        The twin's card.

    Raises
    ------
    ConfigError
        When there is no such generator, option or file.
    """
    if generator not in GENERATORS:
        near = nearest(generator, list(GENERATORS)).removesuffix("?")
        raise ConfigError(f"config/datasets/{card.name}.yaml: there is no generator {generator!r}{near}.")
    card.file(path_in_dataset)
    module = importlib.import_module(f"{__name__}.{generator}")
    parsed = validate(module.Options, options, where=f"config/datasets/{card.name}.yaml, simulate.options")
    module.make(path_in_dataset, Path(target), parsed, card)
