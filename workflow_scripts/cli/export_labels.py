"""`ethomake export-labels`: a dataset's labels for other programs."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.behaviour.codings import labels_of
from workflow_scripts.behaviour.exports import FORMS, export


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("data", type=Path, help="data/<dataset>/tracks.h5 or data/<dataset>/clips/index.h5")
    parser.add_argument(
        "--format",
        choices=FORMS,
        default="csv",
        help="csv = one table of all recordings; others a file a recording",
    )
    parser.add_argument("--task", action="append", help="task to write, repeatable (default: all by frame)")
    parser.add_argument(
        "--media", default="", help="name of the video in the files, e.g. '{recording}.mp4' (default: the source video)"
    )
    parser.add_argument("--videos", type=Path, help="folder of the videos, which a Supervisely project then contains")
    parser.add_argument("--output", type=Path, default=Path("labels"), help="folder of the files (default: labels)")


def run(options: argparse.Namespace) -> None:
    """Write a dataset's labels, and print what was written."""
    codings = labels_of(options.data, options.task, options.media)
    for path in export(
        codings, options.data, options.output, options.format, table="labels.csv", videos=options.videos
    ):
        print(path)
