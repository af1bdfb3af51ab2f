"""Convert one shard of a dataset to canonical tracks."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from workflow_scripts.cards.resolved import read_card
from workflow_scripts.convert.tracks import convert_shard
from workflow_scripts.core.errors import InputError
from workflow_scripts.formats.tracks import write_quarantine, write_tracks
from workflow_scripts.stages import parser, quarantine, start

log = logging.getLogger("ethomake")


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    card = read_card(options.card)
    shard = card.shard(options.shard)
    left_out: dict[str, str] = {}

    def leave_out(recording: str, error: InputError) -> None:
        log.warning("%s It is left out.", error)
        left_out[recording] = str(error)

    try:
        recordings = convert_shard(card, shard, card.folder_of_files(options.resources), on_empty=leave_out)
        write_tracks(options.output, recordings, left_out)
    except InputError as error:
        quarantine(shard.id, error, options.output)
        write_quarantine(options.output, shard.id, str(error))


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--card", type=Path, required=True, help="the dataset's card")
    arguments.add_argument("--shard", required=True, help="slug of the shard's id")
    arguments.add_argument("--resources", type=Path, required=True, help="folder of the dataset's downloads")
    arguments.add_argument("--output", type=Path, required=True)
    start(arguments, work)
