"""What the tests of downloads share."""

import random
import stat
import sys
import time
from pathlib import Path

import numpy as np
from faulty_server import sha256

from workflow_scripts.cards.card import RemoteFile
from workflow_scripts.fetch import Source, fetch

DATA = np.random.default_rng(0).bytes(300_000)
OTHER = np.random.default_rng(1).bytes(300_000)
CUT = 120_000


class Sleeper(list[float]):
    """Waits not at all, and remembers how long it should have."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def remote(*urls: str, checksum: bool = True, size: bool = False, path: str = "set/tracks.csv") -> RemoteFile:
    return RemoteFile(
        path=path, urls=list(urls), sha256=sha256(DATA) if checksum else None, bytes=len(DATA) if size else None
    )


def get(file: RemoteFile, target: Path, mirrors: list[Path] | None = None, **options: object) -> Source:
    settings: dict[str, object] = {
        "timeout": (2, 0.4),
        "sleep": Sleeper(),
        "rng": random.Random(0),
        "allow_unverified": True,
    }
    settings |= options
    return fetch(file, target, mirrors=mirrors or [], mirror_name="rats", **settings)  # type: ignore[arg-type]


def assert_whole(target: Path, data: bytes = DATA) -> None:
    assert target.read_bytes() == data
    assert stat.S_IMODE(target.stat().st_mode) == 0o444
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def assert_nothing(target: Path) -> None:
    assert not target.exists()
    assert list(target.parent.iterdir()) == []


PROGRAM = """
import logging, resource, sys
from pathlib import Path
from workflow_scripts.cards.card import RemoteFile
from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.fetch import fetch
limit, log = int(sys.argv[4]), sys.argv[5]
if log:
    logging.basicConfig(filename=log, level=logging.INFO)
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    print(fetch(RemoteFile(path="f", urls=[sys.argv[1]], sha256=sys.argv[3]), Path(sys.argv[2]),
                mirrors=[], mirror_name="rats", timeout=(5, 10)).kind)
except EthoMakeError as error:
    sys.exit(f"one sentence: {error}")
"""


def fetching(url: str, target: Path, *, file_size_limit: int = 0, log: Path | str = "") -> list[str]:
    return [sys.executable, "-c", PROGRAM, url, str(target), sha256(DATA), str(file_size_limit), str(log)]


def wait_for_words(path: Path, words: str) -> None:
    deadline = time.monotonic() + 15
    while not (path.exists() and words in path.read_text()):
        assert time.monotonic() < deadline, f"{path} never said {words!r}"
        time.sleep(0.02)


def wait_for_bytes(path: Path, size: int) -> None:
    deadline = time.monotonic() + 15
    while not (path.exists() and path.stat().st_size >= size):
        assert time.monotonic() < deadline, f"{path} never reached {size} bytes"
        time.sleep(0.02)
