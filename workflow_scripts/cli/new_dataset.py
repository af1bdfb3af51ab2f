"""`ethomake new-dataset PATH…`: a card and a sheet from a user's own files."""

from __future__ import annotations

import argparse
from pathlib import Path

import yaml

from workflow_scripts.cards.card import card_path, load_card
from workflow_scripts.convert.propose import Wishes, card_yaml, propose, sheet_tsv
from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.files import write_text


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "paths", type=Path, nargs="+", metavar="PATH", help="folders (or files) of recordings and labels"
    )
    parser.add_argument("--name", help="name of the dataset (default: the folder's)")
    parser.add_argument("--source", help="source of the recordings, where the folder holds files of several")
    parser.add_argument(
        "--option", action="append", default=[], metavar="KEY=VALUE", help="option of that source (may be repeated)"
    )
    parser.add_argument("--fps", type=float, help="frames per second, where no file states it")
    parser.add_argument(
        "--conditions", type=Path, help="csv with recording (or animal) and condition, copied into the sheet"
    )
    parser.add_argument(
        "--pattern", help="names of the files with their meaningful parts, e.g. '{animal}_{condition}_day{day}'"
    )
    parser.add_argument(
        "--panels", type=int, default=1, help="equal parts side by side in every video, one animal each (default: 1)"
    )
    parser.add_argument("--write", action="store_true", help="write the card and its sheet to config/datasets")


def _options(pairs: list[str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not key.strip():
            raise ConfigError(f"--option {pair!r}: expected KEY=VALUE, e.g. --option fullest=2.")
        try:
            found[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ConfigError(f"--option {pair!r}: the value cannot be read; put quotes around it.") from error
    return found


def run(options: argparse.Namespace) -> None:
    """Propose a card from files, print what was found, guessed and left out, and write it on demand."""
    if options.panels < 1:
        raise ConfigError("--panels must be at least 1.")
    if options.fps is not None and not options.fps > 0:
        raise ConfigError("--fps must be positive.")
    wishes = Wishes(
        options.name,
        options.source,
        _options(options.option),
        options.fps,
        options.conditions,
        options.pattern,
        options.panels,
    )
    proposal = propose(options.paths, wishes)
    target = card_path(options.root, proposal.card["name"])
    sheet = target.parent / str(proposal.card["recordings"]) if proposal.rows else None
    for title, lines in (
        ("Found", proposal.found),
        ("Guessed", proposal.guessed),
        ("Left out", proposal.left_out),
        ("Left to you", proposal.unknown),
    ):
        if lines:
            print(f"{title}:", *lines, sep="\n  ")
    text = card_yaml(proposal)
    if not options.write:
        print(f"\nThe card, to be written to {target} with --write:\n\n{text}", end="")
        if sheet is not None:
            print(f"\nThe sheet, to be written to {sheet}:\n\n{sheet_tsv(proposal)}", end="")
        return
    for path in (target, sheet):
        if path is not None and path.exists():
            raise ConfigError(f"{path} exists already; choose another name with --name, or delete it first.")
    if sheet is not None:
        write_text(sheet, sheet_tsv(proposal))
        print(f"Written: {sheet}")
    write_text(target, text)
    print(f"Written: {target}")
    valid = not any(line.startswith("The card is not valid yet") for line in proposal.unknown)
    if valid:
        load_card(target)
    print(f"Next: {'' if valid else 'fill in what is left to you, then '}ethomake check {proposal.card['name']}")
