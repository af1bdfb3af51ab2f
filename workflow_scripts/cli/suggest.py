"""`ethomake suggest RUN`: what to label next, and what the last round gained."""

from __future__ import annotations

import argparse
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="folder of a run, or one that predict wrote")
    parser.add_argument("--count", type=int, default=20, help="stretches of each task, at most (default: 20)")
    parser.add_argument("--task", help="suggest for this task alone")
    parser.add_argument("--labelled", action="store_true", help="suggest labelled stretches, too, to be checked again")
    parser.add_argument("--media", default="", help="name of the video in BORIS files, e.g. '{recording}.mp4'")
    parser.add_argument("--data", type=Path, help="tracks.h5 or clips/index.h5 (default: the run's dataset)")
    parser.add_argument("--predictions", type=Path, help="file of predictions (default: the run's own)")
    parser.add_argument(
        "--output", type=Path, default=Path("suggestions"), help="folder; one of an earlier round says what it gained"
    )


def run(options: argparse.Namespace) -> None:
    """Write the suggestions and print them."""
    from workflow_scripts.behaviour.run_files import data_of, prediction_files
    from workflow_scripts.behaviour.suggestions import gained, scores_of, suggest, write_round

    data = data_of(options.run_folder, options.data)
    scores = scores_of(options.run_folder.resolve())
    for line in gained(options.output, data, scores):
        print(line)
    paths = prediction_files(options.run_folder, options.predictions)
    table = suggest(paths, data, options.count, task=options.task, labelled=options.labelled)
    made = write_round(options.output, table, data, scores, media=options.media)
    shown = table[["recording", "start_s", "end_s", "class", "second", "sureness"]]
    print(shown.to_string(index=False, float_format=lambda value: f"{value:.2f}"))
    for path in made:
        print(path)
