"""Every test that docs/parity.md and its note name is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = "".join((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("parity.md", "notes/differences.md"))
NAMED = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE)


def test_rows_of_all_three_comparisons_are_there() -> None:
    rows = re.findall(r"^\| (F?\d+|also) \|", PAGE, flags=re.MULTILINE)
    assert rows == [*map(str, range(1, 19)), *(f"F{k}" for k in range(1, 25)), "also", *map(str, range(1, 20))]


def test_the_tests_of_the_page_are_there() -> None:
    known: dict[str, set[str]] = {}
    for path, name in NAMED:
        if path not in known:
            tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
            known[path] = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert not name or name in known[path], f"{path} has no {name}"
