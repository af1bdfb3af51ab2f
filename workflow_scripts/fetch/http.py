"""Make one remote file whole: mirrors first, then its addresses, resuming what an earlier attempt left.

Range requests, validators and statuses follow RFC 9110; the waits between attempts are exponential with full
jitter, so that many jobs that failed together do not come back together.
"""

from __future__ import annotations

import logging
import os
import random
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests

from workflow_scripts import __version__
from workflow_scripts.cards.card import RemoteFile
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.files import CHUNK, explain_os_error
from workflow_scripts.core.redact import redact
from workflow_scripts.fetch.answers import GiveUp, Retry, WrongFile
from workflow_scripts.fetch.budget import Budget, Limits
from workflow_scripts.fetch.mirrors import take_from_mirror
from workflow_scripts.fetch.partial import Partial, lock_partial
from workflow_scripts.fetch.transfer import attempt
from workflow_scripts.fetch.verify import Checked, Source, check, has_checksum

logger = logging.getLogger(__name__)

BACKOFF_SECONDS = 1.0
LONGEST_BACKOFF_SECONDS = 60.0
LONGEST_RETRY_AFTER_SECONDS = 600.0
LOCK_WAIT_SECONDS = 3600.0
MAX_REDIRECTS = 10

Sleep = Callable[[float], object]


@dataclass(frozen=True)
class _Patience:
    attempts: int
    timeout: tuple[float, float]
    sleep: Sleep
    rng: random.Random
    budget: Budget


