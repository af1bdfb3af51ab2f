"""Look for leaks across every split of a dataset; one leak fails the workflow."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.cards.resolved import read_card
from workflow_scripts.convert.leaks import audit, raise_on_leaks
from workflow_scripts.convert.splits import make_splits
from workflow_scripts.core.tables import write_csv
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    leaks = audit(options.data, make_splits(options.data, read_card(options.card)))
    raise_on_leaks(leaks)
    write_csv(options.output, leaks)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--data", type=Path, required=True, help="file of the converted dataset")
    arguments.add_argument("--card", type=Path, required=True)
    arguments.add_argument("--output", type=Path, required=True)
    start(arguments, work)
