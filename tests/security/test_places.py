"""Shared machines: modes of files, links in the way, odd names, missing and full folders, `python -OO`."""

from __future__ import annotations

import itertools
import os
import stat
import subprocess
import sys
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from workflow_scripts.core import limits
from workflow_scripts.core.documents import require_plain
from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.core.files import atomic_path, write_text
from workflow_scripts.core.places import require_places
from workflow_scripts.fetch.partial import lock_partial
from workflow_scripts.formats import hdf5, trial
from workflow_scripts.formats.hdf5 import open_hdf5
from workflow_scripts.formats.track_index import index_tracks
from workflow_scripts.formats.tracks import Recording, open_tracks, write_tracks
from workflow_scripts.report.graph import parse_rulegraph
from workflow_scripts.stages.rulegraph import settled
from workflow_scripts.training.weights import load_weights, save_weights

ROOT = Path(__file__).parents[2]
in_a_fork = pytest.mark.skipif(sys.platform != "linux", reason="files are tried in a fork on Linux alone")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("mask", [0o022, 0o002, 0o027, 0o077])
def test_outputs_have_the_mode_the_umask_gives(mask: int, tmp_path: Path) -> None:
    former = os.umask(mask)
    try:
        save_weights(tmp_path / "w.safetensors", {"a": torch.zeros(2)})  # safetensors makes files of mode 0600
        write_text(tmp_path / "t.txt", "x")
        with atomic_path(tmp_path / "r", read_only=True) as part:
            part.write_text("x")
    finally:
        os.umask(former)
    assert mode(tmp_path / "w.safetensors") == mode(tmp_path / "t.txt") == 0o666 & ~mask
    assert mode(tmp_path / "r") == 0o444 & ~mask


def test_a_long_name_and_a_link_in_the_way(tmp_path: Path) -> None:
    write_text(tmp_path / ("é" * 110 + ".txt"), "x")
    other = tmp_path / "other"
    other.write_text("mine")
    (tmp_path / f".t.{os.getpid()}.part.txt").symlink_to(other)
    write_text(tmp_path / "t.txt", "x")
    assert other.read_text() == "mine"


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_a_part_file_that_is_none(kind: str, tmp_path: Path) -> None:
    part, other = tmp_path / "f.part", tmp_path / "other"
    other.write_text("mine")
    {"link": lambda: part.symlink_to(other), "pipe": lambda: os.mkfifo(part), "folder": part.mkdir}[kind]()
    with (
        pytest.raises(InputError, match="not an unfinished download"),
        lock_partial(tmp_path / "f", wait=0, sleep=print),
    ):
        pass
    assert other.read_text() == "mine"


def test_what_is_no_regular_file_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(InputError, match="not a"):
            require_plain(path)


def test_memory_is_asked_for_before_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETHOMAKE_MAX_MEMORY", str(10**9))
    limits.require_memory("x", "the array", 7 * 10**8)
    with pytest.raises(InputError, match=r"takes 900\.0 MB of memory, and 800\.0 MB may be used"):
        limits.require_memory("x", "the array", 9 * 10**8)


def test_temporary_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_places()
    monkeypatch.setattr("workflow_scripts.core.places.free_disk", lambda folder: 100)
    with pytest.raises(ConfigError, match=r"temporary folder .* is full"):
        require_places()


