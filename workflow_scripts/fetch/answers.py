"""Reading what a server says: status, ranges, waits, web pages where data should be, and broken connections."""

from __future__ import annotations

import email.utils
import re
from datetime import UTC, datetime
from pathlib import PurePosixPath

import requests
import urllib3

WEB_PAGE = "the server answered with a web page"

_PAGE_TYPES = {"text/html", "application/xhtml+xml"}
_PAGE_SUFFIXES = {".html", ".htm", ".xhtml"}
_PAGE_START = re.compile(rb"\s*(<!--.*?-->\s*)*<(!doctype\s+html|html|head)\b", re.IGNORECASE | re.DOTALL)
_CONTENT_RANGE = re.compile(r"bytes\s+(?:(\d+)-(\d+)|\*)/(\d+|\*)", re.IGNORECASE)


class Retry(Exception):  # noqa: N818 - a decision, not an error
    """The attempt failed, another may not; `wait` is what the server asked for, in seconds."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        self.wait = wait
        super().__init__(reason)


class GiveUp(Exception):  # noqa: N818 - a decision, not an error
    """The address will not help; the next one may."""


class WrongFile(Exception):  # noqa: N818 - a decision, not an error
    """The server has sent, or offers, something else than the card describes."""


def parse_content_range(value: str) -> tuple[int | None, int | None]:
    """Read `Content-Range` as (first byte, total bytes), None for what it does not say."""
    match = _CONTENT_RANGE.fullmatch(value.strip())
    if match is None:
        return None, None
    first, _, total = match.groups()
    return (int(first) if first else None), (int(total) if total != "*" else None)


def parse_retry_after(value: str | None) -> float:
    """Seconds a `Retry-After` header asks for: a number or a date; 0 where it is absent or unreadable."""
    if not value:
        return 0.0
    if value.strip().isdigit():
        return float(value)
    try:
        until = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())


def content_length(response: requests.Response) -> int | None:
    """Bytes of the body as the server declares them; None where it does not, or not in plain digits."""
    value = response.headers.get("Content-Length", "").strip()
    return int(value) if value.isdigit() else None


def is_page_type(response: requests.Response, path: str) -> bool:
    """Whether the server calls the body a web page where the file at `path` is none."""
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return kind in _PAGE_TYPES and PurePosixPath(path).suffix.lower() not in _PAGE_SUFFIXES


def begins_like_page(data: bytes, path: str) -> bool:
    """Whether the first bytes are those of a web page where the file at `path` is none."""
    return bool(_PAGE_START.match(data[:1024])) and PurePosixPath(path).suffix.lower() not in _PAGE_SUFFIXES


def refuse_status(response: requests.Response) -> None:
    """Sort the statuses that bring no file into those worth another attempt and those that are not.

    Raises
    ------
    Retry
        For 408, 425, 429 and 5xx, with the wait the server asks for.
    GiveUp
        For every other one but 200, 206 and 416.
    """
    status = response.status_code
    if status in {200, 206, 416}:
        return
    said = f"the server answered {status} {response.reason or ''}".strip()
    if status in {408, 425, 429} or status >= 500:
        raise Retry(said, parse_retry_after(response.headers.get("Retry-After")))
    raise GiveUp(said)


def explain(error: Exception, timeout: tuple[float, float]) -> Retry | GiveUp:
    """Put an error of requests or urllib3 in words, and say whether another attempt makes sense.

    Parameters
    ----------
    error : Exception
        What was raised while connecting or reading.
    timeout : tuple of float
        Seconds to connect, and between two pieces of data.
    """
    decided: dict[type[Exception], str] = {
        requests.exceptions.TooManyRedirects: "the server redirects in a circle",
        requests.exceptions.InvalidSchema: "redirects to an address that is neither http nor https",
        requests.exceptions.InvalidURL: "is not a valid address",
        requests.exceptions.MissingSchema: "is not a valid address",
        requests.exceptions.SSLError: "the server's certificate is not accepted",
    }
    for kind, words in decided.items():
        if isinstance(error, kind):
            return GiveUp(words)
    text = repr(error)
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return Retry(f"no connection within {timeout[0]:g} s")
    if isinstance(error, requests.exceptions.Timeout | urllib3.exceptions.TimeoutError):
        return Retry(f"no data for {timeout[1]:g} s")
    if "NameResolutionError" in text:
        return Retry("the server's name cannot be resolved (is there a network?)")
    if "NewConnectionError" in text:
        return Retry("the server cannot be reached")
    if "IncompleteRead" in text or "InvalidChunkLength" in text:
        return Retry("the connection ended before the file did")
    return Retry(f"the connection broke ({type(error).__name__})")
