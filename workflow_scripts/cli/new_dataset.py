"""`ethomake new-dataset FOLDER`: a card from a user's own files."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.cards.card import card_path
from workflow_scripts.convert.guess import card_yaml, guess_card
from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.files import write_text


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("path", type=Path, help="folder of tracking and label files")
    parser.add_argument("--name", help="name of the dataset (default: the folder's)")
    parser.add_argument("--write", action="store_true", help="write config/datasets/<name>.yaml")


def run(options: argparse.Namespace) -> None:
    """Guess a card from a folder of files, print what was guessed, and write it on demand."""
    guess = guess_card(options.path, options.name)
    text = card_yaml(guess)
    target = card_path(options.root, guess.card["name"])
    print("Guessed:", *guess.guessed, sep="\n  ")
    print("Left to you:", *guess.unknown, sep="\n  ")
    if not options.write:
        print(f"\nThe card, to be written to {target} with --write:\n\n{text}", end="")
        return
    if target.exists():
        raise ConfigError(f"{target} exists already; choose another name with --name, or delete that card first.")
    write_text(target, text)
    print(f"Written: {target}")
