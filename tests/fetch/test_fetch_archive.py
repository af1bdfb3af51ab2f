import bz2
import gzip
import io
import lzma
import os
import re
import stat
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workflow_scripts.core.errors import InputError
from workflow_scripts.fetch import Limits, unpack, unpack_member

TABLE = np.random.default_rng(0).bytes(20_000)
WANTED = "task1/train.json"
OTHERS = {"task1/features.json": b"f" * 1000, "task1/test.json": b"{}", "readme.txt": b"read me"}

Compress = Callable[[bytes], bytes]
COMPRESSORS: dict[str, Compress] = {
    "tar": bytes,
    "tar.gz": gzip.compress,
    "tar.bz2": bz2.compress,
    "tar.xz": lzma.compress,
}
KINDS = ["zip", *COMPRESSORS]


def zip_bytes(entries: list[tuple[str | zipfile.ZipInfo, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in entries:
            archive.writestr(name, data, method)
    return buffer.getvalue()


def tar_bytes(entries: list[tuple[str | tarfile.TarInfo, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in entries:
            info = tarfile.TarInfo(name) if isinstance(name, str) else name
            if info.isreg():
                info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def make(path: Path, kind: str, entries: list[tuple[str, bytes]]) -> Path:
    path.write_bytes(zip_bytes(entries) if kind == "zip" else COMPRESSORS[kind](tar_bytes(entries)))
    return path


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "a.unpacked"


def usual() -> list[tuple[str, bytes]]:
    return [("readme.txt", OTHERS["readme.txt"]), (WANTED, TABLE), *list(OTHERS.items())[:2]]


def refused(archive: Path, out: Path, match: str, member: str = WANTED, limits: Limits | None = None) -> str:
    with pytest.raises(InputError) as caught:
        unpack(archive, [member], out, **({"limits": limits} if limits else {}))
    # Not in the whole sentence: the path in it holds the name of the test.
    assert re.search(match, f"{caught.value.problem}; {caught.value.remedy}"), caught.value
    assert [path for path in out.rglob("*") if path.is_file()] == []
    assert str(archive) in str(caught.value)
    return str(caught.value)


def test_named_members_and_no_others(tmp_path: Path, kind: str, out: Path) -> None:
    archive = make(tmp_path / "download", kind, usual())
    paths = unpack(archive, [WANTED, "task1/test.json"], out)
    assert paths == [out / WANTED, out / "task1/test.json"]
    assert (out / WANTED).read_bytes() == TABLE
    assert sorted(path for path in out.rglob("*") if path.is_file()) == sorted(paths)
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o444}


def test_one_member_to_a_path_of_its_own_and_again(tmp_path: Path, kind: str) -> None:
    archive = make(tmp_path / "download", kind, usual())
    target = tmp_path / "elsewhere.json"
    for _ in range(2):
        assert unpack_member(archive, WANTED, target) == target
        assert target.read_bytes() == TABLE


def test_dot_slash_and_backslash_names_are_found(tmp_path: Path, out: Path) -> None:
    archive = make(tmp_path / "a.tgz", "tar.gz", [("./" + WANTED, TABLE)])
    unpack(archive, [WANTED], out)
    assert (out / WANTED).read_bytes() == TABLE
    windows = tmp_path / "w.zip"
    windows.write_bytes(zip_bytes([("task1\\train.json", b"1")]))
    unpack(windows, [WANTED], out)
    assert (out / WANTED).read_bytes() == b"1"


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/etc/evil", "..\\evil", "\\evil", "C:/evil", "c:evil"])
def test_names_that_leave_the_folder(tmp_path: Path, kind: str, out: Path, name: str) -> None:
    archive = make(tmp_path / "download", kind, [(WANTED, TABLE), (name, b"evil")])
    refused(archive, out, "outside its folder")
    refused(archive, out, "outside its folder", member=name)
    assert not list(tmp_path.rglob("*evil*"))


def test_a_missing_member_names_the_nearest(tmp_path: Path, kind: str, out: Path) -> None:
    archive = make(tmp_path / "download", kind, usual())
    assert "'task1/train.json'" in refused(archive, out, "has no member", member="task1/trian.json")
    with pytest.raises(InputError, match="has no member 'absent'"):
        unpack(archive, [WANTED, "absent"], out)
    assert not (out / WANTED).exists()


def test_a_repeated_member(tmp_path: Path, kind: str, out: Path) -> None:
    with pytest.warns(UserWarning) if kind == "zip" else open(os.devnull):
        archive = make(tmp_path / "download", kind, [(WANTED, TABLE), ("./" * (kind != "zip") + WANTED, b"other")])
    refused(archive, out, "holds 2 members called")


@pytest.mark.parametrize(
    "special", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]
)
def test_special_tar_members(tmp_path: Path, out: Path, special: bytes) -> None:
    info = tarfile.TarInfo(WANTED)
    info.type, info.linkname = special, "readme.txt"
    archive = tmp_path / "a.tar"
    archive.write_bytes(tar_bytes([("readme.txt", b"x"), (info, b"")]))
    refused(archive, out, "is not a regular file")
    assert unpack(archive, ["readme.txt"], out)[0].read_bytes() == b"x"


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFDIR])
def test_special_zip_members(tmp_path: Path, out: Path, mode: int) -> None:
    info = zipfile.ZipInfo(WANTED)
    info.external_attr = (mode | 0o777) << 16
    archive = tmp_path / "a.zip"
    archive.write_bytes(zip_bytes([(info, b"/etc/hostname")]))
    refused(archive, out, "is not a regular file")


def test_an_encrypted_member(tmp_path: Path, out: Path) -> None:
    data = bytearray(zip_bytes([(WANTED, TABLE)]))
    data[6] |= 1  # the flag in the local header
    data[data.index(b"PK\x01\x02") + 8] |= 1  # and in the directory
    archive = tmp_path / "a.zip"
    archive.write_bytes(data)
    refused(archive, out, "use an archive without a password")


def test_an_unknown_compression(tmp_path: Path, out: Path) -> None:
    data = bytearray(zip_bytes([(WANTED, TABLE)]))
    data[8] = data[data.index(b"PK\x01\x02") + 10] = 9  # deflate64
    archive = tmp_path / "a.zip"
    archive.write_bytes(data)
    refused(archive, out, "cannot be read")


def test_an_unknown_version_of_zip(tmp_path: Path, out: Path) -> None:
    data = bytearray(zip_bytes([(WANTED, TABLE)]))
    data[data.index(b"PK\x01\x02") + 6] = 99
    archive = tmp_path / "a.zip"
    archive.write_bytes(data)
    refused(archive, out, "zip file version 9.9")


# Damage


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.99])
def test_truncated_archives(tmp_path: Path, kind: str, out: Path, kept: float) -> None:
    archive = make(tmp_path / "download", kind, usual())
    data = archive.read_bytes()
    if kind == "tar":  # beyond this is only padding
        data = data.rstrip(b"\0")
    archive.write_bytes(data[: int(kept * len(data))])
    refused(archive, out, "truncated or damaged|end mark is missing")


