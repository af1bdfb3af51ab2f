"""MkDocs hook: makes the reference pages from the code, and brings in pages that belong to other folders."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from mkdocs.exceptions import PluginError  # noqa: E402
from mkdocs.structure.files import File, Files  # noqa: E402

from docs.site.reference import GENERATED, PAGES  # noqa: E402

BROUGHT = {"contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md", "profiles.md": "profiles/README.md"}
"""Page of the site → file of the repository."""
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#]+)(#[^)\s]*)?\)")


def _pages(entries: list[Any]) -> list[str]:
    found = []
    for entry in entries:
        inner = next(iter(entry.values())) if isinstance(entry, dict) else entry
        found += _pages(inner) if isinstance(inner, list) else [inner]
    return found


def _existing(entries: list[Any]) -> list[Any]:
    kept = []
    for entry in entries:
        inner = next(iter(entry.values())) if isinstance(entry, dict) else entry
        if isinstance(inner, list):
            kept.append({next(iter(entry)): _existing(inner)})
        elif inner in PAGES or inner in BROUGHT or (ROOT / "docs" / inner).is_file():
            kept.append(entry)
    return kept


def on_config(config: Any) -> Any:
    """Put pages that the navigation does not name under `More`, so that a new page is never lost."""
    nav = _existing(config["nav"])
    listed = set(_pages(nav))
    more = [path.name for path in sorted((ROOT / "docs").glob("*.md")) if path.name not in listed]
    notes = [f"notes/{path.name}" for path in sorted((ROOT / "docs" / "notes").glob("*.md"))]
    if more or notes:
        nav.append({"More": [*more, *([{"Notes": notes}] if notes else [])]})
    config["nav"] = nav
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are made here."""
    for name, made in PAGES.items():
        files.append(File.generated(config, name, content=GENERATED + made()))
    for name, path in BROUGHT.items():
        files.append(File.generated(config, name, content=(ROOT / path).read_text(encoding="utf-8")))
    for path in sorted((ROOT / "docs" / "results").rglob("*.md")):  # tables of runs, linked as files of the repository
        found = files.get_file_from_path(path.relative_to(ROOT / "docs").as_posix())
        if found is not None:
            files.remove(found)
    return files


def _target(page: str, link: str) -> Path:
    """File of the repository that a link means."""
    base = (ROOT / BROUGHT[page]).parent if page in BROUGHT else (ROOT / "docs" / page).parent
    return (base / link).resolve()


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Turn links to files of the repository that are no pages into their names, and refuse those to nothing."""
    name = page.file.src_uri

    def repaired(found: re.Match[str]) -> str:
        image, text, link, anchor = found[1], found[2], found[3], found[4] or ""
        if re.match(r"[a-z]+:", link):
            return found[0]
        target = _target(name, link)
        if not target.is_relative_to(ROOT):
            return found[0]
        inside = target.relative_to(ROOT).as_posix()
        brought = next((page for page, path in BROUGHT.items() if path == inside), None)
        here = brought or (inside.removeprefix("docs/") if inside.startswith("docs/") else None)
        if here is not None and files.get_file_from_path(here) is not None:
            up = "../" * name.count("/")
            return f"{image}[{text}]({up}{here}{anchor})"
        if not target.exists():
            raise PluginError(f"{name}: the link {link} leads nowhere")
        return text if text.strip("`") in inside else f"{text} (`{inside}`)"

    return LINK.sub(repaired, markdown)
