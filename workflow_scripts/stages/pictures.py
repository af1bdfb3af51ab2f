"""Extract small pictures of the data (poses, thumbnails) that the report shows beside its numbers."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.cards.kinds import FILES
from workflow_scripts.core.tables import write_csv
from workflow_scripts.evaluation.extracts.pictures import picture_table
from workflow_scripts.experiment.resolved import read_resolved
from workflow_scripts.formats.tables import read_small
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    cards = read_resolved(options.config).cards
    files = {name: options.data / name / FILES[card.kind] for name, card in cards.items()}
    write_csv(options.output, picture_table(files, read_small(options.ethograms), read_small(options.maps)))


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--config", type=Path, required=True, help="the resolved experiment")
    arguments.add_argument("--data", type=Path, required=True, help="folder of the converted datasets")
    arguments.add_argument("--ethograms", type=Path, required=True)
    arguments.add_argument("--maps", type=Path, required=True)
    arguments.add_argument("--output", type=Path, required=True)
    start(arguments, work)
