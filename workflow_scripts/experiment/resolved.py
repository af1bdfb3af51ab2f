"""The resolved experiment and its cards as files, which jobs read in place of the user's YAML files.

They are written while the graph is built, so that a job runs with what was planned, whatever is edited meanwhile, and
no list of files has to fit on a command line.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from workflow_scripts.cards.card import Card
from workflow_scripts.cards.parts import Published
from workflow_scripts.core.files import read_json, write_text
from workflow_scripts.core.validation import validate
from workflow_scripts.experiment.experiment import Experiment
from workflow_scripts.experiment.schema import Configuration


def _write(path: Path, text: str) -> None:
    """Write `text` unless the file already holds it."""
    try:
        if path.read_text(encoding="utf-8") == text:
            return
    except (OSError, UnicodeDecodeError):
        pass
    write_text(path, text)


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False) + "\n"


def _plain(experiment: Experiment) -> dict[str, Any]:
    return {
        "config": experiment.results_config(),
        "cards": {
            name: card.model_dump(mode="json", exclude_defaults=True, exclude={"local", "mirror"})
            | ({"local": "."} if card.local else {})
            for name, card in experiment.cards.items()
        },
        "published": {
            name: [number.model_dump(mode="json") for number in numbers]
            for name, numbers in experiment.published.items()
        },
    }


SHOWN = ("title", "description", "licence", "terms", "citation", "fps_note")
"""Fields of a card that pages show and no table depends on."""


def resolved_digest(experiment: Experiment, *, shown: bool = True) -> str:
    """Digest of an experiment and its cards in 16 hexadecimal digits, without what changes no result.

    Parameters
    ----------
    experiment : Experiment
    shown : bool
        Whether descriptions, licences and the list of figures count: they change pages, no table.
    """
    value = _plain(experiment)
    if not shown:
        value["config"] = {key: item for key, item in value["config"].items() if key not in {"description", "figures"}}
        value["cards"] = {
            name: {key: item for key, item in card.items() if key not in SHOWN} for name, card in value["cards"].items()
        }
    return hashlib.sha256(_text(value).encode()).hexdigest()[:16]


def write_resolved(folder: Path, experiment: Experiment) -> None:
    """Write `experiments/<name>.json` and `cards/<dataset>.json` below `folder`, where they are not up to date."""
    _write(folder / "experiments" / f"{experiment.name}.json", _text(_plain(experiment)))
    for name, card in experiment.cards.items():
        _write(folder / "cards" / f"{name}.json", card.model_dump_json(exclude_defaults=True) + "\n")


def read_resolved(path: Path) -> Experiment:
    """Read an experiment that :func:`write_resolved` wrote."""
    value = read_json(path)
    config = validate(Configuration, value["config"], where=str(path))
    cards = {name: validate(Card, card, where=str(path)) for name, card in value["cards"].items()}
    published = {
        name: [validate(Published, number, where=str(path)) for number in numbers]
        for name, numbers in value["published"].items()
    }
    return Experiment(config, cards, published)
