"""Make one file of a twin, in the dataset's own official format."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.cards.resolved import read_card
from workflow_scripts.simulate import make_file
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    card = read_card(options.card).conversion_inputs("file", options.path)
    if card.simulate is None:
        raise ValueError(f"{card.name} is no twin")
    make_file(card.simulate.generator, options.path, options.output, card.simulate.options, card)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--card", type=Path, required=True, help="the dataset's card")
    arguments.add_argument("--path", required=True, help="the file's path on the card")
    arguments.add_argument("--output", type=Path, required=True)
    start(arguments, work)
