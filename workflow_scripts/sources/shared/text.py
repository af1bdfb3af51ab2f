"""Text files that turn out to be something else, distinguished before a parser stumbles over them."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from pathlib import Path

from workflow_scripts.core import limits
from workflow_scripts.core.documents import read_bounded
from workflow_scripts.core.errors import InputError

_SIGNATURES = {
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"\x89HDF": "an HDF5 file",
    b"PK\x03\x04": "a zip archive (or a spreadsheet)",
    b"\x1f\x8b": "a gzip archive",
    b"%PDF": "a PDF",
    b"SQLite": "a database",
}


def refuse_non_text(path: Path, head: bytes, expected: str) -> None:
    """Raise where the first bytes of a file show that it is no table of text.

    Parameters
    ----------
    path : Path
    head : bytes
        The first few kilobytes.
    expected : str
        What the file should be, e.g. ``"a DeepLabCut csv"``.

    Raises
    ------
    InputError
    """
    again = "download or export it again"
    if not head.strip():
        raise InputError(path, f"is empty, expected {expected}", again)
    for signature, name in _SIGNATURES.items():
        if head.startswith(signature):
            raise InputError(path, f"is {name}, expected {expected}", "check the path and the source in the card")
    if b"\x00" in head:
        raise InputError(path, f"is binary, expected {expected}", "check the path and the source in the card")
    if head.lstrip()[:200].lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise InputError(path, f"is a web page or XML, expected {expected}", again)


def read_text(path: Path, expected: str, encoding: str = "utf-8") -> str:
    """Read a text file whole, as UTF-8 with or without a byte-order mark, or in another encoding.

    Raises
    ------
    InputError
        When it is not text.
    """
    raw = read_bounded(path, limits.TEXT_BYTES)
    limits.require_memory(path, "its text", 8 * len(raw))
    if encoding.lower().replace("-", "").startswith("utf8"):
        refuse_non_text(path, raw[:4096], expected)
    try:
        return raw.decode("utf-8-sig" if encoding.lower() in {"utf-8", "utf8"} else encoding)
    except LookupError as error:
        raise InputError(path, f"there is no encoding {encoding!r}", "write e.g. encoding: cp1252") from error
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        name = "UTF-8" if encoding == "utf-8" else encoding
        raise InputError(
            path,
            f"line {line}: is not {name} text",
            f"save it again as {expected} in UTF-8, or name its encoding in the label options (encoding: cp1252)",
        ) from error


def delimiter_of(header: str) -> str:
    """Return the delimiter of a table by its header: the one of tab, semicolon and comma that it holds most of."""
    return max("\t;,", key=header.count)


def number(text: str) -> float:
    """Read a number with a decimal point or a decimal comma.

    Raises
    ------
    ValueError
        When it is none.
    """
    return float(text.replace(",", ".") if "," in text and "." not in text else text)


def table_rows(text: str, delimiter: str = ",") -> Iterator[tuple[int, list[str]]]:
    """Yield (line number from 1, stripped cells) of a delimited text, blank rows left out."""
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    for row in reader:
        cells = [cell.strip() for cell in row]
        if any(cells):
            yield reader.line_num, cells


def require_full_rows(path: Path, text: str, delimiter: str = ",") -> None:
    """Refuse a table in which a row has not as many cells as the header: pandas takes what is absent for missing.

    A file that was cut off ends in such a row. Empty cells beyond the header are allowed, and so are absent ones below
    empty names at its end.

    Parameters
    ----------
    path : Path
    text : str
        The table, its header in the first line.
    delimiter : str

    Raises
    ------
    InputError
        Names the line.
    """
    if '"' in text:
        reader = csv.reader(io.StringIO(text), delimiter=delimiter)
        header = next(reader, [])
        bounds = _bounds(header)
        wrong = next(((reader.line_num, row) for row in reader if row and not _full(row, bounds)), None)
    else:  # many times faster than csv, which matters for millions of rows
        first, *lines = text.split("\n")
        header = first.rstrip("\r").split(delimiter)
        bounds, commas = _bounds(header), len(header) - 1
        rows = ((k, line.split(delimiter)) for k, line in enumerate(lines, 2) if line.count(delimiter) != commas)
        wrong = next(((k, row) for k, row in rows if any(map(str.strip, row)) and not _full(row, bounds)), None)
    if wrong:
        line, row = wrong
        raise InputError(
            path,
            f"line {line}: has {len(row)} cells, the header {len(header)}",
            "the file may be cut off; download or export it again",
        )


def _bounds(header: list[str]) -> tuple[int, int]:
    """Return the number of columns up to the last that has a name, and of all."""
    named = [place for place, name in enumerate(header, 1) if name.strip()]
    return (named[-1] if named else len(header)), len(header)


def _full(row: list[str], bounds: tuple[int, int]) -> bool:
    """Say whether a row has a cell for every name, and nothing beyond the header."""
    return len(row) >= bounds[0] and not any(map(str.strip, row[bounds[1] :]))


def positive_number(path: Path, line: int, column: str, text: str) -> float:
    """Read a number that is neither negative nor infinite.

    Raises
    ------
    InputError
        When it is not; names the line and the column.
    """
    try:
        value = number(text)
    except ValueError as error:
        raise InputError(
            path, f"line {line}: expected a number under {column}, found {text!r}", "correct it"
        ) from error
    if not math.isfinite(value) or value < 0:
        raise InputError(path, f"line {line}: {column} is {text}, negative or not finite", "correct that row")
    return value


def comma_separated(raw: bytes) -> bytes:
    """Return a csv that a spreadsheet saved with semicolons (and perhaps decimal commas) as one with commas."""
    first = raw.split(b"\n", 1)[0]
    if b";" not in first or b"," in first:
        return raw
    return raw.replace(b",", b".").replace(b";", b",")


SAMPLE_LINES = 2000
"""Lines of a csv that are parsed to recognise it; the others are counted."""


def beginning(raw: bytes, place: int) -> tuple[bytes, int, bytes]:
    """Return the beginning of a csv, its number of rows, and the first cell of its last row.

    Parameters
    ----------
    raw : bytes
        The whole file.
    place : int
        Where its first row of values begins.
    """
    body = raw[place:].rstrip(b"\r\n")
    last = body[body.rfind(b"\n") + 1 :].split(b",", 1)[0].strip()
    end = place
    for _ in range(SAMPLE_LINES):
        end = raw.find(b"\n", end) + 1
        if end == 0:
            end = len(raw)
            break
    return raw[:end], body.count(b"\n") + 1, last
