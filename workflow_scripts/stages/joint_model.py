"""Make one model of the models of several runs: what embeds new recordings as a joint run does."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from workflow_scripts.experiment.runs import JOINT
from workflow_scripts.formats.splits import read_split
from workflow_scripts.methods.runs import EMBEDDER_FILES, RUN_FILES, export_embedder, train
from workflow_scripts.stages import parser, start
from workflow_scripts.views.registry import open_view


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    view = open_view(options.data, read_split(options.split))
    train(JOINT, json.loads(options.options), view, folder=options.folder, seed=options.seed)
    export_embedder(options.folder)


def _outputs(options: argparse.Namespace) -> list[Path]:
    made = [options.folder / name for name in RUN_FILES]
    return made + [options.folder / "embedder" / name for name in EMBEDDER_FILES]


def _inputs(options: argparse.Namespace) -> list[Path]:
    members = json.loads(options.options)["options"]["members"]
    return [Path(member["folder"]) / name for member in members for name in EMBEDDER_FILES]


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--options", required=True, help="JSON: mode, options (the members)")
    arguments.add_argument("--data", type=Path, required=True, help="file of the converted dataset")
    arguments.add_argument("--split", type=Path, required=True)
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--folder", type=Path, required=True, help="folder of the run")
    start(arguments, work, outputs=_outputs, inputs=_inputs)
