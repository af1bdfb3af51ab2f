import gzip
import hashlib
import json
import logging
import os
import random
import stat
import subprocess
import sys
import tempfile
import termios
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import numpy as np
import pytest
from faulty_server import FaultyServer, Serve, gzipped, page, sha256, status

from workflow_scripts.cards import RemoteFile
from workflow_scripts.errors import InputError
from workflow_scripts.fetch import Source, fetch, partial
from workflow_scripts.fetch.partial import part_path

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
    settings: dict[str, object] = {"timeout": (2, 0.4), "sleep": Sleeper(), "rng": random.Random(0), **options}
    return fetch(file, target, mirrors=mirrors or [], mirror_name="rats", **settings)  # type: ignore[arg-type]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "resources" / "tracks.csv"


def assert_whole(target: Path, data: bytes = DATA) -> None:
    assert target.read_bytes() == data
    assert stat.S_IMODE(target.stat().st_mode) == 0o444
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def assert_nothing(target: Path) -> None:
    assert not target.exists()
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("checksum", [True, False])
@pytest.mark.parametrize("chunked", [True, False])
def test_plain_download(server: FaultyServer, target: Path, checksum: bool, chunked: bool) -> None:
    url = server.add("/f", Serve(DATA, chunked=chunked))
    source = get(remote(url, checksum=checksum), target)
    assert source == Source("url", url, len(DATA), sha256(DATA), verified=checksum)
    assert_whole(target)
    assert server.requests[0].accept_encoding == "identity"


def test_a_verified_file_is_kept_without_a_request(server: FaultyServer, target: Path) -> None:
    file = remote(server.add("/f", Serve(DATA)))
    get(file, target)
    target.chmod(0o644)
    assert get(file, target).kind == "kept"
    assert len(server.requests) == 1
    assert_whole(target)


def test_a_changed_file_is_fetched_again(server: FaultyServer, target: Path) -> None:
    target.parent.mkdir(parents=True)
    target.write_bytes(b"edited")
    assert get(remote(server.add("/f", Serve(DATA))), target).kind == "url"
    assert_whole(target)


@pytest.mark.parametrize("then", ["close", "reset", "stall"])
@pytest.mark.parametrize("size", [True, False])
def test_a_broken_connection_is_resumed(server: FaultyServer, target: Path, then: str, size: bool) -> None:
    url = server.add("/f", Serve(DATA, stop_after=CUT, then=then), Serve(DATA))
    get(remote(url, size=size), target)
    assert_whole(target)
    second = server.requests[1]
    assert (second.range, second.if_range) == (f"bytes={CUT}-", '"v1"')
    assert second.body_bytes == len(DATA) - CUT


def test_a_chunked_body_cut_short_is_resumed(server: FaultyServer, target: Path) -> None:
    url = server.add("/f", Serve(DATA, stop_after=CUT, chunked=True), Serve(DATA))
    get(remote(url, checksum=False), target)
    assert_whole(target)
    assert server.requests[1].range == f"bytes={CUT}-"


def test_a_server_that_ignores_ranges_starts_over(server: FaultyServer, target: Path) -> None:
    url = server.add("/f", Serve(DATA, stop_after=CUT), Serve(DATA, ranges=False))
    get(remote(url), target)
    assert_whole(target)
    assert server.requests[1].body_bytes == len(DATA)


@pytest.mark.parametrize("checksum", [True, False])
@pytest.mark.parametrize("honours_if_range", [True, False])
def test_a_file_that_changes_on_the_server_starts_over(
    server: FaultyServer, target: Path, checksum: bool, honours_if_range: bool
) -> None:
    new = Serve(DATA, etag='"v2"', honours_if_range=honours_if_range)
    url = server.add("/f", Serve(OTHER, stop_after=CUT), new)
    get(remote(url, checksum=checksum), target, attempts=2)
    assert_whole(target)


def test_last_modified_serves_where_the_etag_is_weak(server: FaultyServer, target: Path) -> None:
    day = "Mon, 06 Jan 2020 10:00:00 GMT"
    url = server.add("/f", Serve(DATA, 'W/"x"', day, stop_after=CUT), Serve(DATA, None, day))
    get(remote(url, checksum=False), target)
    assert_whole(target)
    assert server.requests[1].if_range == day


