"""`ethomake run NAME [arguments for Snakemake]`: an experiment, here."""

from __future__ import annotations

import argparse
import os
import sys

from workflow_scripts.workflow.launch import check_cache, command


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("experiment", metavar="NAME", help="name in config/experiments, or a YAML file")
    parser.add_argument(
        "arguments",
        nargs=argparse.REMAINDER,
        metavar="ARGUMENT",
        help="for Snakemake, e.g. -n, --profile slurm, a target",
    )


def run(options: argparse.Namespace) -> None:
    """Become Snakemake, so that signals reach it and its exit status is ours."""
    check_cache()
    line = command(options.experiment, options.arguments, options.places)
    sys.stdout.flush()
    os.execv(line[0], line)  # noqa: S606 (an argument list, no shell)
