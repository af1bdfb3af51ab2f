"""Write the resolved configuration of an experiment, validated once more."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.core.files import write_json
from workflow_scripts.experiment.resolved import read_resolved
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    write_json(options.output, read_resolved(options.config).config.model_dump(mode="json"))


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--config", type=Path, required=True, help="the resolved experiment")
    arguments.add_argument("--output", type=Path, required=True)
    start(arguments, work)