def test_nothing_is_resumed_without_validator_and_checksum(server: FaultyServer, target: Path) -> None:
    url = server.add("/f", Serve(OTHER, etag=None, stop_after=CUT), Serve(DATA, etag=None))
    get(remote(url, checksum=False), target)
    assert_whole(target)
    assert server.requests[1].range is None


def test_a_wrong_content_range_starts_over(server: FaultyServer, target: Path) -> None:
    url = server.add("/f", Serve(DATA, stop_after=CUT), Serve(DATA, range_lie=-10))
    get(remote(url, checksum=False), target)
    assert_whole(target)
    assert [request.range for request in server.requests] == [None, f"bytes={CUT}-", None]


def test_416_on_a_whole_part_file_is_verified_and_taken(server: FaultyServer, target: Path) -> None:
    # The first server declares more than it has: all bytes come, and the connection ends too early.
    url = server.add("/f", Serve(DATA, length_lie=50), Serve(DATA))
    get(remote(url), target)
    assert_whole(target)
    assert server.requests[1].range == f"bytes={len(DATA)}-"
    assert len(server.requests) == 2


@pytest.mark.parametrize("checksum", [True, False])
def test_416_on_a_part_file_that_is_too_long_starts_over(server: FaultyServer, target: Path, checksum: bool) -> None:
    url = server.add("/f", Serve(OTHER + b"more", length_lie=50), Serve(DATA))
    get(remote(url, checksum=checksum), target)
    assert_whole(target)
    assert [request.range for request in server.requests] == [None, f"bytes={len(OTHER) + 4}-", None]


def test_a_server_that_gives_ranges_in_pieces_is_asked_again(server: FaultyServer, target: Path) -> None:
    url = server.add("/f", Serve(DATA, stop_after=CUT), Serve(DATA, piece=70_000))
    get(remote(url, checksum=False), target)
    assert_whole(target)
    assert [request.range for request in server.requests[1:]] == [f"bytes={CUT + k * 70_000}-" for k in range(3)]


def test_a_body_without_length_is_resumed_up_to_the_known_size(server: FaultyServer, target: Path) -> None:
    url = server.add("/f", Serve(DATA[:CUT], chunked=True), Serve(DATA))
    get(remote(url, checksum=False, size=True), target)
    assert_whole(target)
    assert server.requests[1].body_bytes == len(DATA) - CUT


@pytest.mark.parametrize("lie", [-1000, 1000])
@pytest.mark.parametrize("size", [True, False])
def test_a_lie_about_the_length_is_found(server: FaultyServer, target: Path, lie: int, size: bool) -> None:
    url = server.add("/f", Serve(DATA, length_lie=lie, ranges=False))
    with pytest.raises(InputError) as caught:
        get(remote(url, size=size), target, attempts=2)
    assert not target.exists()
    if size:
        assert f"expected bytes {len(DATA)} but the server offers bytes {len(DATA) + lie}" in str(caught.value)
    elif lie < 0:
        assert sha256(DATA[:lie]) in str(caught.value)
    else:
        assert "the connection ended before the file did" in str(caught.value)


def test_an_endless_body_is_stopped_at_the_known_size(server: FaultyServer, target: Path) -> None:
    url = server.add("/f", Serve(DATA + OTHER * 20, chunked=True))
    with pytest.raises(InputError, match=f"expected bytes {len(DATA)} but the server sends more"):
        get(remote(url, size=True), target)
    assert_nothing(target)


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/octet-stream"])
@pytest.mark.parametrize("checksum", [True, False])
@pytest.mark.parametrize("size", [True, False])
def test_a_web_page_in_place_of_the_file(
    server: FaultyServer, target: Path, kind: str, checksum: bool, size: bool
) -> None:
    url = server.add("/f", page(kind))
    with pytest.raises(InputError) as caught:
        get(remote(url, checksum=checksum, size=size), target)
    if kind.startswith("text/html") or not size:
        assert "the server answered with a web page" in str(caught.value)
    assert_nothing(target)


def test_a_passing_web_page_does_not_cost_the_bytes_held(server: FaultyServer, target: Path) -> None:
    url = server.add("/f", Serve(DATA, stop_after=CUT), page(), Serve(DATA))
    get(remote(url), target)
    assert_whole(target)
    assert server.requests[2].body_bytes == len(DATA) - CUT


