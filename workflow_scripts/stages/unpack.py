"""Unpack one member of a downloaded archive, checked against traversal, links and bombs."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.fetch.archive import unpack_member
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    unpack_member(options.archive, options.member, options.output)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--archive", type=Path, required=True)
    arguments.add_argument("--member", required=True)
    arguments.add_argument("--output", type=Path, required=True)
    start(arguments, work)
