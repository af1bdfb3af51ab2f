import gzip
import hashlib
import logging
import os
import random
import subprocess
import termios
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import numpy as np
import pytest
from builders.downloads import (
    CUT,
    DATA,
    OTHER,
    FaultyServer,
    Serve,
    Sleeper,
    assert_nothing,
    assert_whole,
    fetching,
    get,
    gzipped,
    page,
    remote,
    sha256,
    status,
)

from workflow_scripts.cards.card import RemoteFile
from workflow_scripts.core.errors import InputError
from workflow_scripts.fetch import Source


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
