"""`ethomake export-bouts`: predictions as bouts for other programs."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.behaviour.codings import predictions_of
from workflow_scripts.behaviour.exports import FORMS, export


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("predictions", type=Path, help="predictions.h5 or probe_predictions.h5 of a run")
    parser.add_argument(
        "--data", "--tracks", dest="data", type=Path, required=True, help="tracks.h5 or clips/index.h5 of its dataset"
    )
    parser.add_argument(
        "--format",
        choices=FORMS,
        default="csv",
        help="csv = one table of all recordings; supervisely = a project of all; others a file a recording",
    )
    parser.add_argument("--confidence", type=float, default=0.0, help="leave out bouts of a lower mean probability")
    parser.add_argument("--videos", type=Path, help="folder of the videos, which a Supervisely project then contains")
    parser.add_argument(
        "--media",
        default="",
        help="name of the video in the files, e.g. '{recording}.mp4' (default: the source video)",
    )
    parser.add_argument("--task", action="append", help="task to write, repeatable (default: all by frame)")
    parser.add_argument("--output", type=Path, default=Path("bouts"), help="folder of the files (default: bouts)")


def run(options: argparse.Namespace) -> None:
    """Write a run's predictions as bouts for other programs."""
    codings = predictions_of(
        options.predictions, options.data, options.task, options.media, confidence=options.confidence
    )
    method = options.predictions.parent.as_posix()
    for path in export(codings, options.data, options.output, options.format, method=method, videos=options.videos):
        print(path)
