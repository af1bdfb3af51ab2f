"""Fetch one file of a dataset: from a mirror folder or its urls, verified, whole or not at all."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from workflow_scripts.cards.resolved import read_card
from workflow_scripts.core.validation import validate
from workflow_scripts.fetch import fetch
from workflow_scripts.fetch.budget import Limits
from workflow_scripts.fetch.options import DownloadConfig
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    # By environment and not by argument: neither changes the file, so neither may make Snakemake fetch it again.
    card = read_card(options.card)
    network = validate(DownloadConfig, json.loads(os.environ.get("ETHOMAKE_DOWNLOAD", "{}")), where="download")
    mirrors = filter(None, os.environ.get("ETHOMAKE_MIRRORS", "").split(os.pathsep))
    fetch(
        card.file(options.file),
        options.output,
        folder=Path(card.local).expanduser() if card.local else None,
        mirrors=[Path(mirror) for mirror in mirrors],
        mirror_name=card.mirror or card.name,
        attempts=network.attempts,
        timeout=(network.connect_timeout, network.read_timeout),
        allow_unverified=network.allow_unverified,
        limits=Limits(
            seconds=network.max_hours * 3600, slowest=network.slowest, most_bytes=network.max_gigabytes * 1e9
        ),
    )


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--card", type=Path, required=True, help="the dataset's card")
    arguments.add_argument("--file", required=True, help="the file's path on the card")
    arguments.add_argument("--output", type=Path, required=True)
    start(arguments, work)
