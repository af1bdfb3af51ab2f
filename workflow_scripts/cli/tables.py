"""What several commands print and look up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from workflow_scripts.cards.card import Card, load_card
from workflow_scripts.cards.places import config_path
from workflow_scripts.cards.published import load_published, with_published
from workflow_scripts.core.errors import ConfigError


def dataset_names(root: Path) -> list[str]:
    """Names of the datasets that have a card below `root`.

    Raises
    ------
    ConfigError
        When `root` holds no folder of cards.
    """
    folder = root / "config" / "datasets"
    if not folder.is_dir():
        raise ConfigError(
            f"There is no folder {folder} here; run ethomake in the project's folder or name it by --root."
        )
    return sorted(path.stem for path in folder.glob("*.yaml"))


def read_card(root: Path, name: str) -> Card:
    """Read a dataset's card together with its published numbers."""
    dataset_names(root)  # says where there is no folder of cards
    return with_published(load_card(config_path(root, "datasets", name)), load_published(root))


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows as columns of equal width, the first row being the header."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
