"""Cut a trained run down to what embeds: weights, options and the data it was made for."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.methods.runs import EMBEDDER_FILES, export_embedder
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    export_embedder(options.folder, options.weights)


def _outputs(options: argparse.Namespace) -> list[Path]:
    return [options.folder / "embedder" / name for name in EMBEDDER_FILES]


def _inputs(options: argparse.Namespace) -> list[Path]:
    return [options.folder / "hparams.yaml"]


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--folder", type=Path, required=True, help="folder of the run")
    arguments.add_argument("--weights", choices=["best", "last"], default="best")
    start(arguments, work, outputs=_outputs, inputs=_inputs)
