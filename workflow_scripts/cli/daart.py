"""`ethomake daart`: an existing daart project, files unchanged."""

from __future__ import annotations

import argparse
from pathlib import Path

FILES = ("data", "model", "train")
"""The three YAML files of a project."""


def config_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the three configuration files of a daart project."""
    for name in FILES:
        parser.add_argument(f"--{name}_config", type=Path, required=True, help=f"the project's {name} YAML")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    config_arguments(parser)
    parser.add_argument("--workers", type=int, default=1, help="points trained side by side")
    parser.add_argument("--search", type=int, metavar="N", help="train N points that Optuna draws, not the whole grid")
    parser.add_argument("--sampler", choices=["tpe", "random"], default="tpe", help="how they are drawn")


def run(options: argparse.Namespace) -> None:
    """Train the grid that an existing daart project's three YAML files span."""
    files = (options.data_config, options.model_config, options.train_config)
    if options.search:
        from workflow_scripts.methods.daart.project.search import search

        versions = search(*files, trials=options.search, sampler=options.sampler)
    else:
        from workflow_scripts.methods.daart.project.versions import run as run_grid

        versions = run_grid(*files, workers=options.workers)
    for folder in dict.fromkeys(version.folder for version in versions):
        print(folder)
