"""`ethomake daart-job`: one job of Snakefile.daart."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.cli.daart import config_arguments
from workflow_scripts.methods.daart.project.grid import read_grid
from workflow_scripts.methods.daart.project.jobs import gather, run_point


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    config_arguments(parser)
    parser.add_argument("--output", type=Path, required=True, help="file to write")
    parser.add_argument("job", help="gather, or the digest of a point")


def run(options: argparse.Namespace) -> None:
    """Do one job of Snakefile.daart."""
    found = read_grid(vars(options))
    if options.job == "gather":
        gather(found, options.output)
    else:
        run_point(found, options.job, options.output)
