"""Join a dataset's cropped videos with their annotations, choose the clips to train on, and tabulate it all."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.cards.resolved import read_card
from workflow_scripts.convert.clip_tables import clip_tables
from workflow_scripts.convert.clips import index_clips
from workflow_scripts.core.names import slugify
from workflow_scripts.core.tables import write_csv
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    card = read_card(options.card)
    shards = [options.shards / f"{slugify(shard.id)}.h5" for shard in card.shards]
    index_clips(card, shards, card.folder_of_files(options.resources), options.output)
    quality, labels = clip_tables(options.output)
    for path, table in ((options.quality, quality), (options.labels, labels)):
        write_csv(path, table, float_format="%.6g")


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--card", type=Path, required=True, help="the dataset's card")
    arguments.add_argument("--resources", type=Path, required=True, help="folder of the dataset's downloads")
    arguments.add_argument("--shards", type=Path, required=True, help="folder of the cropped videos' boxes")
    arguments.add_argument("--quality", type=Path, required=True)
    arguments.add_argument("--labels", type=Path, required=True)
    arguments.add_argument("--output", type=Path, required=True)
    start(arguments, work)
