"""Write a run's embeddings as a MABe 2022 submission, npy in the official layout."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.evaluation.mabe.submission import write_submission
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    write_submission(options.embeddings, options.map, options.output, position_zscore=options.position_zscore)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--embeddings", type=Path, required=True)
    arguments.add_argument("--map", type=Path, required=True, help="npy with the frame_number_map (the labels have it)")
    arguments.add_argument("--position-zscore", action="store_true", help="as the original BAMS does")
    arguments.add_argument("--output", type=Path, required=True)
    start(arguments, work)
