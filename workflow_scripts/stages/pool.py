"""Score the held-out predictions of all folds together: one number and one interval over all groups."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from workflow_scripts.core.validation import validate
from workflow_scripts.evaluation.comparison.compare import score_run
from workflow_scripts.evaluation.options import IntervalConfig
from workflow_scripts.formats.tables import write_table
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    settings = json.loads(options.settings)
    table = score_run(
        options.predictions,
        validate(IntervalConfig, settings["intervals"], where="intervals"),
        settings["run"],
        window=settings["window"],
    )
    write_table(options.output, table)


def _outputs(options: argparse.Namespace) -> list[Path]:
    return [options.output]


def _inputs(options: argparse.Namespace) -> list[Path]:
    return list(options.predictions)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--predictions", type=Path, nargs="+", required=True)
    arguments.add_argument("--settings", required=True, help="JSON: intervals, run")
    arguments.add_argument("--output", type=Path, required=True)
    start(arguments, work, outputs=_outputs, inputs=_inputs)
