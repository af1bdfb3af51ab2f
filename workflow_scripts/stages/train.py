"""Fit a method on the training recordings of a split."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from workflow_scripts.formats.splits import read_split
from workflow_scripts.methods.runs import RUN_FILES, train
from workflow_scripts.stages import parser, start
from workflow_scripts.views.registry import open_view


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    more = {"augmented": options.augmented} if options.augmented else {}
    view = open_view(options.data, read_split(options.split), **more)
    train(
        options.method, json.loads(options.options), view, folder=options.folder, seed=options.seed, code=options.code
    )


def _outputs(options: argparse.Namespace) -> list[Path]:
    return [options.folder / name for name in RUN_FILES]


def _inputs(options: argparse.Namespace) -> list[Path]:
    return [Path(given) for given in [json.loads(options.options)["options"].get("load_backbone")] if given]


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--method", required=True)
    arguments.add_argument("--options", required=True, help="the method's options as JSON")
    arguments.add_argument("--data", type=Path, required=True, help="file of the converted dataset")
    arguments.add_argument("--split", type=Path, required=True)
    arguments.add_argument("--augmented", type=Path, help="file of the augmented set, for methods that train on one")
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--code", default="", help="digest of the code, which a resumed training must share")
    arguments.add_argument("--folder", type=Path, required=True, help="folder of the run")
    start(arguments, work, outputs=_outputs, inputs=_inputs)
