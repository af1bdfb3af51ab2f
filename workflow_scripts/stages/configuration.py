"""Write the resolved configuration of an experiment, validated once more."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from workflow_scripts.core.files import write_json
from workflow_scripts.core.validation import validate
from workflow_scripts.experiment.schema import Configuration
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    config = validate(Configuration, json.loads(options.config), where="configuration")
    write_json(options.output, config.model_dump(mode="json"))


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--config", required=True, help="JSON of the configuration")
    arguments.add_argument("--output", type=Path, required=True)
    start(arguments, work)
