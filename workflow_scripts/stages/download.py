"""Fetch one file of a dataset: from a mirror folder or its urls, verified, whole or not at all."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from workflow_scripts.cards.card import RemoteFile
from workflow_scripts.core.validation import validate
from workflow_scripts.fetch import fetch
from workflow_scripts.fetch.budget import Limits
from workflow_scripts.fetch.options import DownloadConfig
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    # By environment and not by argument: neither changes the file, so neither may make Snakemake fetch it again.
    network = validate(DownloadConfig, json.loads(os.environ.get("ETHOMAKE_DOWNLOAD", "{}")), where="download")
    mirrors = filter(None, os.environ.get("ETHOMAKE_MIRRORS", "").split(os.pathsep))
    fetch(
        validate(RemoteFile, json.loads(options.file), where=str(options.output)),
        options.output,
        folder=Path(options.local) if options.local else None,
        mirrors=[Path(mirror) for mirror in mirrors],
        mirror_name=options.mirror_name,
        attempts=network.attempts,
        timeout=(network.connect_timeout, network.read_timeout),
        allow_unverified=network.allow_unverified,
        limits=Limits(
            seconds=network.max_hours * 3600, slowest=network.slowest, most_bytes=network.max_gigabytes * 1e9
        ),
    )


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--file", required=True, help="the card's entry of the file, as JSON")
    arguments.add_argument("--local", default="", help="the card's own folder of files, if it has one")
    arguments.add_argument("--mirror-name", required=True, help="name of the dataset's folder in a mirror")
    arguments.add_argument("--output", type=Path, required=True)
    start(arguments, work)