def test_a_tar_cut_between_two_entries(tmp_path: Path, out: Path) -> None:
    archive = tmp_path / "a.tar"
    archive.write_bytes(tar_bytes([(WANTED, b"1"), ("b", b"2")])[: 2 * 512])
    refused(archive, out, "end mark is missing")


def test_damaged_content(tmp_path: Path, kind: str, out: Path) -> None:
    archive = make(tmp_path / "download", kind, usual())
    data = bytearray(archive.read_bytes())
    for k in range(8_000, 8_010):
        data[k] ^= 0xFF
    archive.write_bytes(data)
    if kind == "tar":  # has no checksum of content; the card's is the guard
        assert unpack(archive, [WANTED], out)[0].stat().st_size == len(TABLE)
    else:
        refused(archive, out, "truncated or damaged")


@given(position=st.floats(0, 1), bit=st.integers(0, 7), kind=st.sampled_from(KINDS))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_flipped_bit_never_gives_wrong_bytes_or_a_traceback(
    tmp_path: Path, position: float, bit: int, kind: str
) -> None:
    data = bytearray(
        make(tmp_path / "flipped", kind, [("readme.txt", b"read me"), (WANTED, b"0123456789" * 20)]).read_bytes()
    )
    data[int(position * (len(data) - 1))] ^= 1 << bit
    (tmp_path / "flipped").write_bytes(data)
    target = tmp_path / "target"
    target.unlink(missing_ok=True)
    try:
        unpack_member(tmp_path / "flipped", WANTED, target)
    except InputError:
        assert not target.exists()
    else:
        assert kind == "tar" or target.read_bytes() == b"0123456789" * 20


@pytest.mark.parametrize(
    "data", [b"", b"<!DOCTYPE html><html>" * 50, b"\x1f\x8bjunk" * 200, b"x" * 5000, b"PK\x03\x04" * 300]
)
def test_files_that_are_no_archives(tmp_path: Path, out: Path, data: bytes) -> None:
    archive = tmp_path / "a.zip"
    archive.write_bytes(data)
    refused(archive, out, "neither a zip nor a tar|truncated or damaged")


