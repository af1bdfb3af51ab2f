"""Make one split of a dataset, by group."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from workflow_scripts.cards import Card
from workflow_scripts.config import validate
from workflow_scripts.evaluation.splits import make_split
from workflow_scripts.formats.splits import write_split
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    card = validate(Card, json.loads(options.card), where="card")
    write_split(options.output, make_split(options.tracks, card, options.name))


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--tracks", type=Path, required=True)
    arguments.add_argument("--card", required=True, help="the card with its splits, as JSON")
    arguments.add_argument("--name", required=True)
    arguments.add_argument("--output", type=Path, required=True)
    start(arguments, work)