def test_a_file_that_is_html_may_be_a_web_page(server: FaultyServer, tmp_path: Path) -> None:
    target = tmp_path / "notes.html"
    get(RemoteFile(path="notes.html", urls=[server.add("/f", page())]), target)
    assert target.read_bytes().startswith(b"<!DOCTYPE")


def test_503_waits_as_long_as_the_server_asks(server: FaultyServer, target: Path) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    url = server.add("/f", status(503, Retry_After="7"), status(429, Retry_After=later), status(500), Serve(DATA))
    sleeper = Sleeper()
    get(remote(url), target, sleep=sleeper)
    assert_whole(target)
    assert sleeper[0] == 7
    assert 80 < sleeper[1] <= 90
    assert 0 <= sleeper[2] <= 8


def test_a_wait_beyond_reason_moves_on(server: FaultyServer, target: Path) -> None:
    urls = server.add("/busy", status(503, Retry_After="86400")), server.add("/f", Serve(DATA))
    sleeper = Sleeper()
    assert get(remote(*urls), target, sleep=sleeper).address == urls[1]
    assert not sleeper


def test_the_waits_grow_and_are_jittered(server: FaultyServer, target: Path) -> None:
    url = server.add("/f", status(500))
    first, second = Sleeper(), Sleeper()
    for seed, sleeper in ((0, first), (1, second)):
        with pytest.raises(InputError, match="the server answered 500"):
            get(remote(url), target, attempts=8, sleep=sleeper, rng=random.Random(seed))
    assert len(server.requests) == 16
    assert first != second
    assert all(wait <= min(60, 2.0 ** (k + 1)) for waits in (first, second) for k, wait in enumerate(waits))
    assert max(first + second) > 8


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_a_refusal_moves_on_at_once(server: FaultyServer, target: Path, code: int) -> None:
    urls = server.add("/gone", status(code)), server.add("/f", Serve(DATA))
    sleeper = Sleeper()
    assert get(remote(*urls), target, sleep=sleeper).address == urls[1]
    assert [request.path for request in server.requests] == ["/gone", "/f"]
    assert not sleeper


def test_redirects(server: FaultyServer, target: Path) -> None:
    server.add("/real", Serve(DATA, stop_after=CUT), Serve(DATA))
    url = server.add("/f", status(302, Location="/real"))
    assert get(remote(url), target).address == url
    assert_whole(target)
    assert server.requests[-1].body_bytes == len(DATA) - CUT


@pytest.mark.parametrize(
    ("location", "words"), [("/f", "redirects in a circle"), ("file:///etc/hostname", "neither http nor https")]
)
def test_bad_redirects(server: FaultyServer, target: Path, location: str, words: str) -> None:
    url = server.add("/f", status(302, Location=location))
    with pytest.raises(InputError, match=words):
        get(remote(url), target)
    assert_nothing(target)


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/f", "http://", "http://[::1", "nonsense"])
def test_other_addresses_are_refused(target: Path, url: str) -> None:
    with pytest.raises(InputError, match="address"):
        get(remote(url), target, attempts=1)
    assert_nothing(target)


def test_a_server_that_is_not_there(target: Path) -> None:
    with pytest.raises(InputError, match="cannot be reached") as caught:
        get(remote("http://127.0.0.1:1/f"), target, attempts=2)
    assert "Traceback" not in str(caught.value)
    assert str(caught.value).count("\n") == 0


def test_a_wrong_checksum_names_both_and_moves_on(server: FaultyServer, target: Path) -> None:
    urls = server.add("/old", Serve(OTHER)), server.add("/older", Serve(OTHER))
    with pytest.raises(InputError) as caught:
        get(remote(*urls), target)
    assert f"expected sha256 {sha256(DATA)} but found sha256 {sha256(OTHER)}" in str(caught.value)
    assert [request.path for request in server.requests] == ["/old", "/old", "/older", "/older"]
    assert_nothing(target)


def test_damage_on_the_way_is_mended_by_another_attempt(server: FaultyServer, target: Path) -> None:
    url = server.add("/f", Serve(DATA[:-1] + b"x"), Serve(DATA))
    get(remote(url), target)
    assert_whole(target)


def test_md5_is_compared(server: FaultyServer, target: Path) -> None:
    url = server.add("/f", Serve(OTHER))
    md5 = hashlib.md5(DATA, usedforsecurity=False).hexdigest()
    with pytest.raises(InputError, match=f"expected md5 {md5}"):
        get(RemoteFile(path="a.csv", urls=[url], md5=md5), target)


