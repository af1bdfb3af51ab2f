"""What systems add to the page (:mod:`workflow_scripts.formats.sections`), made ready for the template."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from PIL import Image

from workflow_scripts.core.documents import require_inside
from workflow_scripts.core.errors import InputError
from workflow_scripts.formats.sections import Item, Section, read_section
from workflow_scripts.report.interactive import Interactive, draw
from workflow_scripts.report.tables import NOTHING, Cell, Row, Table, csv_uri, heading, number

MEDIA = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".svg": "image/svg+xml",
    ".mp4": "video/mp4",
    ".webm": "video/webm",
}
"""Pictures and films a browser shows. A script inside an svg does not run in an `img`."""
LARGEST_FILE = 2_500_000
"""Bytes of one picture or video that still goes into the page."""
BUDGET = 2_000_000
"""Bytes of all of them together: the page must stay easy to send and to open."""
MOST_ROWS = 200
"""Rows of a table shown; the download has all."""


@dataclass(frozen=True)
class Media:
    """A picture or video of the page; `uri` is empty where it is too large, and the caption says where it is."""

    kind: str
    uri: str
    caption: str
    alt: str
    path: str = ""


@dataclass(frozen=True)
class SectionView:
    """A section, ready for the template.

    Attributes
    ----------
    id, title, dataset, method : str
    blocks : tuple of (str, object)
        Kind (``text``, ``table``, ``media``, ``plot``) and what the template's macro of that name takes.
    """

    id: str
    title: str
    dataset: str
    method: str
    blocks: tuple[tuple[str, object], ...]


@dataclass
class _Page:
    """How much of the budget is left."""

    left: int = field(default=BUDGET)


def load(paths: Iterable[str | Path]) -> list[SectionView]:
    """Read sections and the files they name.

    Parameters
    ----------
    paths : iterable of str or Path
        `section.json` files.

    Raises
    ------
    InputError
        When a file that a section names is absent, or a csv lacks a column that a plot names.
    """
    found = [(Path(path), read_section(path)) for path in paths]
    found.sort(key=lambda pair: (pair[1].order, pair[1].title, str(pair[0])))
    page = _Page()
    return [_view(f"section{index}", path, section, page) for index, (path, section) in enumerate(found)]


def _view(identifier: str, path: Path, section: Section, page: _Page) -> SectionView:
    blocks = tuple(_block(path, item, page) for item in section.items)
    return SectionView(identifier, section.title, section.dataset, section.method, blocks)


def _block(path: Path, item: Item, page: _Page) -> tuple[str, object]:
    if item.kind == "text":
        return "text", item.caption
    file = path.parent / item.file
    if not item.file or not file.is_file():
        raise InputError(path, f"names the file {item.file!r}, which is not there", "run the rule that writes it")
    require_inside(path.parent, file)
    if item.kind == "table":
        return "table", table(_csv(file), item.caption, f"{path.parent.name}-{item.file}")
    if item.kind == "plot":
        return "plot", _plot(path, item, _csv(file))
    return "media", _media(path, item, file, page)


def _csv(file: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(file, keep_default_na=False, na_values=[""])
    except (ValueError, OSError) as error:  # pandas' own errors are ValueErrors
        raise InputError(file, f"is no table ({error})", "run the rule that writes it") from error


def table(frame: pd.DataFrame, caption: str, csv_name: str) -> Table:
    """Show a data frame, its first rows where it is long; the download has all, as it is.

    Numbers of a column have the same decimals, and a number that is not defined is a dash, as in other tables.

    Parameters
    ----------
    frame : DataFrame
    caption, csv_name : str
    """
    columns = tuple(
        (
            _head(str(name)),
            bool(pd.api.types.is_numeric_dtype(frame[name]) and not pd.api.types.is_bool_dtype(frame[name])),
        )
        for name in frame.columns
    )
    # A column of whole numbers with a gap is read as one of fractions.
    whole = [
        numeric
        and (frame[name].dtype.kind in "iu" or bool(frame[name].isna().any()))
        and bool((frame[name].dropna() % 1 == 0).all())
        for name, (_, numeric) in zip(frame, columns, strict=True)
    ]
    lines = []
    for record in frame.head(MOST_ROWS).itertuples(index=False):
        cells = []
        for value, (_, numeric), integer in zip(record, columns, whole, strict=True):
            if pd.isna(value):
                cells.append(Cell(NOTHING if numeric else "", ""))
            elif numeric:
                text = str(int(value)) if integer else number(float(value), 3)
                cells.append(Cell(text, float(value)))
            else:
                cells.append(Cell(str(value), str(value)))
        lines.append(Row(tuple(cells)))
    if len(frame) > MOST_ROWS:
        caption = f"{caption.rstrip('.')} (the first {MOST_ROWS} of {len(frame)} rows; the download has all)."
    return Table(caption, columns, tuple(lines), csv_name, csv_uri(frame))


def _head(name: str) -> str:
    """Return the title of a column: names of tasks stay as they are, and so does the p of a test."""
    if "_" in name or len(name) == 1:
        return name
    return name.upper() if re.fullmatch(r"pc\d+", name) else heading(name)


def _plot(path: Path, item: Item, frame: pd.DataFrame) -> Interactive:
    wanted = [item.x, item.y, item.colour, item.low, item.high, *item.hover]
    missing = [name for name in wanted if name and name not in frame.columns]
    if missing or not (item.x and item.y):
        what = f"the columns {missing}" if missing else "x and y"
        raise InputError(path, f"the plot of {item.file!r} lacks {what}", "name columns of that file")
    return draw(
        frame,
        x=item.x,
        y=item.y,
        mark=item.mark,
        group=item.colour,
        low=item.low,
        high=item.high,
        hover=item.hover,
        caption=item.caption,
        label=item.alt,
    )


def _webp(png: bytes) -> bytes:
    """Return the same pixels as a WebP file, which is often half as large; what is no picture comes back as it is."""
    buffer = io.BytesIO()
    try:
        with Image.open(io.BytesIO(png)) as image:
            image.save(buffer, format="WEBP", lossless=True, quality=60, method=2)
    except (OSError, ValueError):  # broken, or larger than the format allows
        return png
    return buffer.getvalue()


def _media(path: Path, item: Item, file: Path, page: _Page) -> Media:
    kind = MEDIA.get(file.suffix.lower())
    if kind is None or kind.split("/")[0] != item.kind:
        known = ", ".join(suffix for suffix, name in MEDIA.items() if name.startswith(item.kind))
        raise InputError(path, f"{item.file!r} is no {item.kind} a browser shows", f"use one of {known}")
    alt = item.alt or item.caption or item.file
    outside = Media(item.kind, "", item.caption, alt, f"sections/{path.parent.name}/{item.file}")
    if file.stat().st_size > LARGEST_FILE:
        return outside
    content = file.read_bytes()
    if file.suffix.lower() == ".png" and len(smaller := _webp(content)) < len(content):
        kind, content = "image/webp", smaller
    if len(content) > page.left:
        return outside
    page.left -= len(content)
    data = base64.b64encode(content).decode()
    return Media(item.kind, f"data:{kind};base64,{data}", item.caption, alt)
