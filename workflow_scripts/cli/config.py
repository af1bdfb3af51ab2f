"""`ethomake config`: the generated configuration files."""

from __future__ import annotations

import argparse

from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.files import write_text
from workflow_scripts.experiment.generated_files import generated


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--check", action="store_true", help="compare only (the default)")
    how.add_argument("--write", action="store_true", help="write config/default.yaml and the JSON schemas")


def run(options: argparse.Namespace) -> None:
    """Compare the generated configuration files with the models, or write them."""
    for path, text in generated(options.root).items():
        current = path.read_text(encoding="utf-8") if path.is_file() else None
        if current == text:
            continue
        if not options.write:
            raise ConfigError(f"{path} is not what the models say; run `ethomake config --write` and commit it.")
        write_text(path, text)
        print(f"Written: {path}")
