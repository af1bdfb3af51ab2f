"""Convert a dataset of images to one canonical file, and tabulate what it holds."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from workflow_scripts.cards.card import Card
from workflow_scripts.convert.images import convert_images
from workflow_scripts.convert.quality import image_tables
from workflow_scripts.core.tables import write_csv
from workflow_scripts.core.validation import validate
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    card = validate(Card, json.loads(options.card), where="card")
    convert_images(card, options.resources, options.output, keep_going=options.keep_going)
    quality, labels = image_tables(options.output)
    for path, table in ((options.quality, quality), (options.labels, labels)):
        write_csv(path, table, float_format="%.6g")


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--card", required=True, help="the card as JSON")
    arguments.add_argument("--resources", type=Path, required=True, help="folder of the dataset's downloads")
    arguments.add_argument("--keep-going", action="store_true", help="quarantine an unusable file")
    arguments.add_argument("--quality", type=Path, required=True)
    arguments.add_argument("--labels", type=Path, required=True)
    arguments.add_argument("--output", type=Path, required=True)
    start(arguments, work)
