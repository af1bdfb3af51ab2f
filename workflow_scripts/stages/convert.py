"""Convert one shard of a dataset to canonical tracks."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from workflow_scripts.cards.card import Card
from workflow_scripts.convert.tracks import convert_shard
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.validation import validate
from workflow_scripts.formats.tracks import write_quarantine, write_tracks
from workflow_scripts.stages import log, parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    card = validate(Card, json.loads(options.card), where="card")
    (shard,) = card.shards
    try:
        write_tracks(options.output, convert_shard(card, shard, options.resources))
    except InputError as error:
        if not options.keep_going:
            raise
        log.warning("quarantined %s: %s", shard.id, error)
        write_quarantine(options.output, shard.id, str(error))


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--card", required=True, help="the card, cut down to this shard, as JSON")
    arguments.add_argument("--resources", type=Path, required=True, help="folder of the dataset's downloads")
    arguments.add_argument("--keep-going", action="store_true", help="quarantine an unusable recording")
    arguments.add_argument("--output", type=Path, required=True)
    start(arguments, work)
