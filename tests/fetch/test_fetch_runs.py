import json
import os
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest
from faulty_server import FaultyServer, Serve, sha256
from fetch_helpers import (
    CUT,
    DATA,
    OTHER,
    assert_nothing,
    assert_whole,
    fetching,
    get,
    remote,
    wait_for_bytes,
    wait_for_words,
)

from workflow_scripts.cards.card import RemoteFile
from workflow_scripts.core.errors import InputError
from workflow_scripts.fetch import Source, partial
from workflow_scripts.fetch.partial import part_path

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
    source = get(remote(checksum=False), target, [tmp_path / "mirror"], folder=tmp_path / "any name")
    assert (source.kind, source.address) == ("local", str(original))
    assert target.is_symlink()
    assert target.read_bytes() == DATA  # the user's own file, referenced and not copied
    original.write_bytes(OTHER)
    assert target.read_bytes() == OTHER


def test_a_local_file_that_differs_from_the_card_is_not_used(target: Path, tmp_path: Path) -> None:
    place(tmp_path / "mirror" / "rats", DATA)
    place(tmp_path / "any name", OTHER)
    assert get(remote(), target, [tmp_path / "mirror"], folder=tmp_path / "any name").kind == "mirror"
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
