"""Index a dataset's converted shards as one `tracks.h5`, and tabulate their quality."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.cards.resolved import read_card
from workflow_scripts.convert.quality import quality_tables
from workflow_scripts.convert.reading import reading_of
from workflow_scripts.core.names import slugify
from workflow_scripts.core.tables import write_csv
from workflow_scripts.formats.track_index import index_tracks
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    card = read_card(options.card)
    paths = [options.recordings / f"{slugify(shard.id)}.h5" for shard in card.shards]
    index_tracks(options.output, paths, reading_of(card))
    quality, labels = quality_tables(options.output)
    for path, table in ((options.quality, quality), (options.labels, labels)):
        write_csv(path, table, float_format="%.6g")


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--card", type=Path, required=True)
    arguments.add_argument("--recordings", type=Path, required=True, help="folder of the shards")
    arguments.add_argument("--quality", type=Path, required=True)
    arguments.add_argument("--labels", type=Path, required=True)
    arguments.add_argument("--output", type=Path, required=True)
    start(arguments, work)
