"""One request: the headers that resume, the body into the part file, and the check of the finished file."""

from __future__ import annotations

import gzip
import logging
import zlib
from pathlib import PurePosixPath

import requests
import urllib3

from workflow_scripts.cards.card import RemoteFile
from workflow_scripts.core.files import CHUNK, atomic_path
from workflow_scripts.fetch import answers
from workflow_scripts.fetch.answers import GiveUp, Retry, WrongFile
from workflow_scripts.fetch.budget import Budget
from workflow_scripts.fetch.partial import Note, Partial, fingerprint
from workflow_scripts.fetch.progress import Progress
from workflow_scripts.fetch.verify import Checked, check, has_checksum

logger = logging.getLogger(__name__)


def attempt(
    session: requests.Session,
    url: str,
    file: RemoteFile,
    part: Partial,
    timeout: tuple[float, float],
    budget: Budget,
) -> Checked:
    """Make one request, append what it brings, and finish the file if that completes and verifies it.

    Parameters
    ----------
    session : requests.Session
        Carries the headers common to all requests.
    url : str
        Where to ask.
    file : RemoteFile
        The card's entry.
    part : Partial
        The locked part file; grows, or is emptied where its bytes turn out to be of no use.
    timeout : tuple of float
        Seconds to connect, and between two pieces of data.
    budget : Budget
        Time, speed and size.

    Returns
    -------
    Checked
        The finished target, as measured.

    Raises
    ------
    Retry, GiveUp, WrongFile
        What to make of a failure.
    InputError
        When the disk is full.
    """
    headers = _resume_headers(url, file, part)
    offset = part.size
    if file.bytes is not None and offset == file.bytes > 0:
        return _finish(file, part, budget, page=False, encoding="")  # killed between the last byte and the check
    try:
        with session.get(url, headers=headers, stream=True, timeout=timeout) as response:
            answers.refuse_status(response)
            if response.status_code == 416:
                _refuse_unsatisfiable(response, file, part)
                return _finish(file, part, budget, page=False, encoding="")
            page, encoding = _receive(response, url, file, part, offset, budget)
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
        raise answers.explain(error, timeout) from error
    return _finish(file, part, budget, page=page, encoding=encoding)


def _resume_headers(url: str, file: RemoteFile, part: Partial) -> dict[str, str]:
    """Ask for the rest of a part file that is of use; empty one that is not."""
    note = part.note()
    usable = (
        note is not None
        and part.size > 0
        and (note.bytes, note.sha256, note.md5) == (file.bytes, file.sha256, file.md5)
        and (file.bytes is None or part.size <= file.bytes)
        # The checksum at the end would show bytes of two different files; without one only the validator can.
        and (has_checksum(file) or (note.url == fingerprint(url) and note.validator is not None))
    )
    if note is None or not usable:
        part.discard()
        return {}
    headers = {"Range": f"bytes={part.size}-"}
    if note.url == fingerprint(url) and note.validator is not None:
        headers["If-Range"] = note.validator
    return headers


def _refuse_unsatisfiable(response: requests.Response, file: RemoteFile, part: Partial) -> None:
    """Let a 416 pass only where it says that nothing is missing."""
    _, total = answers.parse_content_range(response.headers.get("Content-Range", ""))
    if part.size == 0:
        raise GiveUp("the server answered 416 to a request for the whole file")
    if total != part.size and (total is not None or not has_checksum(file)):
        had = part.size
        part.discard()
        raise Retry(f"the server's file ends before byte {had}, where ours stopped; starting over")