@pytest.mark.parametrize("stage", ["convert", "train", "report"])
def test_stages_run_without_docstrings(stage: str) -> None:
    command = [sys.executable, "-OO", "-m", f"workflow_scripts.stages.{stage}", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_the_index_of_a_dataset_keeps_its_links_and_no_others(tmp_path: Path) -> None:
    recording = Recording("a/b", np.zeros((3, 1, 1, 2), "f4"), np.ones((3, 1, 1), "f4"), 30.0, ("m",), ("p",), "g")
    shard = tmp_path / "recordings" / "s.h5"
    write_tracks(shard, [recording])
    index_tracks(tmp_path / "tracks.h5", [shard])
    with open_tracks(tmp_path / "tracks.h5") as reader:
        assert reader.read("a/b").n_frames == 3
    outside = tmp_path.parent / "outside.h5"
    outside.write_bytes(shard.read_bytes())
    shard.unlink()
    shard.symlink_to(outside)
    with pytest.raises(InputError, match="leads to another file"), open_tracks(tmp_path / "tracks.h5"):
        pass
    shard.unlink()
    with h5py.File(shard, "w") as handle:
        handle.attrs.update(kind="tracks", schema_version=1)
        handle["recordings/a%2Fb"] = h5py.ExternalLink(str(outside), "/recordings/a%2Fb")
    with open_tracks(tmp_path / "tracks.h5") as reader, pytest.raises(InputError, match="leads to another file"):
        reader.read("a/b")


@pytest.mark.parametrize(("number", "size"), [(0, 0), (2**16 - 1, 2**64 - 1)])
def test_a_heap_of_texts_that_never_ends(tmp_path: Path, number: int, size: int) -> None:
    """The HDF5 library reads such an attribute for ever; the fuzzer found it in files of tracks, images and clips."""
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as handle:
        handle.attrs.update(kind="tracks", schema_version=1, note="a text of any length")
    whole = bytearray(path.read_bytes())
    place = whole.index(b"GCOL") + 16
    while int.from_bytes(whole[place : place + 2], "little"):
        length = int.from_bytes(whole[place + 8 : place + 16], "little")
        place += 16 + length + -length % 8
    whole[place : place + 2] = number.to_bytes(2, "little")
    whole[place + 8 : place + 16] = size.to_bytes(8, "little")
    path.write_bytes(whole)
    with pytest.raises(InputError, match="never ends"), open_tracks(path):
        pass


@in_a_fork
def test_a_file_on_which_the_library_crashes(tmp_path: Path) -> None:
    """One byte of the texts' type is damaged; the fuzzer found it in a file of SLEAP."""
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as handle:
        handle.create_dataset("names", data=["nose", "tail"], dtype=h5py.string_dtype())
    kind = bytes([0x19, 1, 1, 0]) + (16).to_bytes(4, "little")  # a text of any length, in UTF-8
    whole = path.read_bytes()
    assert whole.count(kind) == 1
    damaged = whole.replace(kind, bytes([0x19, 0x9F]) + kind[2:])
    path.write_bytes(damaged)
    with pytest.raises(InputError, match="the HDF5 library crashes on it"), open_hdf5(path) as handle:
        handle["names"][()]


@in_a_fork
@pytest.mark.parametrize("where", ["attribute", "packed text"])
def test_a_text_where_nothing_else_looks_that_claims_four_gigabytes(tmp_path: Path, where: str) -> None:
    path = tmp_path / "allocentric.h5"
    text = "a text of any length"
    with h5py.File(path, "w") as handle:
        if where == "attribute":
            handle.attrs["note"] = text
        else:
            values = handle.create_dataset("x", (1,), h5py.string_dtype(), chunks=(1,), compression="gzip")
            values[:] = text
            handle.flush()
            held = zlib.decompress(values.id.read_direct_chunk((0,))[1])
            values.id.write_direct_chunk((0,), zlib.compress((2**32 - 1).to_bytes(4, "little") + held[4:]))
    if where == "attribute":
        whole = path.read_bytes()
        held = len(text).to_bytes(4, "little") + whole.index(b"GCOL").to_bytes(8, "little")
        assert whole.count(held) == 1
        path.write_bytes(whole.replace(held, (2**32 - 1).to_bytes(4, "little") + held[4:]))
    with pytest.raises(InputError, match="asks for more than"), open_hdf5(path):
        pass


def test_a_name_that_sounds_like_memory_is_no_lack_of_it(tmp_path: Path) -> None:
    path = tmp_path / "allocentric.h5"
    with h5py.File(path, "w") as handle:
        handle["allocation"] = h5py.ExternalLink("other.h5", "/x")
    with pytest.raises(InputError, match="leads to another file"), open_hdf5(path):
        pass


def test_our_own_files_are_not_read_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shard = tmp_path / "recordings/a.h5"
    shard.parent.mkdir()
    position = np.zeros((3, 1, 1, 2), np.float32)
    write_tracks(shard, [Recording("a", position, position[..., 0] + 1, 30.0, ("m",), ("nose",), "a")])
    monkeypatch.setattr(trial, "_ended_by", lambda *arguments: pytest.fail("tried"))
    index_tracks(tmp_path / "tracks.h5", [shard])
    with open_tracks(tmp_path / "tracks.h5") as reader:
        assert reader.read("a").n_frames == 3


@in_a_fork
def test_a_file_on_which_the_library_does_not_come_to_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as handle:
        handle["x"] = np.zeros(3)
    forever = itertools.repeat(None)
    monkeypatch.setattr(trial, "PROCESSOR_SECONDS", 1)
    monkeypatch.setattr(hdf5, "read_some", lambda handle: all(x is None for x in forever))
    with pytest.raises(InputError, match="does not come to an end"), open_hdf5(path):
        pass


@pytest.mark.parametrize("chunks", [None, (1,)])
def test_a_text_that_claims_more_than_the_file_has(tmp_path: Path, chunks: tuple[int] | None) -> None:
    """The library takes the four gigabytes first and refuses then; the fuzzer found it in a file of SLEAP."""
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as handle:
        names = handle.create_dataset("names", data=["nose", "tail"], dtype=h5py.string_dtype(), chunks=chunks)
        where = names.id.get_chunk_info(1).byte_offset if chunks else names.id.get_offset() + 16
    with open_hdf5(path) as handle:
        assert handle["names"].asstr()[1] == "tail"
    whole = bytearray(path.read_bytes())
    whole[where : where + 4] = (2**32 - 1).to_bytes(4, "little")
    path.write_bytes(whole)
    with pytest.raises(InputError, match="'names' claims 4"), open_hdf5(path):
        pass


def test_chunks_of_another_rank_than_their_dataset(tmp_path: Path) -> None:
    """The library made the missing axis up and asked for more memory than the machine has; found by the fuzzer."""
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as handle:
        handle.create_dataset("keypoints", data=np.zeros((40, 8)), chunks=(40, 8), compression="gzip")
    space = bytes([1, 2, 1, *bytes(5)]) + (40).to_bytes(8, "little")  # version, rank, flags, reserved, first size
    whole = path.read_bytes()
    assert whole.count(space) == 1
    path.write_bytes(whole.replace(space, bytes([1, 1, 0]) + space[3:]))
    with pytest.raises(InputError, match="has chunks of the shape"), open_hdf5(path):
        pass


def test_damaged_weights(tmp_path: Path) -> None:
    for name, data in (("a", b""), ("b", b"\xff" * 50), ("c", (2**62).to_bytes(8, "little") + b"{}")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError):
            load_weights(tmp_path / name)


def test_the_rule_graph_is_the_same_each_time() -> None:
    one = 'digraph x {\n\t0[label = "all"];\n\t1[label = "fit"];\n\t2[label = "a"];\n\t1 -> 0\n\t2 -> 1\n}'
    two = 'digraph x {\n\t0[label = "a"];\n\t1[label = "all"];\n\t2[label = "fit"];\n\t2 -> 1\n\t0 -> 2\n}'
    assert settled(one) == settled(two)
    assert parse_rulegraph(settled(one)) == [("a", "fit"), ("fit", "all")]