def test_a_card_without_checksum_is_warned_of(
    server: FaultyServer, target: Path, caplog: pytest.LogCaptureFixture
) -> None:
    get(remote(server.add("/f", Serve(DATA)), checksum=False), target)
    assert "cannot be verified" in caplog.text


def test_another_url_goes_on_where_the_first_broke_for_good(server: FaultyServer, target: Path) -> None:
    urls = server.add("/a", Serve(DATA, stop_after=CUT), status(404)), server.add("/b", Serve(DATA, '"b"'))
    get(remote(*urls), target)
    assert_whole(target)
    assert server.requests[-1].body_bytes == len(DATA) - CUT


def test_bytes_of_a_wrong_file_do_not_spoil_the_next_url(server: FaultyServer, target: Path) -> None:
    urls = server.add("/a", Serve(OTHER, stop_after=CUT), status(404)), server.add("/b", Serve(DATA, '"b"'))
    get(remote(*urls), target, attempts=1)
    assert_whole(target)


def test_compressed_answers_do_not_corrupt(server: FaultyServer, target: Path) -> None:
    for name, checksum in (("a.csv", True), ("b.csv", False)):
        path = target.with_name(name)
        get(remote(server.add("/" + name, gzipped(DATA)), checksum=checksum), path)
        assert path.read_bytes() == DATA


@pytest.mark.parametrize("checksum", [True, False])
def test_a_stored_gz_labelled_as_encoded_is_kept_packed(server: FaultyServer, tmp_path: Path, checksum: bool) -> None:
    packed = gzip.compress(DATA, mtime=0)
    url = server.add("/f", Serve(packed, headers={"Content-Encoding": "gzip"}))
    get(RemoteFile(path="a.csv.gz", urls=[url], sha256=sha256(packed) if checksum else None), tmp_path / "a.csv.gz")
    assert (tmp_path / "a.csv.gz").read_bytes() == packed


def test_an_empty_file(server: FaultyServer, target: Path) -> None:
    url = server.add("/f", Serve(b""))
    get(RemoteFile(path="e", urls=[url], bytes=0, sha256=sha256(b"")), target)
    assert_whole(target, b"")


def test_progress_does_not_use_up_attempts(server: FaultyServer, target: Path) -> None:
    big = np.random.default_rng(2).bytes(5 << 20)
    url = server.add("/f", Serve(big, stop_after=(1 << 20) + 10))
    get(RemoteFile(path="big", urls=[url], sha256=sha256(big)), target, attempts=1)
    assert_whole(target, big)


