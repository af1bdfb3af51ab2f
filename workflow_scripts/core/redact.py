"""Hide credentials in addresses before they reach a message, a log or a record of provenance."""

from __future__ import annotations

import re

HIDDEN = "***"

_URL = re.compile(r"\b([a-zA-Z][a-zA-Z0-9+.-]*://)([^\s'\"<>]+)")
_SECRET = re.compile(
    r"token|secret|sig|pass|pwd|auth|cred|key|session|^sas$|^se$|^code$|^jwt$|^access|^x-amz|^x-goog", re.IGNORECASE
)
_HARMLESS = re.compile(r"^(download|dl|raw|version\w*|v|format|path|files?|name|id|persistentid|page)$", re.IGNORECASE)
_LONG = 20


def _query(text: str) -> str:
    """Hide the values of a query (or fragment) that are named like secrets, or look like them."""
    parts = []
    for pair in text.split("&"):
        name, equals, value = pair.partition("=")
        random = len(value) >= _LONG and not _HARMLESS.match(name)
        bare = not equals and len(name) >= _LONG
        if bare:
            parts.append(HIDDEN)
        elif equals and value and (_SECRET.search(name) or random):
            parts.append(f"{name}={HIDDEN}")
        else:
            parts.append(pair)
    return "&".join(parts)


def _clean(match: re.Match[str]) -> str:
    scheme, rest = match.groups()
    place, mark, query = rest.partition("?")
    before, hash_mark, fragment = (query if mark else place).partition("#")
    if mark:
        query = _query(before)
    else:
        place = before
    authority, slash, path = place.partition("/")
    _, at, host = authority.rpartition("@")
    authority = f"{HIDDEN}@{host}" if at else authority
    tail = f"?{query}" if mark else ""
    tail += f"#{_query(fragment)}" if hash_mark else ""
    return f"{scheme}{authority}{slash}{path}{tail}"


def redact(text: str) -> str:
    """Return `text` with user names, passwords, tokens and signatures of the addresses in it replaced by ``***``.

    Parameters
    ----------
    text : str
        Any text; without ``://`` in it, it comes back as it is.
    """
    return _URL.sub(_clean, text) if "://" in text else text
