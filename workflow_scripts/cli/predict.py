"""`ethomake predict RUN FILES…`: a trained run on new files."""

from __future__ import annotations

import argparse
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="results/<experiment>/runs/…/seed<k>")
    parser.add_argument("files", metavar="FILE", type=Path, nargs="+", help="videos, or stacks of images (npz, npy)")
    parser.add_argument("--output", type=Path, default=Path("predictions"), help="gets a folder for each file")
    parser.add_argument("--no-overlay", action="store_true", help="write no film with the predictions drawn in")


def run(options: argparse.Namespace) -> None:
    """Predict files with a trained run, and print what was written."""
    from workflow_scripts.methods.predict_files import predict_files  # here, since it imports torch

    for path in predict_files(options.run_folder, options.files, options.output, overlay=not options.no_overlay):
        print(path)
