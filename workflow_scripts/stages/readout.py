"""Fit the linear probe of a final run on everything labelled, and save it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from workflow_scripts.core.validation import validate
from workflow_scripts.evaluation.options import ProbeConfig
from workflow_scripts.evaluation.probe.probe import run_probe
from workflow_scripts.evaluation.probe.readout import READOUT_FILES
from workflow_scripts.formats.splits import read_split
from workflow_scripts.stages import log, parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    settings = json.loads(options.settings)
    notes = run_probe(
        options.embeddings,
        options.data,
        read_split(options.split),
        settings["tasks"],
        validate(ProbeConfig, settings["probe"], where="probe"),
        options.seed,
        None,
        options.folder,
    )
    for note in notes:
        log.warning("%s", note)


def _outputs(options: argparse.Namespace) -> list[Path]:
    return [options.folder / name for name in READOUT_FILES]


def _inputs(options: argparse.Namespace) -> list[Path]:
    return [options.embeddings]


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--embeddings", type=Path, required=True)
    arguments.add_argument("--data", type=Path, required=True, help="file of the converted dataset")
    arguments.add_argument("--split", type=Path, required=True)
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--settings", required=True, help="JSON: tasks, probe")
    arguments.add_argument("--folder", type=Path, required=True, help="folder for the fitted models")
    start(arguments, work, outputs=_outputs, inputs=_inputs)
