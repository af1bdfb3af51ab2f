"""Look for leaks across every split of a dataset; one leak fails the workflow."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.convert.leaks import audit, raise_on_leaks
from workflow_scripts.core.tables import write_csv
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    leaks = audit(options.data, options.split)
    raise_on_leaks(leaks)
    write_csv(options.output, leaks)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--data", type=Path, required=True, help="file of the converted dataset")
    arguments.add_argument("--split", type=Path, nargs="*", default=[])
    arguments.add_argument("--output", type=Path, required=True)
    start(arguments, work)
