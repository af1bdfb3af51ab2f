"""Set the embeddings of several runs side by side, for the probe of a joint run."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.evaluation.probe.join import join_embeddings
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    members = dict(zip(options.member, options.embeddings, strict=True))
    join_embeddings(members, options.output, half=options.precision == "half")


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--member", nargs="+", required=True, help="names of the runs")
    arguments.add_argument("--embeddings", type=Path, nargs="+", required=True, help="theirs, in the same order")
    arguments.add_argument("--precision", choices=("single", "half"), default="single")
    arguments.add_argument("--output", type=Path, required=True)
    start(arguments, work, outputs=lambda options: [options.output], inputs=lambda options: list(options.embeddings))