def _receive(
    response: requests.Response, url: str, file: RemoteFile, part: Partial, offset: int, budget: Budget
) -> tuple[bool, str]:
    """Append the body to the part file; tell whether it looked like a web page, and its content encoding."""
    note = part.note()
    length = answers.content_length(response)
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    encoding = "" if encoding == "identity" else encoding
    page = answers.is_page_type(response, file.path)
    total: int | None
    if response.status_code == 206:
        first, total = answers.parse_content_range(response.headers.get("Content-Range", ""))
        changed = note is not None and note.url == fingerprint(url) and _differs(response, note)
        if first != offset or changed or encoding or note is None:
            part.discard()
            why = "the file changed on the server" if changed else "the server sent another range than asked for"
            raise Retry(f"{why}; starting over")
        end = total if total is not None else (offset + length if length is not None else None)
    else:
        if page and offset:  # keep what we have: such pages pass, and the file is still there behind them
            raise Retry(answers.WEB_PAGE)
        if page and not has_checksum(file):
            raise WrongFile(answers.WEB_PAGE)
        total = end = length
        if end is None and not (page or encoding):
            end = file.bytes
        if offset:
            logger.info("%s: the server starts the file over", url)
        etag, modified = response.headers.get("ETag"), response.headers.get("Last-Modified")
        part.restart(Note(fingerprint(url), etag, modified, file.bytes, file.sha256, file.md5))
    if file.bytes is not None and not encoding and total not in {None, file.bytes}:
        raise WrongFile(f"{_page_words(page)}expected bytes {file.bytes} but the server offers bytes {total}")
    if not encoding:
        budget.require_size(total or 0)
    try:
        page = _append_body(response, file, part, budget, page=page, encoding=encoding, total=file.bytes or total)
    except Exception:
        if page or encoding:  # neither can be gone on with
            part.discard()
        raise
    if end is not None and part.size < end:
        raise Retry(f"the connection ended after {part.size} of {end} bytes")
    return page, encoding


def _differs(response: requests.Response, note: Note) -> bool:
    """Whether a validator differs; one that is left out, as a 206 may, says nothing."""
    pairs = [(note.etag, response.headers.get("ETag")), (note.last_modified, response.headers.get("Last-Modified"))]
    return any(old and new and old != new for old, new in pairs)


def _append_body(
    response: requests.Response,
    file: RemoteFile,
    part: Partial,
    budget: Budget,
    *,
    page: bool,
    encoding: str,
    total: int | None,
) -> bool:
    fresh = part.size == 0
    budget.begin()
    with Progress(PurePosixPath(file.path).name, total, part.size) as progress:
        # read1 hands over what has come; read would hold back up to a chunk, and lose it when the line goes dead.
        while data := response.raw.read1(CHUNK, decode_content=False):
            if fresh and not encoding:
                fresh = False
                page = page or answers.begins_like_page(data, file.path)
                if page and not has_checksum(file):
                    raise WrongFile(answers.WEB_PAGE)
            if file.bytes is not None and not encoding and part.size + len(data) > file.bytes:
                raise WrongFile(f"{_page_words(page)}expected bytes {file.bytes} but the server sends more")
            if file.bytes is None or encoding:
                budget.require_size(part.size + len(data))
            part.append(data)
            progress.add(len(data))
            budget.count(len(data))
    return page


def _page_words(page: bool) -> str:
    return f"{answers.WEB_PAGE}: " if page else ""


def _finish(file: RemoteFile, part: Partial, budget: Budget, *, page: bool, encoding: str) -> Checked:
    """Verify the part file and turn it into the target, or raise WrongFile."""
    stored_compressed = PurePosixPath(file.path).suffix.lower() in {".gz", ".tgz", ".svgz"}
    checked = check(part.path, file)
    if encoding and (checked.problem or not (has_checksum(file) or stored_compressed)):
        # Sent compressed although we asked for the plain file. Some servers so label files that are stored
        # compressed; only what the card says can tell the two apart, and then the name.
        return _finish_decoded(file, part, encoding, budget)
    if checked.problem:
        raise WrongFile(_page_words(page) + checked.problem)
    part.finish()
    return checked


def _finish_decoded(file: RemoteFile, part: Partial, encoding: str, budget: Budget) -> Checked:
    if encoding not in {"gzip", "x-gzip"}:
        raise GiveUp(f"the server compresses the file ({encoding}) although asked not to")
    limit = file.bytes
    with atomic_path(part.target, read_only=True) as plain:
        try:
            with gzip.open(part.path) as packed, open(plain, "wb") as handle:
                while data := packed.read(CHUNK):
                    if limit is not None and handle.tell() + len(data) > limit:
                        raise WrongFile(f"expected bytes {limit} but the server sends more, compressed")
                    budget.require_size(handle.tell() + len(data))
                    budget.require_time()
                    handle.write(data)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise WrongFile(f"the server sent damaged {encoding} data") from error
        checked = check(plain, file)
        if checked.problem:
            raise WrongFile(checked.problem)
    part.discard()
    return checked
