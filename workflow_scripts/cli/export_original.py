"""`ethomake export-original RUN FOLDER`: a trained run in the file layout of the published program."""

from __future__ import annotations

import argparse
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="results/<experiment>/runs/…/seed<k>")
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="folder to write")
    parser.add_argument("--layout", help="version of the program whose layout is written (default: its oldest)")
    parser.add_argument("--run-id", help="name of the model there (default: of the last parts of the run's path)")
    parser.add_argument("--embedder", action="store_true", help="without the heads of a classifier")


def run(options: argparse.Namespace) -> None:
    """Write the run's model for the published program, where its method has one that reads it."""
    from workflow_scripts.methods.originals import export_run  # here, since it imports torch

    given = {"layout": options.layout, "run_id": options.run_id, "embedder": options.embedder}
    chosen = {name: value for name, value in given.items() if value}
    for path in export_run(options.run_folder, options.folder, **chosen):
        print(path)
