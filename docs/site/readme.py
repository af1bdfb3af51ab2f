"""Keep the generated tables of README.md: `python -m docs.site.readme` checks them, `--write` writes them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

from docs.site.tables import ROOT, dataset_table, method_table

README = ROOT / "README.md"
TABLES: dict[str, Callable[[], str]] = {"methods": method_table, "datasets": dataset_table}


def filled(text: str) -> str:
    """Return the README with every table between its two marks made anew."""
    for name, made in TABLES.items():
        marks = re.compile(rf"(<!-- {name}: generated -->\n)(?:.*?\n)??(<!-- end -->)", re.S)
        found = marks.search(text)
        if found is None:
            raise SystemExit(f"README.md: the marks of the table {name!r} are missing")
        text = text[: found.end(1)] + made() + "\n" + text[found.start(2) :]
    return text


def main() -> None:
    """Check or write."""
    text = README.read_text(encoding="utf-8")
    new = filled(text)
    if "--write" in sys.argv:
        README.write_text(new, encoding="utf-8")
    elif new != text:
        raise SystemExit("README.md: its tables differ from the registries; run python -m docs.site.readme --write")


if __name__ == "__main__":
    main()
