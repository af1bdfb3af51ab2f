"""`ethomake datasets`: the datasets that have a card."""

from __future__ import annotations

import argparse
import textwrap

from workflow_scripts.cards.card import Card, load_card
from workflow_scripts.cards.page import human_size, total_size
from workflow_scripts.cards.places import config_path
from workflow_scripts.cli.tables import dataset_names, print_table
from workflow_scripts.core.errors import ConfigError, EthoMakeError


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the command takes no arguments."""


def _row(card: Card) -> list[str]:
    if card.simulate:
        size, kind = "made here", f"{card.kind}, twin"
    else:
        size, kind = human_size(total_size(card)), card.kind
    licence = textwrap.shorten(card.licence, 40, placeholder=" …")
    tasks = textwrap.shorten(", ".join(card.tasks), 40, placeholder=" …") or "-"
    return [card.name, kind, str(len(card.shards)), tasks, size, licence]


def run(options: argparse.Namespace) -> None:
    """Print a table of the cards; a broken one is named after the table and fails the command."""
    rows = [["name", "kind", "shards", "tasks", "size", "licence"]]
    broken = []
    for name in dataset_names(options.places):
        try:
            rows.append(_row(load_card(config_path(options.places, "datasets", name))))
        except EthoMakeError as error:
            broken.append(str(error))
    print_table(rows)
    if broken:
        raise ConfigError("\n".join(broken))
