"""Tables made from the registries, as Markdown."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Sequence
from pathlib import Path

from workflow_scripts import methods, sources
from workflow_scripts.cards.card import Card, load_card
from workflow_scripts.cards.page import human_size, total_size

ROOT = Path(__file__).parents[2]
READS = {"tracks": "tracks", "images": "images", "clips": "video"}


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; a cell's line breaks and bars are made harmless."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in row) + " |" for row in lines
    )


def first_line(module: str) -> str:
    """Return the first line of a module's docstring, without its full stop."""
    return (inspect.getdoc(importlib.import_module(module)) or "").splitlines()[0].removesuffix(".")


def method_table() -> str:
    """Return the methods: name, what they read, whether they train a network, modes, what they are."""
    rows = []
    for name in methods.names():
        model = methods.config_model(name)
        modes = "sound, faithful" if model.faithful else "sound"
        about = first_line(f"{methods.__name__}.{name}")
        rows.append([f"`{name}`", READS[model.kind], "yes" if model.neural else "no", modes, about])
    return table(["method", "reads", "network", "modes", "what it is"], rows)


def cards() -> list[Card]:
    """Return EthoMake's own cards by name."""
    return [load_card(path) for path in sorted((ROOT / "config" / "datasets").glob("*.yaml"))]


def dataset_table() -> str:
    """Return the datasets that have a card."""
    rows = []
    for card in cards():
        size = "simulated here" if card.simulate else human_size(total_size(card))
        title = card.title.removesuffix(".")
        rows.append([f"`{card.name}`", READS[card.kind], str(len(card.shards)), size, title])
    return table(["dataset", "data", "files", "size", "title"], rows)


def source_table() -> str:
    """Return the file formats that are read."""
    groups = {
        "tracks": sources.TRACK_SOURCES,
        "labels": sources.LABEL_SOURCES,
        "images": sources.IMAGE_SOURCES,
        "videos": sources.VIDEO_SOURCES,
    }
    rows = []
    for kind, known in groups.items():
        for name, module in sorted(known.items()):
            # Read, not imported: some formats need a library that is not installed.
            text = (Path(sources.__file__).parent / f"{module}.py").read_text(encoding="utf-8")
            about = (ast.get_docstring(ast.parse(text)) or "").splitlines()[0].removesuffix(".")
            rows.append([f"`{name}`", kind, about])
    return table(["source", "of", "what it is"], rows)
