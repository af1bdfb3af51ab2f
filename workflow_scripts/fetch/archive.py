"""Unpack named members of zip and tar archives, and nothing else.

An archive from the network is treated as hostile: names that leave the folder, links, devices, encrypted members,
repeated names and archives that swell beyond reason are refused, and damage anywhere in what is read stops the lot.
"""

from __future__ import annotations

import bz2
import difflib
import gzip
import io
import lzma
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO

from workflow_scripts.core.documents import require_plain
from workflow_scripts.core.errors import EthoMakeError, InputError
from workflow_scripts.core.files import CHUNK, atomic_path, explain_os_error

REMEDY = "delete the archive so that it is downloaded again, and check the card's checksum"
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    ValueError,
    IndexError,
    KeyError,
    struct.error,
    OverflowError,
    NotImplementedError,
    RuntimeError,  # from zipfile, for a version of the format it does not know
)
_BLOCK = 512
_PACKED = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2}
_PAX_FROM = 8 * 2**30
"""Size from which on a tar needs a record of its own for it; a smaller one there contradicts the header."""

XZ_MEMORY = 256 * 2**20
"""Bytes an xz archive may ask for; the strongest preset of xz takes 65 MB."""


@dataclass(frozen=True)
class Limits:
    """What an archive may swell to.

    Attributes
    ----------
    member_bytes : int
        Largest unpacked member.
    total_bytes : int
        Largest sum of what is unpacked, and of everything a tar archive holds (which has to be read through).
    ratio : float
        Largest unpacked to packed size, where more than `ratio_from_bytes` come out.
    ratio_from_bytes : int
        Below this a high ratio does no harm, and empty tables have one.
    members : int
        Largest number of entries.
    """

    member_bytes: int = 16 * 2**30
    total_bytes: int = 64 * 2**30
    ratio: float = 200.0
    ratio_from_bytes: int = 128 * 2**20
    members: int = 100_000


DEFAULT_LIMITS = Limits()


def unpack_member(archive: Path, member: str, target: Path, *, limits: Limits = DEFAULT_LIMITS) -> Path:
    """Unpack one member of an archive to `target`; see :func:`unpack`."""
    _unpack(Path(archive), {member: Path(target)}, limits)
    return Path(target)


def unpack(archive: Path, members: Sequence[str], target_dir: Path, *, limits: Limits = DEFAULT_LIMITS) -> list[Path]:
    """Unpack the named members of an archive, all of them or none, as read-only files.

    Parameters
    ----------
    archive : Path
        A zip, tar, tar.gz, tar.bz2 or tar.xz file, given by its content.
    members : sequence of str
        Names inside the archive, with `/` between folders.
    target_dir : Path
        Each member becomes `target_dir/<member>`.
    limits : Limits
        What the archive may swell to.

    Returns
    -------
    list of Path
        The files made, in the order of `members`.

    Raises
    ------
    InputError
        When the archive is absent, damaged or hostile, lacks a member, or the disk is full.
    """
    targets = {member: Path(target_dir) / _plain_name(Path(archive), member) for member in members}
    _unpack(Path(archive), targets, limits)
    return list(targets.values())


def _unpack(archive: Path, targets: Mapping[str, Path], limits: Limits) -> None:
    wanted = {_plain_name(archive, member): target for member, target in targets.items()}
    if archive.exists() and not archive.is_dir():
        require_plain(archive)
    try:
        handle = open(archive, "rb")  # noqa: SIM115 - its errors are the archive's, later ones the target's
    except FileNotFoundError as error:
        raise InputError(archive, "the archive does not exist", "run the download rule first") from error
    except OSError as error:
        raise InputError(archive, f"cannot be read ({error.strerror})", "correct its permissions") from error
    with handle:
        try:
            start = handle.read(_BLOCK)
            handle.seek(0)
            if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
                _unpack_zip(archive, handle, wanted, limits)
            else:
                _unpack_tar(archive, handle, start, wanted, limits)
        except _DAMAGE as error:
            raise _damaged(archive, error) from error
        except OSError as error:
            if error.errno is None:  # how gzip and bz2 report damaged data
                raise _damaged(archive, error) from error
            raise explain_os_error(error, next(iter(wanted.values()), archive)) from error


def _damaged(archive: Path, error: Exception) -> EthoMakeError:
    return InputError(archive, f"the archive is truncated or damaged ({str(error) or type(error).__name__})", REMEDY)


