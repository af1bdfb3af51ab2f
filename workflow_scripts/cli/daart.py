"""`ethomake daart`: an existing daart project, files unchanged."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.core.errors import ConfigError

FILES = ("data", "model", "train")
"""The three YAML files of a project."""


def config_arguments(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add the three configuration files of a daart project."""
    for name in FILES:
        parser.add_argument(f"--{name}_config", type=Path, required=required, help=f"the project's {name} YAML")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    config_arguments(parser, required=False)
    parser.add_argument(
        "--predict",
        metavar=("VERSION", "FILE"),
        nargs="+",
        type=Path,
        help="a version_N folder, ours or daart's own, and new files of its kind: write <id>_states.npy, train nothing",
    )
    parser.add_argument("--output", type=Path, default=Path("states"), help="folder of --predict (default: states)")
    parser.add_argument("--workers", type=int, default=1, help="points trained side by side")
    parser.add_argument("--search", type=int, metavar="N", help="train N points that Optuna draws, not the whole grid")
    parser.add_argument("--sampler", choices=["tpe", "random"], default="tpe", help="how they are drawn")


def run(options: argparse.Namespace) -> None:
    """Train the grid that an existing daart project's three YAML files span, or predict with one of its versions."""
    files = (options.data_config, options.model_config, options.train_config)
    if options.predict:
        from workflow_scripts.methods.daart.project.versions import predict

        version, *recordings = options.predict
        if not recordings:
            raise ConfigError("--predict takes a version_N folder and at least one file; name the files.")
        for path in predict(version, recordings, options.output):
            print(path)
        return
    if missing := [f"--{name}_config" for name, file in zip(FILES, files, strict=True) if file is None]:
        raise ConfigError(f"{', '.join(missing)} is missing; name the project's three YAML files.")
    if options.search:
        from workflow_scripts.methods.daart.project.search import search

        versions = search(*files, trials=options.search, sampler=options.sampler)
    else:
        from workflow_scripts.methods.daart.project.versions import run as run_grid

        versions = run_grid(*files, workers=options.workers)
    for folder in dict.fromkeys(version.folder for version in versions):
        print(folder)
