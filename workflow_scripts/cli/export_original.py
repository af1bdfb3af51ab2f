"""`ethomake export-original RUN FOLDER`: a trained run in the file layout of the published program."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.files import read_yaml


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="results/<experiment>/runs/…/seed<k>")
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="folder to write")
    parser.add_argument("--layout", help="version of the program whose layout is written (default: its oldest)")
    parser.add_argument("--embedder", action="store_true", help="without the heads of a classifier")


def run(options: argparse.Namespace) -> None:
    """Write the run's model for the published program, where its method has one that reads it."""
    from workflow_scripts import methods  # here, since the embedder imports torch
    from workflow_scripts.methods.runs import load_embedder

    name = str(read_yaml(options.run_folder / "embedder" / "config.yaml")["method"])
    export = getattr(methods.load(name), "export_original", None)
    if export is None:
        raise ConfigError(f"The method {name!r} has no published program that reads its models.")
    model, _ = load_embedder(options.run_folder / "embedder")
    export(model, options.folder, layout=options.layout, embedder=options.embedder)
    print(f"Written: {options.folder}")
