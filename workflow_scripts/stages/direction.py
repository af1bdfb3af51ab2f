"""Judge the points a run found in held-out images, its folds together: tables and figures."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.methods.rat_direction.study import gather_points, judge
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    judge(*gather_points(options.predictions, options.data), options.folder)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--predictions", type=Path, nargs="+", required=True)
    arguments.add_argument("--data", type=Path, required=True, help="file of the converted dataset")
    arguments.add_argument("--folder", type=Path, required=True, help="gets the tables and figures")
    start(arguments, work)
