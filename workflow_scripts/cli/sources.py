"""`ethomake sources`: the file formats that are read."""

from __future__ import annotations

import argparse
import ast
from pathlib import Path

from workflow_scripts import sources
from workflow_scripts.cli.tables import print_table

GROUPS = {
    "tracks": sources.TRACK_SOURCES,
    "labels": sources.LABEL_SOURCES,
    "images": sources.IMAGE_SOURCES,
    "videos": sources.VIDEO_SOURCES,
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the command takes no arguments."""


def run(options: argparse.Namespace) -> None:
    """Print a table of the sources, by their names on a card."""
    rows = [["name", "of", "what it is"]]
    for kind, known in GROUPS.items():
        for name, module in sorted(known.items()):
            # Read, not imported: some formats need a library that is not installed.
            text = (Path(sources.__file__).parent / f"{module}.py").read_text(encoding="utf-8")
            about = (ast.get_docstring(ast.parse(text)) or "").splitlines()[0]
            rows.append([name, kind, about])
    print_table(rows)
