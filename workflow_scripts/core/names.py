"""File names made from the names that users give."""

from __future__ import annotations

import re


def slugify(identifier: str) -> str:
    """Make a file name of an id: everything but letters, digits, dot, dash and underscore becomes a dash."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", identifier).strip("-.") or "shard"
