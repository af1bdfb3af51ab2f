"""Draw the latents of a BAMS run as maps coloured by labels, for the report."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.methods.bams.latents import write_latents_section
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    write_latents_section(options.embeddings, options.tracks, options.task, options.dataset, options.output)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--embeddings", type=Path, required=True)
    arguments.add_argument("--tracks", type=Path, required=True)
    arguments.add_argument("--task", nargs="+", required=True)
    arguments.add_argument("--dataset", required=True)
    arguments.add_argument("--output", type=Path, required=True, help="section.json")
    start(arguments, work)
