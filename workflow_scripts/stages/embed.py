"""Embed every recording of a split with a run's embedder."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.formats.splits import read_split
from workflow_scripts.methods.runs import EMBEDDER_FILES, embed
from workflow_scripts.stages import parser, start
from workflow_scripts.views.registry import open_view


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    view = open_view(options.data, read_split(options.split))
    embed(options.embedder, view, options.output, half=options.precision == "half")


def _outputs(options: argparse.Namespace) -> list[Path]:
    return [options.output]


def _inputs(options: argparse.Namespace) -> list[Path]:
    return [options.embedder / name for name in EMBEDDER_FILES]


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--embedder", type=Path, required=True, help="folder of the embedder")
    arguments.add_argument("--data", type=Path, required=True, help="file of the converted dataset")
    arguments.add_argument("--split", type=Path, required=True)
    arguments.add_argument("--precision", choices=("single", "half"), default="single")
    arguments.add_argument("--output", type=Path, required=True)
    start(arguments, work, outputs=_outputs, inputs=_inputs)
