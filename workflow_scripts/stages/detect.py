"""Find the animal in one video and crop the video around it, in one decoding pass."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from workflow_scripts.cards.card import Card
from workflow_scripts.convert.clips import shard_options
from workflow_scripts.convert.crop_video import preprocess
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.files import atomic_path
from workflow_scripts.core.validation import validate
from workflow_scripts.formats.clips import write_clips
from workflow_scripts.stages import log, parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    card = validate(Card, json.loads(options.card), where="card")
    (shard,) = card.shards
    path = options.resources / shard.tracks
    try:
        made = preprocess(
            path,
            shard_options(card, shard),
            options.video,
            recording=shard.id,
            group=shard.group,
            folder=options.resources,
        )
    except InputError as error:
        if not options.keep_going:
            raise
        log.warning("quarantined %s: %s", shard.id, error)
        with atomic_path(options.video) as part:
            part.touch()  # Snakemake expects a file; nothing reads it
        write_clips(options.output, [], quarantined={shard.id: str(error)})
    else:
        write_clips(options.output, [made])


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--card", required=True, help="the card, cut down to this shard, as JSON")
    arguments.add_argument("--resources", type=Path, required=True, help="folder of the dataset's downloads")
    arguments.add_argument("--keep-going", action="store_true", help="quarantine an unusable video")
    arguments.add_argument("--video", type=Path, required=True, help="crop video to make")
    arguments.add_argument("--output", type=Path, required=True, help="boxes to make")
    start(arguments, work)
