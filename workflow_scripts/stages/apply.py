"""Apply a final model to unlabelled recordings, or to those of another dataset."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.evaluation.probe.readout import READOUT_FILES
from workflow_scripts.methods.apply import apply_model
from workflow_scripts.methods.runs import EMBEDDER_FILES
from workflow_scripts.stages import parser, quarantine, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    settings = json.loads(options.settings)

    def leave_out(name: str, error: EthoMakeError) -> None:
        quarantine(name, error, options.output)

    apply_model(
        options.embedder,
        options.readout,
        options.data,
        options.output,
        tasks=settings["tasks"],
        which=settings["recordings"],
        prefer=settings["readout"],
        decision=options.decision[0] if options.decision else None,
        on_problem=leave_out,
    )


def _outputs(options: argparse.Namespace) -> list[Path]:
    return [options.output]


def _inputs(options: argparse.Namespace) -> list[Path]:
    return [
        *(options.embedder / name for name in EMBEDDER_FILES),
        *(options.readout / name for name in READOUT_FILES),
        *options.decision,
    ]


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--embedder", type=Path, required=True, help="folder of the embedder")
    arguments.add_argument("--readout", type=Path, required=True, help="folder of the fitted probe")
    arguments.add_argument("--data", type=Path, required=True, help="file of the converted dataset")
    arguments.add_argument("--settings", required=True, help="JSON: tasks, recordings, readout")
    arguments.add_argument("--decision", type=Path, nargs="*", default=[], help="decision.yaml of the run")
    arguments.add_argument("--output", type=Path, required=True)
    start(arguments, work, outputs=_outputs, inputs=_inputs)