def test_an_absent_archive(tmp_path: Path, out: Path) -> None:
    refused(tmp_path / "absent.zip", out, "does not exist; run the download rule")
    refused(tmp_path, out, "cannot be read")


# Bombs

SMALL = Limits(member_bytes=160_000, total_bytes=240_000, ratio=50, ratio_from_bytes=40_000, members=20)


def test_a_high_ratio(tmp_path: Path, kind: str, out: Path) -> None:
    if kind == "tar":
        pytest.skip("a plain tar does not compress")
    archive = make(tmp_path / "bomb", kind, [(WANTED, bytes(120_000))])
    refused(archive, out, "decompression bomb", limits=SMALL)
    assert unpack(archive, [WANTED], out)[0].stat().st_size == 120_000


def test_a_member_that_is_too_big(tmp_path: Path, kind: str, out: Path) -> None:
    archive = make(tmp_path / "bomb", kind, [(WANTED, TABLE * 9)])
    refused(archive, out, "decompression bomb", limits=SMALL)


def test_too_much_in_all(tmp_path: Path, kind: str, out: Path) -> None:
    names = [f"{k}.json" for k in range(3)]
    archive = make(tmp_path / "bomb", kind, [(name, TABLE * 6) for name in names])
    with pytest.raises(InputError, match="decompression bomb"):
        unpack(archive, names, out, limits=SMALL)
    assert list(out.rglob("*.*")) == []


def test_too_many_entries(tmp_path: Path, kind: str, out: Path) -> None:
    archive = make(tmp_path / "bomb", kind, [(WANTED, TABLE), *((f"{k}", b"") for k in range(30))])
    refused(archive, out, "entries", limits=SMALL)


def test_a_zip_that_understates_its_size(tmp_path: Path, out: Path) -> None:
    data = bytearray(zip_bytes([(WANTED, bytes(120_000))]))
    for start in (22, data.index(b"PK\x01\x02") + 24):
        data[start : start + 4] = (1000).to_bytes(4, "little")
    archive = tmp_path / "a.zip"
    archive.write_bytes(data)
    refused(archive, out, "truncated or damaged")


def test_a_zip_that_overstates_its_size(tmp_path: Path, out: Path) -> None:
    data = bytearray(zip_bytes([(WANTED, bytes(120_000))]))
    for start in (22, data.index(b"PK\x01\x02") + 24):
        data[start : start + 4] = (150_000).to_bytes(4, "little")
    archive = tmp_path / "a.zip"
    archive.write_bytes(data)
    refused(archive, out, "should have 150000 bytes")


def test_a_high_ratio_in_what_a_tar_has_to_be_read_through(tmp_path: Path, out: Path) -> None:
    archive = make(tmp_path / "bomb", "tar.gz", [(WANTED, b"{}"), ("other", bytes(120_000))])
    refused(archive, out, "times its size", limits=SMALL)


def test_a_tar_header_that_claims_more_than_there_is(tmp_path: Path, out: Path) -> None:
    info = tarfile.TarInfo("huge")
    info.size = 2**50
    archive = tmp_path / "a.tgz"
    archive.write_bytes(gzip.compress(info.tobuf(tarfile.GNU_FORMAT)))
    refused(archive, out, "claims", member="huge")


def test_the_defaults_let_a_large_table_through() -> None:
    limits = Limits()
    assert limits.member_bytes > 2 * 1.2e9
    assert limits.total_bytes > 10 * 1.2e9
    text = " ".join(f"{x:.6f}" for x in np.random.default_rng(0).normal(size=20_000)).encode()
    assert len(text) / len(gzip.compress(text)) < limits.ratio / 10


# Disks


def test_a_full_disk_is_one_sentence(tmp_path: Path, kind: str) -> None:
    archive = make(tmp_path / "download", kind, [(WANTED, TABLE * 5)])
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        with pytest.raises(InputError, match="the disk is full; free some space"):
            unpack(archive, [WANTED], disk)
        assert [path for path in disk.rglob("*") if path.is_file()] == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_real_crops(tmp_path: Path, out: Path) -> None:
    roots = os.environ.get("ETHOMAKE_MIRRORS", str(Path(__file__).parents[3] / "shared" / "data")).split(os.pathsep)
    archives = [Path(root) / "mouse-crops-mars" / "mars_top_crops.zip" for root in roots]
    archive = next((path for path in archives if path.exists()), None)
    if archive is None:
        pytest.skip("the real recordings are not here (ETHOMAKE_MIRRORS)")
    with zipfile.ZipFile(archive) as opened:
        names = [entry.filename for entry in opened.infolist() if not entry.is_dir()][:3]
        contents = [opened.read(name) for name in names]
    assert [path.read_bytes() for path in unpack(archive, names, out)] == contents
