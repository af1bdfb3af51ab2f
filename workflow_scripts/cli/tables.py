"""What several commands print and look up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from workflow_scripts.cards.card import Card, load_card
from workflow_scripts.cards.parts import Published
from workflow_scripts.cards.places import as_folders, config_path, known_names
from workflow_scripts.cards.published import load_published, with_published
from workflow_scripts.core.errors import ConfigError


def dataset_names(places: str | Path | Sequence[Path]) -> list[str]:
    """Names of the datasets that have a card in one of the folders.

    Raises
    ------
    ConfigError
        When no folder holds cards.
    """
    folders = as_folders(places)
    if not any((folder / "config" / "datasets").is_dir() for folder in folders):
        raise ConfigError(
            f"There is no folder {folders[0] / 'config' / 'datasets'}; go to a workspace or name it by --root."
        )
    return known_names(folders, "datasets")


def read_card(places: str | Path | Sequence[Path], name: str) -> Card:
    """Read a dataset's card together with its published numbers."""
    dataset_names(places)
    published: dict[str, list[Published]] = {}
    for folder in reversed(as_folders(places)):
        published |= load_published(folder)
    return with_published(load_card(config_path(places, "datasets", name)), published)


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows as columns of equal width, the first row being the header."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