def test_quarters_are_logged_where_there_is_no_terminal(
    server: FaultyServer, target: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    big = np.random.default_rng(2).bytes(8 << 20)
    get(RemoteFile(path="big", urls=[server.add("/f", Serve(big))], sha256=sha256(big)), target)
    for word in ("downloading", "25 %", "50 %", "75 %", "100 %"):
        assert caplog.text.count(word) == 1, word
    assert capsys.readouterr().err == ""


def test_a_bar_is_drawn_on_a_terminal(server: FaultyServer, target: Path) -> None:
    url = server.add("/f", Serve(DATA))
    leader, follower = os.openpty()
    termios.tcsetwinsize(follower, (24, 100))
    try:
        subprocess.run(fetching(url, target), stderr=follower, check=True, timeout=20)
        assert b"100%" in os.read(leader, 65536)
    finally:
        os.close(leader)
        os.close(follower)


# Mirrors


def place(root: Path, data: bytes) -> Path:
    path = root / "set" / "tracks.csv"
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    return path


def test_a_mirror_comes_before_the_urls(server: FaultyServer, target: Path, tmp_path: Path) -> None:
    original = place(tmp_path / "mirror" / "rats", DATA)
    source = get(remote(server.add("/f", Serve(DATA))), target, [tmp_path / "mirror"])
    assert source == Source("mirror", str(original), len(DATA), sha256(DATA), verified=True)
    assert_whole(target)
    assert not server.requests
    assert stat.S_IMODE(original.stat().st_mode) & 0o200


def test_a_mirror_may_be_the_datasets_own_folder(target: Path, tmp_path: Path) -> None:
    place(tmp_path / "rats", DATA)
    place(tmp_path / "mice", OTHER)
    assert get(remote(), target, [tmp_path / "mice", tmp_path / "rats"]).kind == "mirror"
    assert_whole(target)


def test_a_dataset_may_have_a_folder_of_its_own(target: Path, tmp_path: Path) -> None:
    place(tmp_path / "mirror" / "rats", OTHER)
    original = place(tmp_path / "any name", DATA)
    assert get(remote(checksum=False), target, [tmp_path / "mirror"], folder=tmp_path / "any name").address == str(
        original
    )
    assert_whole(target)


def test_a_wrong_mirror_is_skipped_with_both_sums(
    server: FaultyServer, target: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place(tmp_path / "bad" / "rats", OTHER)
    place(tmp_path / "good" / "rats", DATA)
    absent = tmp_path / "absent"
    url = server.add("/f", Serve(DATA))
    source = get(remote(url), target, [absent, tmp_path / "bad", tmp_path / "good"])
    assert source.address.startswith(str(tmp_path / "good"))
    assert_whole(target)
    assert f"expected sha256 {sha256(DATA)} but found sha256 {sha256(OTHER)}" in caplog.text
    assert f"mirror {absent} is not a folder" in caplog.text
    target.unlink()
    assert get(remote(url), target, [tmp_path / "bad"]).kind == "url"


def test_a_wrong_mirror_alone_is_named_in_the_error(target: Path, tmp_path: Path) -> None:
    bad = place(tmp_path / "bad" / "rats", OTHER)
    with pytest.raises(InputError, match=sha256(OTHER)) as caught:
        get(remote(), target, [tmp_path / "bad"])
    assert str(bad) in str(caught.value)
    assert_nothing(target)


def test_a_mirror_clears_away_an_unfinished_download(server: FaultyServer, target: Path, tmp_path: Path) -> None:
    file = remote(server.add("/f", Serve(DATA, stop_after=CUT)))
    with pytest.raises(InputError):
        get(file, target, attempts=1)
    assert part_path(target).stat().st_size == CUT
    place(tmp_path / "mirror" / "rats", DATA)
    get(file, target, [tmp_path / "mirror"])
    assert_whole(target)


# Across runs and processes

PROGRAM = """
import logging, resource, sys
from pathlib import Path
from workflow_scripts.cards import RemoteFile
from workflow_scripts.errors import EthoMakeError
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


def test_a_killed_download_is_resumed(server: FaultyServer, target: Path) -> None:
    url = server.add("/f", Serve(DATA, stop_after=CUT, then="stall"), Serve(DATA))
    process = subprocess.Popen(fetching(url, target))
    try:
        wait_for_bytes(part_path(target), CUT)
    finally:
        process.kill()
        process.wait()
    assert not target.exists()
    get(remote(url), target)
    assert_whole(target)
    assert [request.range for request in server.requests] == [None, f"bytes={CUT}-"]
    assert server.requests[1].body_bytes == len(DATA) - CUT


def test_a_card_that_changes_meanwhile_starts_over(server: FaultyServer, target: Path) -> None:
    url = server.add("/f", Serve(OTHER, stop_after=CUT), Serve(DATA))
    with pytest.raises(InputError):
        get(RemoteFile(path="f", urls=[url], sha256=sha256(OTHER)), target, attempts=1)
    get(remote(url), target)
    assert_whole(target)
    assert server.requests[1].range is None


@pytest.mark.parametrize("note", ["", "{", "[]", '{"url": 1}'])
def test_an_unreadable_note_starts_over(server: FaultyServer, target: Path, note: str) -> None:
    target.parent.mkdir(parents=True)
    part_path(target).write_bytes(b"junk")
    if note:
        Path(f"{part_path(target)}.json").write_text(note)
    get(remote(server.add("/f", Serve(DATA))), target)
    assert_whole(target)
    assert server.requests[0].range is None


def test_a_run_killed_after_the_last_byte_asks_for_nothing(server: FaultyServer, target: Path) -> None:
    url = server.add("/f", Serve(DATA, stop_after=CUT))
    file = remote(url, size=True)
    with pytest.raises(InputError):
        get(file, target, attempts=1)
    with open(part_path(target), "ab") as handle:
        handle.write(DATA[CUT:])
    get(file, target)
    assert_whole(target)
    assert len(server.requests) == 1


def test_two_processes_make_one_download(server: FaultyServer, target: Path, tmp_path: Path) -> None:
    url = server.add("/f", Serve(DATA, stop_after=CUT, then="wait"))
    first = subprocess.Popen(fetching(url, target), stdout=subprocess.PIPE, text=True)
    second = None
    try:
        wait_for_bytes(part_path(target), CUT)
        log = tmp_path / "log"
        second = subprocess.Popen(fetching(url, target, log=log), stdout=subprocess.PIPE, text=True)
        wait_for_words(log, "another process is downloading it; waiting")
        with pytest.raises(InputError, match="being downloaded by another process"):
            get(remote(url), target, lock_wait=1)
        server.release.set()
        assert first.communicate(timeout=20)[0] == "url\n"
        assert second.communicate(timeout=20)[0] == "kept\n"
    finally:
        for process in filter(None, (first, second)):
            process.kill()
            process.wait()
    assert_whole(target)
    assert len(server.requests) == 1


def test_a_part_file_renamed_between_opening_and_locking_is_opened_again(
    server: FaultyServer, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = partial._try_lock, []

    def rename_first(descriptor: int, path: Path) -> bool:
        calls.append(descriptor)
        if len(calls) == 1:  # as the other process does when it has finished
            part_path(target).write_bytes(DATA)
            part_path(target).replace(target)
        return real(descriptor, path)

    monkeypatch.setattr(partial, "_try_lock", rename_first)
    assert get(remote(server.add("/f", Serve(DATA))), target).kind == "kept"
    assert len(calls) == 2
    assert target.read_bytes() == DATA
    assert not part_path(target).exists()


# Disks and permissions


def test_a_file_that_may_not_grow_is_one_sentence_and_keeps_what_came(server: FaultyServer, target: Path) -> None:
    url = server.add("/f", Serve(DATA))
    done = subprocess.run(
        fetching(url, target, file_size_limit=CUT), capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("one sentence: ")
    assert "cannot be written because" in done.stderr
    assert not target.exists()
    assert part_path(target).stat().st_size == CUT
    assert len(server.requests) == 1
    get(remote(url), target)
    assert_whole(target)
    assert server.requests[1].range == f"bytes={CUT}-"


def test_a_full_disk_is_one_sentence(server: FaultyServer, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        with pytest.raises(InputError, match="the disk is full; free some space"):
            get(remote(server.add("/f", Serve(DATA))), disk / "f")
        assert not (disk / "f").exists()
        place(tmp_path / "mirror" / "rats", DATA)
        with pytest.raises(InputError, match="the disk is full; free some space"):
            get(remote(), disk / "f", [tmp_path / "mirror"])
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_read_only_folder_is_one_sentence(server: FaultyServer) -> None:
    url = server.add("/f", Serve(DATA))
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to other users
        folder = Path(name)
        folder.chmod(0o555)
        root = os.access(folder, os.W_OK)
        if root:  # who may write anywhere: be nobody for a while
            os.seteuid(65534)
        try:
            for target in (folder / "f", folder / "deeper" / "f"):
                with pytest.raises(InputError, match="the folder may not be written to"):
                    get(remote(url), target)
        finally:
            if root:
                os.seteuid(os.getuid())
            folder.chmod(0o755)
    assert not server.requests


def test_a_read_only_folder_with_the_file_in_it_is_fine(tmp_path: Path) -> None:
    target = tmp_path / "f"
    target.write_bytes(DATA)
    target.chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        assert get(remote(), target).kind == "kept"
        assert [path.name for path in tmp_path.iterdir()] == ["f"]
    finally:
        tmp_path.chmod(0o755)


def test_a_folder_in_the_way_is_one_sentence(server: FaultyServer, target: Path) -> None:
    target.parent.parent.mkdir(exist_ok=True)
    target.parent.write_text("a file, not a folder")
    with pytest.raises(InputError, match="cannot be written"):
        get(remote(server.add("/f", Serve(DATA))), target)


def test_the_note_says_what_the_bytes_belong_to(server: FaultyServer, target: Path) -> None:
    url = server.add("/f", Serve(DATA, stop_after=CUT))
    with pytest.raises(InputError):
        get(remote(url), target, attempts=1)
    note = json.loads(Path(f"{part_path(target)}.json").read_text())
    assert note == {
        "url": url,
        "etag": '"v1"',
        "last_modified": None,
        "bytes": None,
        "sha256": sha256(DATA),
        "md5": None,
    }
