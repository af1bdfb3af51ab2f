"""Select prototypes of a motif scan, and write bouts, transitions and agreement with labels."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from workflow_scripts.core.validation import validate
from workflow_scripts.formats.splits import read_split
from workflow_scripts.motifs.options import MotifConfig
from workflow_scripts.motifs.report import describe
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    settings = validate(MotifConfig, json.loads(options.settings), where="motifs")
    describe(options.embeddings, options.tracks, read_split(options.split), options.folder, settings)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--embeddings", type=Path, required=True)
    arguments.add_argument("--tracks", type=Path, required=True)
    arguments.add_argument("--split", type=Path, required=True)
    arguments.add_argument("--settings", required=True, help="JSON of the section motifs")
    arguments.add_argument("--folder", type=Path, required=True)
    start(arguments, work)
