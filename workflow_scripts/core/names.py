"""File names made from the names that users give."""

from __future__ import annotations

import hashlib
import re
import unicodedata

SAFE = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?")
"""Names that are file names as they are."""

LONGEST = 180
"""Characters of a file name; the file systems in use allow 255 bytes, and writers need some for a suffix."""

_KEPT = 60
_DIGEST = re.compile(r".*--[0-9a-f]{10}", re.DOTALL)


def normal(identifier: str) -> str:
    """Return the composed form (NFC) of a name, so that one name written in two ways is one name."""
    return unicodedata.normalize("NFC", identifier)


def slugify(identifier: str) -> str:
    """Make a file name of an id, a different one for every id.

    A name of letters a to z, digits, dot, dash and underscore stays as it is. Of every other one, what is readable is
    kept, and ten digits of the sha256 of the whole follow: `a/b` and `a-b`, and two names in Japanese, stay apart.

    Parameters
    ----------
    identifier : str
        Any text; two spellings of one text (NFC, NFD) are the same.

    Returns
    -------
    str
        Matches ``[A-Za-z0-9._-]+``, has at most `LONGEST` characters, and begins and ends with none of ``.-``.
    """
    name = normal(identifier)
    # A safe name that looks like a changed one is changed too, or somebody could write the name of another.
    if SAFE.fullmatch(name) and len(name) <= LONGEST and not _DIGEST.fullmatch(name):
        return name
    digits = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:_KEPT].strip("-.")
    return f"{readable or 'name'}--{digits}"


LONGEST_NAME = 500
"""Characters of a name of a recording, animal, point, task or class."""


_FORMULA = re.compile(r"[=+@]|-.*[(|!+*/=]", re.DOTALL)


def plain_cell(text: str) -> str:
    """Return a cell of a csv as no spreadsheet takes it for a formula: with an apostrophe before it, where needed."""
    return f"'{text}" if _FORMULA.match(text.lstrip()) or text[:1] in {"\t", "\r"} else text


def control_character(text: str) -> str:
    """Say which control character or half character a text holds; empty where it holds none."""
    for character in text:
        if unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}:
            return f"holds the control character U+{ord(character):04X}"
    return ""


def why_no_name(name: str) -> str:
    """Say in words why a text cannot name a recording, an animal, a point, a task or a class; empty where it can.

    A line break would write lines of its own into tables, YAML and logs; half a character cannot be written at all.
    """
    if not name.strip():
        return "is empty"
    if len(name) > LONGEST_NAME:
        return f"has {len(name)} characters, and {LONGEST_NAME} are allowed"
    if _FORMULA.match(name):
        return f"begins with {name[0]!r}, which a spreadsheet would take for a formula"
    return control_character(name)
