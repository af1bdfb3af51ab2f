"""What a file should be, what it is, and where it came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from workflow_scripts.cards.card import RemoteFile
from workflow_scripts.core.files import digest

Kind: TypeAlias = Literal["kept", "local", "mirror", "url"]


@dataclass(frozen=True)
class Source:
    """Where a finished file came from, and what it is.

    Attributes
    ----------
    kind : {"kept", "local", "mirror", "url"}
        Whether the file was already there, is the user's own and linked to, copied from a mirror, or downloaded.
    address : str
        The path or the url.
    bytes : int
        Size of the file.
    sha256 : str
        Its checksum, as measured here.
    verified : bool
        False where the card gives no checksum to compare it with.
    """

    kind: Kind
    address: str
    bytes: int
    sha256: str
    verified: bool


@dataclass(frozen=True)
class Checked:
    """A file held against its card; `problem` is empty where they agree."""

    bytes: int
    sha256: str
    problem: str

    def source(self, kind: Kind, address: str, file: RemoteFile) -> Source:
        """Say where the checked file came from."""
        return Source(kind, address, self.bytes, self.sha256, verified=has_checksum(file))


def has_checksum(file: RemoteFile) -> bool:
    """Whether the card gives a checksum, so that any change of content would be seen."""
    return file.sha256 is not None or file.md5 is not None


def check(path: Path, file: RemoteFile) -> Checked:
    """Compare size and checksums of the file at `path` with its card.

    Parameters
    ----------
    path : Path
        The file to read.
    file : RemoteFile
        The card's entry; what it leaves out is not compared.

    Returns
    -------
    Checked
        Size, sha256 and the differences in words, expected and found.
    """
    size, sha256 = path.stat().st_size, digest(path)
    found: dict[str, int | str] = {"bytes": size, "sha256": sha256}
    if file.md5 is not None:
        found["md5"] = digest(path, "md5")
    expected = {"bytes": file.bytes, "sha256": file.sha256, "md5": file.md5}
    wrong = [key for key, value in expected.items() if value is not None and value != found[key]]
    problem = ""
    if wrong:
        asked = ", ".join(f"{key} {expected[key]}" for key in wrong)
        got = ", ".join(f"{key} {found[key]}" for key in wrong)
        problem = f"expected {asked} but found {got}"
    return Checked(size, sha256, problem)
