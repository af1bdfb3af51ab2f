"""Make one split of a dataset, by group."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.cards.resolved import read_card
from workflow_scripts.convert.splits import make_split
from workflow_scripts.formats.splits import write_split
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    write_split(options.output, make_split(options.data, read_card(options.card), options.name))


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--data", type=Path, required=True, help="file of the converted dataset")
    arguments.add_argument("--card", type=Path, required=True)
    arguments.add_argument("--name", required=True)
    arguments.add_argument("--output", type=Path, required=True)
    start(arguments, work)
