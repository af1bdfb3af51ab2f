"""Downloads: a real HTTP server on this machine that misbehaves to order, and what is expected of the files."""

from __future__ import annotations

import gzip
import hashlib
import random
import re
import socket
import stat
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

from workflow_scripts.cards.card import RemoteFile
from workflow_scripts.fetch import Source, fetch

PAGE = b"<!DOCTYPE html><html><body>Please log in</body></html>"


@dataclass
class Request:
    path: str
    range: str | None
    if_range: str | None
    accept_encoding: str | None
    body_bytes: int = 0


Behaviour = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultyServer

    def do_GET(self) -> None:
        self.close_connection = True
        self.request_seen = Request(
            self.path, self.headers["Range"], self.headers["If-Range"], self.headers["Accept-Encoding"]
        )
        with self.server.lock:
            self.server.requests.append(self.request_seen)
            script = self.server.scripts.get(self.path, [status(404)])
            behaviour = script.pop(0) if len(script) > 1 else script[0]
        with suppress(BrokenPipeError, ConnectionResetError):
            behaviour(self)

    def head(self, code: int, headers: dict[str, str | int]) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.send_header("Connection", "close")
        self.end_headers()

    def send(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()
        self.request_seen.body_bytes += len(data)

    def offset(self, etag: str | None = None) -> int:
        """Where the asked range begins; 0 where there is none or its condition fails."""
        asked = re.fullmatch(r"bytes=(\d+)-", self.request_seen.range or "")
        condition = self.request_seen.if_range
        return int(asked[1]) if asked and (condition is None or condition == etag) else 0

    def log_message(self, *args: object) -> None:
        pass


class FaultyServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.requests: list[Request] = []
        self.scripts: dict[str, list[Behaviour]] = {}
        self.release = threading.Event()

    def add(self, path: str, *behaviours: Behaviour) -> str:
        """Answer successive requests in this order; the last one is repeated."""
        self.scripts[path] = list(behaviours)
        return f"http://127.0.0.1:{self.server_address[1]}{path}"


@contextmanager
def running_server() -> Iterator[FaultyServer]:
    with FaultyServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.release.set()
            server.shutdown()
            thread.join()


@dataclass
class Serve:
    """An orderly server, but for what its fields say."""

    data: bytes
    etag: str | None = '"v1"'
    last_modified: str | None = None
    stop_after: int | None = None  # bytes sent before `then`
    then: str = "close"  # close | reset | stall | wait (for server.release, then goes on)
    ranges: bool = True  # False: ignores Range
    honours_if_range: bool = True
    length_lie: int = 0  # added to Content-Length
    range_lie: int = 0  # added to the start of Content-Range
    chunked: bool = False
    piece: int | None = None  # longest answer to a range request
    kind: str = "application/octet-stream"
    headers: dict[str, str] = field(default_factory=dict)

    def __call__(self, handler: Handler) -> None:
        offset = handler.offset(self.etag or self.last_modified) if self.ranges else 0
        if not self.honours_if_range and handler.request_seen.range:
            offset = int(handler.request_seen.range[6:-1])
        total = len(self.data)
        headers: dict[str, str | int] = {"Content-Type": self.kind, **self.headers}
        if self.etag:
            headers["ETag"] = self.etag
        if self.last_modified:
            headers["Last-Modified"] = self.last_modified
        if offset and offset >= total:
            handler.head(416, {"Content-Range": f"bytes */{total}", "Content-Length": 0})
            return
        body = self.data[offset:][: self.piece if offset else None]
        if offset:
            headers["Content-Range"] = f"bytes {offset + self.range_lie}-{offset + len(body) - 1}/{total}"
        if self.chunked:
            headers["Transfer-Encoding"] = "chunked"
        else:
            headers["Content-Length"] = len(body) + self.length_lie
        handler.head(206 if offset else 200, headers)
        cut = len(body) if self.stop_after is None else self.stop_after
        self._send(handler, body[:cut])
        if self.stop_after is None:
            if self.chunked:
                handler.wfile.write(b"0\r\n\r\n")
            return
        if self.then == "reset":
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            time.sleep(0.05)  # let the bytes arrive before the reset drops what is under way
            handler.connection.close()
        elif self.then in {"stall", "wait"}:
            handler.server.release.wait(10)
            if self.then == "wait":
                self._send(handler, body[cut:])

    def _send(self, handler: Handler, data: bytes) -> None:
        if not self.chunked:
            handler.send(data)
            return
        for start in range(0, len(data), 7000):
            piece = data[start : start + 7000]
            handler.send(b"%x\r\n%s\r\n" % (len(piece), piece))


def status(code: int, **headers: str) -> Behaviour:
    def answer(handler: Handler) -> None:
        handler.head(code, {"Content-Length": 0, **{name.replace("_", "-"): value for name, value in headers.items()}})

    return answer


def page(kind: str = "text/html; charset=utf-8", data: bytes = PAGE) -> Behaviour:
    return Serve(data, kind=kind, ranges=False, etag=None)


def gzipped(data: bytes) -> Behaviour:
    """Compress although asked not to."""
    return Serve(gzip.compress(data), headers={"Content-Encoding": "gzip"})


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


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
