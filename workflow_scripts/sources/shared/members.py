"""Members of zip files and pictures, read only after a look at what they claim."""

from __future__ import annotations

import io
import warnings
import zipfile
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from workflow_scripts.core import limits
from workflow_scripts.core.boundary import reading
from workflow_scripts.core.documents import require_plain
from workflow_scripts.core.errors import InputError

PICTURES = ("PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP")
"""Formats of pictures that are read; others (EPS, PDF …) would start programs or open files."""

PACKED = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2}


def check_names(path: Path, archive: zipfile.ZipFile) -> list[str]:
    """Return the names of a zip's members.

    Raises
    ------
    InputError
        When there are too many, or one is there twice.
    """
    names = archive.namelist()
    limits.require_most(path, "its number of members", len(names), limits.ZIP_MEMBERS)
    if len(set(names)) != len(names):
        seen: set[str] = set()
        twice = next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise InputError(path, f"has two members called {twice[:80]!r}", "download or export it again")
    return names


def read_member(path: Path, archive: zipfile.ZipFile, name: str) -> bytes:
    """Read a member whole.

    Raises
    ------
    InputError
        When it is encrypted, packed in an unusual way, or claims more than it can hold or memory allows.
    """
    info = archive.getinfo(name)
    if info.flag_bits & 0x1 or info.compress_type not in PACKED:
        raise InputError(path, f"member {name[:80]!r} is encrypted or packed in an unusual way", "pack it as deflate")
    if info.file_size > 2**24 and info.file_size > limits.RATIO * max(info.compress_size, 1):
        what = f"claims {limits.human(info.file_size)} in {limits.human(info.compress_size)}"
        raise InputError(path, f"member {name[:80]!r} {what}", "check where the file comes from")
    limits.require_memory(path, f"member {name[:80]!r}", 2 * info.file_size)
    with archive.open(info) as member:
        data = member.read(info.file_size + 1)
    if len(data) != info.file_size:
        raise InputError(
            path, f"member {name[:80]!r} has not the {info.file_size} bytes it claims", "download it again"
        )
    return data


def read_grey(path: Path, source: Path | bytes | BinaryIO, name: str = "") -> npt.NDArray[np.uint8]:
    """Read a picture in grey.

    Parameters
    ----------
    path : Path
        File for the error's sentence.
    source : Path, bytes or stream
        The picture.
    name : str
        Where in the file, if it is in one.

    Returns
    -------
    ndarray, uint8, shape (height, width)

    Raises
    ------
    InputError
        When it is no picture of a known format, or has more pixels than the limit.
    """
    place = f"{name}: " if name else ""
    if isinstance(source, Path):
        require_plain(source)
    with reading(path, f"{place}a picture ({', '.join(PICTURES)})", "export it again"), warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        stream = io.BytesIO(source) if isinstance(source, bytes) else source
        with Image.open(stream, formats=PICTURES) as picture:
            limits.require_most(path, f"{place}its number of pixels", picture.width * picture.height, limits.PIXELS)
            return np.asarray(picture.convert("L"))
