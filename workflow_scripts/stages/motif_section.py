"""Show the motifs of a run in the report."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.motifs.section import write_motif_section
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    write_motif_section(options.folder, options.dataset, options.method, options.output)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--folder", type=Path, required=True, help="motifs/ of the run")
    arguments.add_argument("--dataset", required=True)
    arguments.add_argument("--method", required=True)
    arguments.add_argument("--output", type=Path, required=True, help="section.json")
    start(arguments, work)
