"""What several commands print and look up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from workflow_scripts.cards.card import Card, card_path, load_card
from workflow_scripts.cards.published import load_published, with_published
from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.validation import nearest


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
    known = dataset_names(root)
    if name not in known:
        raise ConfigError(f"There is no dataset {name!r} in config/datasets{nearest(name, known)}.")
    return with_published(load_card(card_path(root, name)), load_published(root))


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows as columns of equal width, the first row being the header."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
