"""Fit the linear probe on a run's embeddings, predict the held-out recordings, and score them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from workflow_scripts.core.files import write_json
from workflow_scripts.core.validation import validate
from workflow_scripts.evaluation.comparison.compare import score_run
from workflow_scripts.evaluation.options import IntervalConfig, ProbeConfig
from workflow_scripts.evaluation.probe.probe import run_probe
from workflow_scripts.evaluation.probe.readout import READOUT_FILES
from workflow_scripts.formats.splits import read_split
from workflow_scripts.formats.tables import write_table
from workflow_scripts.stages import log, parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    settings = json.loads(options.settings)
    notes = run_probe(
        options.embeddings,
        options.tracks,
        read_split(options.split),
        settings["tasks"],
        validate(ProbeConfig, settings["probe"], where="probe"),
        options.seed,
        options.predictions,
        options.readout,
    )
    for note in notes:
        log.warning("%s", note)
    write_json(options.notes, notes)
    table = score_run(
        [options.predictions], validate(IntervalConfig, settings["intervals"], where="intervals"), settings["run"]
    )
    write_table(options.output, table)


def _outputs(options: argparse.Namespace) -> list[Path]:
    return [options.output, options.predictions, options.notes, *(options.readout / name for name in READOUT_FILES)]


def _inputs(options: argparse.Namespace) -> list[Path]:
    return [options.embeddings]


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--embeddings", type=Path, required=True)
    arguments.add_argument("--tracks", type=Path, required=True)
    arguments.add_argument("--split", type=Path, required=True)
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--settings", required=True, help="JSON: tasks, probe, intervals, run")
    arguments.add_argument("--predictions", type=Path, required=True)
    arguments.add_argument("--readout", type=Path, required=True, help="folder for the fitted models")
    arguments.add_argument("--notes", type=Path, required=True)
    arguments.add_argument("--output", type=Path, required=True)
    start(arguments, work, outputs=_outputs, inputs=_inputs)
