"""`ethomake card NAME`: a dataset's card as Markdown."""

from __future__ import annotations

import argparse

from workflow_scripts.cards.page import markdown_card
from workflow_scripts.cli.tables import read_card


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("name", help="name of the dataset")


def run(options: argparse.Namespace) -> None:
    """Print a card as Markdown."""
    print(markdown_card(read_card(options.places, options.name)), end="")
