"""`ethomake init FOLDER`: a workspace."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.workflow.workspace import init


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("folder", type=Path, help="folder to make, or an existing one without a Snakefile and config/")


def run(options: argparse.Namespace) -> None:
    """Make a workspace and say what to do in it."""
    for path in init(options.folder):
        print(f"Written: {path}")
    print(f"Next: cd {options.folder} && ethomake new-dataset RECORDINGS (README.md there lists the commands)")
