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