def fetch(
    file: RemoteFile,
    target: Path,
    *,
    mirrors: Sequence[Path],
    mirror_name: str,
    folder: Path | None = None,
    attempts: int = 5,
    timeout: tuple[float, float] = (10, 30),
    sleep: Sleep = time.sleep,
    rng: random.Random | None = None,
    lock_wait: float = LOCK_WAIT_SECONDS,
    allow_unverified: bool = False,
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> Source:
    """Make `target` whole, verified and read-only, from a mirror or from the public addresses.

    Parameters
    ----------
    file : RemoteFile
        The card's entry: path, urls, and what is known of size and checksums.
    target : Path
        The file to make; while incomplete it is `<target>.part`, which the next run goes on with.
    mirrors : sequence of Path
        Local folders tried first, as `<mirror>/<mirror_name>/<file.path>`, or as `<mirror>/<file.path>` where the
        mirror's own name is `mirror_name`.
    mirror_name : str
        Name of the dataset's folder in a mirror.
    folder : Path, optional
        A folder of this dataset alone, tried before the mirrors as `<folder>/<file.path>`.
    attempts : int
        Attempts at each url; one that brought at least 1 MiB of new data does not count.
    timeout : tuple of float
        Seconds to connect, and between two pieces of data.
    sleep : callable
        Waits for the given number of seconds.
    rng : random.Random
        Draws the jitter of the waits.
    lock_wait : float
        Seconds to wait for another process that is downloading the same file.
    allow_unverified : bool
        Take a file for which the card has no checksum; one of the card's own `folder` needs none.
    limits : Limits
        Time, speed and size.

    Returns
    -------
    Source
        Where the file came from.

    Raises
    ------
    InputError
        When no mirror and no url gives the file, or it cannot be written.
    """
    if not has_checksum(file):
        if not allow_unverified and not (folder is not None and (folder / file.path).is_file()):
            raise InputError(
                target,
                "has no checksum in its card, so a changed or replaced file would not be noticed",
                "write sha256 (or md5) in the card, or set download: {allow_unverified: true} in the configuration",
            )
        logger.warning("%s: the card gives no checksum, so the file's content cannot be verified", target)
    kept = _keep(file, target)
    if kept is not None:
        return kept
    try:
        before = _identity(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        with lock_partial(target, wait=lock_wait, sleep=sleep) as part:
            if _identity(target) != before:  # made by the process we waited for
                checked = check(target, file)
                if not checked.problem:
                    return checked.source("kept", str(target), file)
            source = take_from_mirror(file, target, mirrors, mirror_name, folder)
            if isinstance(source, Source):
                part.discard()
                return source
            troubles = [source] if source else []
            jitter = rng or random.Random()  # noqa: S311 - jitter
            patience = _Patience(attempts, timeout, sleep, jitter, limits.starting_now(part.target.parent, file))
            return _from_urls(file, part, troubles, patience)
    except OSError as error:
        raise explain_os_error(error, target) from error


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def _keep(file: RemoteFile, target: Path) -> Source | None:
    """Keep a target that is already right; one without a checksum cannot be known from an old version."""
    try:
        if not (has_checksum(file) and target.is_file()):
            return None
        checked = check(target, file)
        if checked.problem:
            logger.warning("%s: %s; it is fetched again", target, checked.problem)
            return None
        status = target.stat()
        if status.st_mode & 0o222 and status.st_uid == os.geteuid():
            target.chmod(0o444)
    except OSError as error:
        raise InputError(
            target, f"cannot be read ({error.strerror})", "remove it or correct its permissions"
        ) from error
    return checked.source("kept", str(target), file)


def _from_urls(file: RemoteFile, part: Partial, troubles: list[str], patience: _Patience) -> Source:
    with requests.Session() as session:
        session.trust_env = False  # else ~/.netrc is read, and its passwords are sent
        session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
        session.max_redirects = MAX_REDIRECTS
        # A file must arrive as it is stored: with a content encoding, ranges and lengths count other bytes.
        session.headers.update({"Accept-Encoding": "identity", "User-Agent": f"ethomake/{__version__}"})
        for url in file.urls:
            shown = redact(url)  # as the card has it: the values of ${NAME} are not in it
            try:
                address = with_secrets(url)
                _require_web_address(address)
                session.proxies = requests.utils.get_environ_proxies(address, no_proxy=None)
                checked = _download(session, address, file, part, patience)
            except GiveUp as error:
                logger.warning("%s: %s", shown, error)
                troubles.append(f"{shown}: {error}")
            else:
                logger.info("%s: downloaded from %s", part.target.name, shown)
                return checked.source("url", shown, file)
    raise InputError(
        part.target,
        f"could not be fetched ({'; '.join(troubles) or 'no mirror has it and the card gives no address'})",
        f"check the network and the card, or put the file into a mirror folder as <mirror>/<dataset>/{file.path}",
    )


def with_secrets(url: str) -> str:
    """Replace each ``${NAME}`` of a url by the environment variable of that name, so that a card holds no password.

    Raises
    ------
    GiveUp
        When a variable is not set.
    """

    def value(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise GiveUp(f"the environment variable {match[1]} is not set")
        return os.environ[match[1]]

    return re.sub(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", value, url)


def _require_web_address(url: str) -> None:
    try:
        scheme = urlsplit(url).scheme
    except ValueError as error:
        raise GiveUp(f"is not a valid address ({error})") from error
    if scheme not in {"http", "https"}:
        raise GiveUp("is neither an http nor an https address")


def _download(session: requests.Session, url: str, file: RemoteFile, part: Partial, patience: _Patience) -> Checked:
    """Attempt one url until the file is there; raises GiveUp when it is not worth going on."""
    failures, largest = 0, part.size
    wrong: set[str] = set()
    while True:
        wait = 0.0
        resumed = part.size > 0
        try:
            return attempt(session, url, file, part, patience.timeout, patience.budget)
        except WrongFile as error:
            reason = str(error)
            part.discard()
            if reason in wrong:  # the same wrong file twice is no accident on the way
                raise GiveUp(reason) from error
            if not resumed:
                wrong.add(reason)
        except Retry as error:
            reason, wait = redact(str(error)), error.wait
        grew = part.size >= largest + CHUNK
        resume_was_in_vain = resumed and part.size == 0  # the next attempt is the first true one
        if not (grew or resume_was_in_vain):
            failures += 1
        largest = max(largest, part.size)
        if failures >= patience.attempts:
            raise GiveUp(f"{reason} (attempts: {failures})")
        if wait > LONGEST_RETRY_AFTER_SECONDS:
            raise GiveUp(f"{reason} and asks to be left alone for {wait:.0f} s")
        ceiling = min(LONGEST_BACKOFF_SECONDS, BACKOFF_SECONDS * 2.0**failures)
        wait = max(wait, patience.rng.uniform(0, ceiling))
        patience.budget.require_time(wait)
        logger.info("%s: %s; next attempt in %.1f s", redact(url), reason, wait)
        patience.sleep(wait)
