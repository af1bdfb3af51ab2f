"""Convert a dataset of images to one canonical file, and tabulate what it holds."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from workflow_scripts.cards.resolved import read_card
from workflow_scripts.convert.images import convert_images
from workflow_scripts.convert.quality import image_tables
from workflow_scripts.core.tables import write_csv
from workflow_scripts.stages import parser, quarantine, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    card = read_card(options.card)
    convert_images(
        card,
        card.folder_of_files(options.resources),
        options.output,
        on_unusable=partial(quarantine, output=options.output),
    )
    quality, labels = image_tables(options.output)
    for path, table in ((options.quality, quality), (options.labels, labels)):
        write_csv(path, table, float_format="%.6g")


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--card", type=Path, required=True, help="the dataset's card")
    arguments.add_argument("--resources", type=Path, required=True, help="folder of the dataset's downloads")
    arguments.add_argument("--quality", type=Path, required=True)
    arguments.add_argument("--labels", type=Path, required=True)
    arguments.add_argument("--output", type=Path, required=True)
    start(arguments, work)
