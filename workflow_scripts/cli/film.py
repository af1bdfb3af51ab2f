"""`ethomake film RUN RECORDING`: what a run says, to be watched."""

from __future__ import annotations

import argparse
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="folder of a run, or one that predict wrote")
    parser.add_argument("recording", metavar="RECORDING", nargs="*", help="recordings to film")
    parser.add_argument("--grids", action="store_true", help="also a grid of snippets for each class")
    parser.add_argument(
        "--motifs", type=int, nargs="?", const=0, metavar="NUMBER", help="also a grid for each motif of a scan"
    )
    parser.add_argument("--task", help="task to show (default: the first with a class a frame)")
    parser.add_argument("--video", type=Path, help="the video that was tracked, to draw on")
    parser.add_argument("--seconds", type=float, nargs=2, metavar=("FROM", "TO"), help="part to film")
    parser.add_argument("--width", type=int, default=640, help="of the picture in pixels, at most (default: 640)")
    parser.add_argument("--data", type=Path, help="tracks.h5 or clips/index.h5 (default: the run's dataset)")
    parser.add_argument("--predictions", type=Path, help="file of predictions (default: the run's own)")
    parser.add_argument("--output", type=Path, help="folder of the films (default: films/ in RUN)")


def run(options: argparse.Namespace) -> None:
    """Write the films and print their paths."""
    from workflow_scripts.behaviour.run_files import data_of
    from workflow_scripts.behaviour.shown import film_of, grids_of, motif_grids
    from workflow_scripts.core.errors import ConfigError

    if not (options.recording or options.grids or options.motifs is not None):
        raise ConfigError("Name a recording to film, or ask for --grids or --motifs.")
    data = data_of(options.run_folder, options.data)
    output = options.output or options.run_folder / "films"
    for recording in options.recording:
        print(
            film_of(
                options.run_folder,
                recording,
                data,
                output,
                task=options.task,
                predictions=options.predictions,
                video=options.video,
                seconds=tuple(options.seconds) if options.seconds else None,
                width=options.width,
            )
        )
    if options.grids:
        for path in grids_of(options.run_folder, data, output, task=options.task, predictions=options.predictions):
            print(path)
    if options.motifs is not None:
        for path in motif_grids(options.run_folder, data, output, options.motifs or None):
            print(path)
