"""`ethomake export-bouts`: predictions as bouts for other programs."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.behaviour.exchange import PREDICTION_FORMS, predictions_of, write_files, write_table
from workflow_scripts.behaviour.exports import export_bouts


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("predictions", type=Path, help="predictions.h5 or probe_predictions.h5 of a run")
    parser.add_argument(
        "--data", "--tracks", dest="data", type=Path, required=True, help="tracks.h5 or clips/index.h5 of its dataset"
    )
    parser.add_argument(
        "--format",
        choices=["csv", "boris", "elan", "nwb", "supervisely", "simba", "table"],
        default="csv",
        help="format of the files; table = one csv of all recordings: recording, animal, class, start, end, duration …",
    )
    parser.add_argument("--confidence", type=float, default=0.0, help="leave out bouts of a lower mean probability")
    parser.add_argument("--videos", type=Path, help="folder of the videos, which a Supervisely project then contains")
    parser.add_argument(
        "--media",
        default="",
        help="name of the video in BORIS files, e.g. '{recording}.mp4' (default: the source video)",
    )
    parser.add_argument("--task", action="append", help="task to write, repeatable (default: all by frame)")
    parser.add_argument("--output", type=Path, default=Path("bouts"), help="folder of the files (default: bouts)")


def run(options: argparse.Namespace) -> None:
    """Write a run's predictions as bouts for other programs."""
    path = options.predictions
    if options.format in PREDICTION_FORMS:
        codings = predictions_of(path, options.data, options.task, options.media)
        if options.format == "table":
            print(write_table(options.output / "bouts.csv", codings))
            return
        method = path.parent.as_posix()
        for made in write_files(options.output, codings, options.format, data=options.data, method=method):
            print(made)
        return
    found = export_bouts(
        path,
        options.data,
        options.output,
        form=options.format,
        tasks=options.task,
        method=path.parent.as_posix(),
        confidence=options.confidence,
        videos=options.videos,
    )
    for written in found:
        print(written)
