"""Where the numbers of the published code are: ``shared/parity`` (its README.md) and the extracts in tests/parity."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

EXTRACTS = Path(__file__).parents[1] / "parity" / "extracts"


def parity(name: str) -> Path:
    """Folder of one published system; the test is skipped where it is absent."""
    named = os.environ.get("ETHOMAKE_PARITY")
    folder = (Path(named) if named else Path(__file__).parents[3] / "shared" / "parity") / name
    if not folder.is_dir():
        pytest.skip(f"the published code's numbers for {name} are not here: set ETHOMAKE_PARITY to their folder")
    return folder


def extract(name: str) -> dict[str, Any]:
    """Numbers kept in the repository."""
    found: dict[str, Any] = json.loads((EXTRACTS / f"{name}.json").read_text(encoding="utf-8"))
    return found
