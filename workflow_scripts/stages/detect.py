"""Find the animal in one video and crop the video around it, in one decoding pass."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.cards.resolved import read_card
from workflow_scripts.convert.clips import shard_options
from workflow_scripts.convert.crop_video import preprocess
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.files import atomic_path
from workflow_scripts.formats.clips import write_clips
from workflow_scripts.stages import parser, quarantine, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    card = read_card(options.card)
    shard = card.conversion_inputs("video", options.shard).shards[0]
    folder = card.folder_of_files(options.resources)
    path = folder / shard.file
    try:
        made = preprocess(
            path,
            shard_options(card, shard),
            options.video,
            recording=shard.id,
            group=shard.group,
            folder=folder,
        )
    except InputError as error:
        quarantine(shard.id, error, options.output)
        with atomic_path(options.video) as part:
            part.touch()  # Snakemake expects a file; nothing reads it
        write_clips(options.output, [], quarantined={shard.id: str(error)})
    else:
        write_clips(options.output, [made])


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--card", type=Path, required=True, help="the dataset's card")
    arguments.add_argument("--shard", required=True, help="slug of the shard's id")
    arguments.add_argument("--resources", type=Path, required=True, help="folder of the dataset's downloads")
    arguments.add_argument("--video", type=Path, required=True, help="crop video to make")
    arguments.add_argument("--output", type=Path, required=True, help="boxes to make")
    start(arguments, work)
