"""`ethomake methods`: the methods and what they take."""

from __future__ import annotations

import argparse
import importlib
import inspect

from workflow_scripts import methods
from workflow_scripts.cli.tables import print_table


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the command takes no arguments."""


def run(options: argparse.Namespace) -> None:
    """Print a table of the methods; config/default.yaml lists their options."""
    rows = [["name", "reads", "network", "modes", "what it is"]]
    for name in methods.names():
        model = methods.config_model(name)
        modes = "sound, faithful" if model.faithful else "sound"
        about = (inspect.getdoc(importlib.import_module(f"{methods.__name__}.{name}")) or "").splitlines()[0]
        rows.append([name, model.kind, "yes" if model.neural else "no", modes, about])
    print_table(rows)
