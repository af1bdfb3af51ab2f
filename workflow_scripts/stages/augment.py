"""Write the augmented set of a dataset's images, and its index as a table."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from workflow_scripts import methods
from workflow_scripts.methods.protocol import Augments
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    functions = methods.load(options.method)
    if not isinstance(functions, Augments):
        raise TypeError(f"{options.method} has no augment_file")
    functions.augment_file(options.data, options.output, options.index, json.loads(options.options), options.seed)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--method", required=True, help="whose augmentation")
    arguments.add_argument("--options", required=True, help="options of the augmentation as JSON")
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--data", type=Path, required=True, help="file of the converted dataset")
    arguments.add_argument("--index", type=Path, required=True, help="csv: source frame, animal and factors by copy")
    arguments.add_argument("--output", type=Path, required=True)
    start(arguments, work)
