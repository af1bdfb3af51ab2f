"""Write a dataset's card as a page to read."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.cards.page import markdown_card
from workflow_scripts.cards.resolved import read_card
from workflow_scripts.core.files import write_text
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    write_text(options.output, markdown_card(read_card(options.card)))


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--card", type=Path, required=True)
    arguments.add_argument("--output", type=Path, required=True)
    start(arguments, work)
