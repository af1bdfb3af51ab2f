"""`ethomake experiments`: the experiments that can be run."""

from __future__ import annotations

import argparse
import textwrap

from workflow_scripts.cards.places import config_path, known_names
from workflow_scripts.cli.tables import print_table
from workflow_scripts.core.errors import ConfigError, EthoMakeError
from workflow_scripts.experiment.experiment import load_configuration


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the command takes no arguments."""


def run(options: argparse.Namespace) -> None:
    """Print a table of the experiments; a broken one is named after the table and fails the command."""
    rows = [["name", "from", "datasets", "methods", "description"]]
    broken = []
    for name in known_names(options.places, "experiments"):
        try:
            config = load_configuration(options.places, {"experiment": name})
        except EthoMakeError as error:
            broken.append(f"{name}: {error}")
            continue
        here = options.root in config_path(options.places, "experiments", name).parents
        cells = [", ".join(config.datasets), ", ".join(config.methods), config.description]
        short = [textwrap.shorten(cell, 48, placeholder=" …") or "-" for cell in cells]
        rows.append([name, "here" if here else "EthoMake", *short])
    print_table(rows)
    if broken:
        raise ConfigError("\n".join(broken))