def _plain_name(archive: Path, name: str) -> str:
    """Normalise a member's name; refuse one that would leave the folder it is unpacked into."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in {"", "."}]
    if name.startswith(("/", "\\")) or ".." in parts or re.match(r"[A-Za-z]:", name) or "\0" in name:
        raise InputError(
            archive, f"member {name!r} would be unpacked outside its folder", "do not use this archive; report it"
        )
    return "/".join(parts)


def _require_members(archive: Path, wanted: Iterable[str], present: Counter[str]) -> None:
    """Refuse a wanted name that is absent or is there twice."""
    for name in wanted:
        if present[name] > 1:
            raise InputError(archive, f"holds {present[name]} members called {name!r}", REMEDY)
        if present[name] == 0:
            near = difflib.get_close_matches(name, present, n=3, cutoff=0.5) or sorted(present)[:3]
            words = ", ".join(map(repr, near)) if near else "nothing"
            raise InputError(archive, f"has no member {name!r}; nearest: {words}", "correct the members in the card")


def _require_size(archive: Path, name: str, size: int, packed: int, limits: Limits) -> None:
    if size > limits.member_bytes:
        raise _too_big(archive, f"member {name!r} unpacks to {size} bytes, more than {limits.member_bytes}")
    if size > limits.ratio_from_bytes and size > limits.ratio * packed:
        raise _too_big(
            archive, f"member {name!r} unpacks to {size} bytes from {packed}, more than {limits.ratio:g}-fold"
        )


def _too_big(archive: Path, problem: str) -> EthoMakeError:
    return InputError(archive, f"{problem} (a decompression bomb?)", "check where the archive comes from")


def _copy(archive: Path, name: str, source: IO[bytes], size: int, target: Path, stack: ExitStack) -> None:
    """Write exactly `size` bytes of `source` beside `target`; the stack makes it `target` in the end."""
    part = stack.enter_context(atomic_path(target, read_only=True))
    written = 0
    with open(part, "wb") as handle:
        while data := source.read(CHUNK):
            written += len(data)
            if written > size:
                break
            handle.write(data)
    if written != size:
        raise InputError(archive, f"member {name!r} should have {size} bytes but holds another number", REMEDY)


def _unpack_zip(archive: Path, handle: BinaryIO, wanted: Mapping[str, Path], limits: Limits) -> None:
    with zipfile.ZipFile(handle) as opened, ExitStack() as stack:
        entries = opened.infolist()
        if len(entries) > limits.members:
            raise _too_big(archive, f"holds {len(entries)} entries, more than {limits.members}")
        names = [_plain_name(archive, entry.filename) for entry in entries]
        _require_members(archive, wanted, Counter(names))
        chosen = {name: entry for name, entry in zip(names, entries, strict=True) if name in wanted}
        if sum(entry.file_size for entry in chosen.values()) > limits.total_bytes:
            raise _too_big(archive, f"the members unpack to more than {limits.total_bytes} bytes")
        for name, entry in chosen.items():
            mode = stat.S_IFMT(entry.external_attr >> 16)
            if entry.is_dir() or mode not in {0, stat.S_IFREG}:
                raise InputError(archive, f"member {name!r} is not a regular file", "correct the members in the card")
            if entry.compress_type not in _PACKED:
                raise InputError(
                    archive, f"member {name!r} cannot be read (packed in an unusual way)", "repack it as deflate"
                )
            if entry.flag_bits & 0x1:
                raise InputError(archive, f"member {name!r} is encrypted", "use an archive without a password")
            _require_size(archive, name, entry.file_size, entry.compress_size, limits)
        for name, entry in chosen.items():
            try:
                source = opened.open(entry)
            except RuntimeError as error:  # a method or feature zipfile does not know
                raise InputError(
                    archive, f"member {name!r} cannot be read ({error})", "repack it as deflate"
                ) from error
            with source:
                _copy(archive, name, source, entry.file_size, wanted[name], stack)


class _Metered(io.RawIOBase):
    """A decompressed stream that refuses to give more than the limits allow."""

    def __init__(self, archive: Path, stream: IO[bytes], packed: int, limits: Limits) -> None:
        self._archive, self._stream, self._packed, self._limits = archive, stream, packed, limits
        self._given = 0
        self.tail = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(CHUNK if size < 0 else size)
        self._given += len(data)
        self.tail = (self.tail + data)[-_BLOCK:]
        limits = self._limits
        if self._given > limits.total_bytes:
            raise _too_big(self._archive, f"unpacks to more than {limits.total_bytes} bytes")
        if self._given > limits.ratio_from_bytes and self._given > limits.ratio * self._packed:
            raise _too_big(self._archive, f"unpacks to more than {limits.ratio:g} times its size")
        return data


class _Xz(io.RawIOBase):
    """An xz stream whose dictionary may take no more than `XZ_MEMORY`; :func:`lzma.open` takes what the file says."""

    def __init__(self, handle: BinaryIO) -> None:
        self._handle = handle
        self._unpacker = self._new()
        self._begun = False

    @staticmethod
    def _new() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=XZ_MEMORY)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        while True:
            if self._unpacker.eof:  # perhaps another stream follows, after padding
                rest = self._unpacker.unused_data.lstrip(b"\0") or self._handle.read(CHUNK).lstrip(b"\0")
                if not rest:
                    return 0
                self._unpacker, self._begun = self._new(), False
            elif self._unpacker.needs_input:
                rest = self._handle.read(CHUNK)
                if not rest:
                    raise EOFError("the xz stream ends in the middle")
            else:
                rest = b""
            data = self._unpacker.decompress(rest, max_length=len(view))
            if data:
                view[: len(data)] = data
                return len(data)


def _is_old_tar(start: bytes) -> bool:
    """Whether a block is the header of a tar as of Unix version 7, which has no magic word, by its checksum."""
    try:
        stated = tarfile.nti(start[148:156])  # type: ignore[attr-defined]
    except (tarfile.TarError, ValueError):
        return False
    return bool(start[0]) and stated in tarfile.calc_chksums(start)  # type: ignore[attr-defined]


def _decompressed(archive: Path, handle: BinaryIO, start: bytes) -> IO[bytes]:
    if start.startswith(b"\x1f\x8b"):
        return gzip.open(handle)  # type: ignore[return-value]
    if start.startswith(b"BZh"):
        return bz2.open(handle)
    if start.startswith(b"\xfd7zXZ\0"):
        return io.BufferedReader(_Xz(handle), CHUNK)
    if len(start) < _BLOCK or not (start[257:262] == b"ustar" or _is_old_tar(start)):
        shown = start[:16].decode("ascii", "replace").strip()
        raise InputError(archive, f"is neither a zip nor a tar archive (it begins with {shown!r})", REMEDY)
    return handle


def _unpack_tar(archive: Path, handle: BinaryIO, start: bytes, wanted: Mapping[str, Path], limits: Limits) -> None:
    packed = archive.stat().st_size
    with _decompressed(archive, handle, start) as plain, ExitStack() as stack:
        stream = _Metered(archive, plain, packed, limits)
        seen: Counter[str] = Counter()
        # One pass, since going back would decompress everything again; the files appear when all of it was sound.
        with tarfile.open(fileobj=stream, mode="r|") as opened:
            for count, entry in enumerate(opened, start=1):
                if count > limits.members:
                    raise _too_big(archive, f"holds more than {limits.members} entries")
                name = _plain_name(archive, entry.name)
                if entry.isdir() and name not in wanted:
                    continue
                seen[name] += 1
                if int(entry.pax_headers.get("size", _PAX_FROM)) < _PAX_FROM:  # two sizes of one entry
                    raise InputError(archive, f"entry {name!r} states its size twice", "do not use this archive")
                if entry.size > limits.total_bytes:  # before it is read through
                    raise _too_big(archive, f"entry {name!r} claims {entry.size} bytes")
                if name not in wanted or seen[name] > 1:
                    continue
                source = opened.extractfile(entry) if entry.isreg() and not entry.issparse() else None
                if source is None:
                    raise InputError(
                        archive, f"member {name!r} is not a regular file", "correct the members in the card"
                    )
                _require_size(archive, name, entry.size, packed, limits)
                with source:
                    _copy(archive, name, source, entry.size, wanted[name], stack)
        while stream.read(CHUNK):  # the compressor's checksum is at the very end
            pass
        if any(stream.tail):  # tarfile takes a cut between two entries for the end; the format ends with zeros
            raise InputError(archive, "the archive is truncated (its end mark is missing)", REMEDY)
        _require_members(archive, wanted, seen)
