"""Score a model's self-supervised tasks on the held-out recordings of its split."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.core.tables import write_csv
from workflow_scripts.formats.splits import read_split
from workflow_scripts.methods.lisbet.pretext import task_accuracy
from workflow_scripts.methods.runs import load_embedder
from workflow_scripts.stages import parser, start
from workflow_scripts.views.tracks import TrackView


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    model, _ = load_embedder(options.embedder)
    view = TrackView(options.tracks, read_split(options.split))
    table = task_accuracy(model, view.test())
    write_csv(options.output, table, float_format="%.6g")


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--embedder", type=Path, required=True, help="folder of the embedder")
    arguments.add_argument("--tracks", type=Path, required=True)
    arguments.add_argument("--split", type=Path, required=True)
    arguments.add_argument("--output", type=Path, required=True)
    start(arguments, work)
