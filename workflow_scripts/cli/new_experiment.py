"""`ethomake new-experiment NAME --dataset D`: an experiment with comments."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import yaml

from workflow_scripts.cards.places import known_names
from workflow_scripts.cli.tables import read_card
from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.files import write_text
from workflow_scripts.experiment.experiment import load_experiment
from workflow_scripts.experiment.proposal import experiment_yaml


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("name", help="name of the experiment: small letters, digits and _")
    parser.add_argument("--dataset", required=True, help="name of the dataset")
    parser.add_argument("--preset", choices=["quick", "full"], default="quick", help="default: quick")


def run(options: argparse.Namespace) -> None:
    """Write config/experiments/<name>.yaml."""
    name = options.name
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ConfigError(f"The name {name!r} is not valid; expected small letters, digits and _, a letter first.")
    path = Path(options.root) / "config" / "experiments" / f"{name}.yaml"
    if name in known_names(options.places, "experiments"):
        raise ConfigError(f"There is an experiment {name!r} already; choose another name, or delete {path} first.")
    text = experiment_yaml(name, read_card(options.places, options.dataset), options.preset)
    experiment = load_experiment(options.places, yaml.safe_load(text))  # never writes what `check` would refuse
    write_text(path, text)
    print(f"Written: {path} ({len(experiment.runs)} runs)")
    print(f"Next: ethomake run {name} -n, then ethomake run {name}")
