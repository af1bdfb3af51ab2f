"""Score a MABe 2022 submission twice: as the published evaluator does, and as statistics demand."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from workflow_scripts.core.validation import validate
from workflow_scripts.evaluation.mabe.tables import score_submission
from workflow_scripts.evaluation.options import IntervalConfig
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    score_submission(
        options.submission,
        options.labels,
        options.split,
        animal=options.animal,
        interval=validate(IntervalConfig, json.loads(options.settings)["intervals"], where="intervals"),
        compat=options.compat,
        sound=options.sound,
        counts=options.counts,
    )


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--submission", type=Path, required=True)
    arguments.add_argument("--labels", type=Path, required=True)
    arguments.add_argument("--split", type=Path, required=True)
    arguments.add_argument("--animal", choices=["mouse", "fly"], required=True)
    arguments.add_argument("--settings", required=True, help="JSON: intervals")
    arguments.add_argument("--compat", type=Path, required=True, help="table of the published evaluator, csv")
    arguments.add_argument("--sound", type=Path, required=True, help="table with intervals, csv")
    arguments.add_argument("--counts", type=Path, required=True, help="what each test clip adds, csv")
    start(arguments, work)
