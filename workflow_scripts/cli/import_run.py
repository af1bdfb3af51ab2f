"""`ethomake import-run original PATH`: a model of a published program as a run that embeds and predicts."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("kind", choices=["original"], help="what is imported: a model of a published program")
    parser.add_argument("source", metavar="PATH", type=Path, help="model folder, version folder or checkpoint")
    parser.add_argument("--method", help="method that the model belongs to (default: recognised by its files)")
    parser.add_argument(
        "--data", type=Path, help="converted dataset that the model is for, e.g. data/<dataset>/tracks.h5"
    )
    parser.add_argument("--task", help="labelled task of that dataset whose classes are the model's")
    parser.add_argument("--options", type=json.loads, default={}, help="options of the method, as JSON")
    parser.add_argument("--output", type=Path, required=True, help="folder of the run to write")


def run(options: argparse.Namespace) -> None:
    """Write the run's folder, and print what was assumed."""
    from workflow_scripts.methods.originals import facts_of, import_run  # here, since it imports torch

    facts = facts_of(options.data, options.task) if options.data is not None else None
    chosen = {"method": options.method, "options": options.options, "data": options.data}
    for note in import_run(options.source, options.output, facts, **chosen):
        print(f"Assumed: {note}")
    print(f"Written: {options.output}")
