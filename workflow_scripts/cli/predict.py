"""`ethomake predict RUN FILES…`: a trained run on new files."""

from __future__ import annotations

import argparse
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="results/<experiment>/runs/…/seed<k>")
    parser.add_argument(
        "files", metavar="FILE", type=Path, nargs="+", help="videos, stacks of images (npz, npy), or folders of them"
    )
    parser.add_argument("--output", type=Path, default=Path("predictions"), help="gets a folder for each file")
    parser.add_argument("--no-overlay", action="store_true", help="write no film with the predictions drawn in")
    parser.add_argument("--confidence", type=float, default=0.0, help="leave out bouts of a lower mean probability")
    parser.add_argument("--detector", help="find the animal by this detector, not as in the videos of the training")
    parser.add_argument("--animals", type=int, help="animals in each video, every one followed by itself")
    parser.add_argument(
        "--region", type=int, nargs=4, metavar=("X", "Y", "WIDTH", "HEIGHT"), help="part of the picture, in pixels"
    )


def run(options: argparse.Namespace) -> None:
    """Predict files with a trained run, and print what was written."""
    from workflow_scripts.methods.predict_files import predict_files  # here, since it imports torch

    video = {"detector": options.detector, "region": options.region, "animals": options.animals}
    written = predict_files(
        options.run_folder,
        options.files,
        options.output,
        overlay=not options.no_overlay,
        confidence=options.confidence,
        video={name: value for name, value in video.items() if value is not None},
    )
    for path in written:
        print(path)
