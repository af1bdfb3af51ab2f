"""`ethomake summary EXPERIMENT`: five lines about a finished experiment."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.report.assemble import five_line_summary


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("experiment", help="name of the experiment")


def run(options: argparse.Namespace) -> None:
    """Print five lines about a finished experiment."""
    print(five_line_summary(Path("results") / options.experiment))
