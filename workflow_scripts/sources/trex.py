"""TRex's `<video>_fish0.npz`: one file an animal, with `frame`, positions and, where it tracked posture, pose points.

`X#wcentroid` and `Y#wcentroid` (or `X`, `Y`) are the centroid, `poseX0`, `poseY0` … the points; an infinite value is a
missing one. Files of the other animals of a video are named under `others`.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from workflow_scripts.core import limits
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.validation import Strict
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.sources.shared import npy_objects
from workflow_scripts.sources.shared.beside import beside
from workflow_scripts.sources.shared.found import Found, file_head
from workflow_scripts.sources.shared.members import check_names, read_member
from workflow_scripts.sources.shared.points import describe, made

EXPECTED = "TRex's npz of one animal (frame, X#wcentroid, Y#wcentroid, poseX0 …)"
CENTRES = (("X#wcentroid", "Y#wcentroid"), ("X#pcentroid", "Y#pcentroid"), ("X", "Y"))


class Options(Strict):
    """Options of the source `trex`."""

    others: list[str] = Field([], description="Files of the video's other animals, beside the first one.")
    unit: str = Field("px", description="Unit of the positions; TRex writes cm for X and Y.")


def _load(path: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in check_names(path, archive) if name.endswith(".npy")]
            wanted = [name for name in names if name == "frame" or name[:4] == "pose" or name[:1] in ("X", "Y")]
            held = {
                name: npy_objects.from_bytes(path, read_member(path, archive, f"{name}.npy"), name, objects=False)
                for name in wanted
            }
            return {name: values for name, values in held.items() if values.dtype.kind in "fiu"}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(path, f"is no readable npz ({error})", f"expected {EXPECTED}") from error


def _columns(path: Path, arrays: dict[str, npt.NDArray[Any]]) -> dict[str, tuple[str, str]]:
    found = {f"point{k}": (f"poseX{k}", f"poseY{k}") for k in _posed(arrays)}
    centre = next((pair for pair in CENTRES if set(pair) <= set(arrays)), None)
    if centre:
        found = {"centre": centre, **found}
    if not found:
        raise InputError(path, f"holds {', '.join(sorted(arrays)[:5]) or 'nothing'}", f"expected {EXPECTED}")
    return found


def _posed(arrays: dict[str, npt.NDArray[Any]]) -> list[int]:
    numbers = [int(fit[1]) for name in arrays if (fit := re.fullmatch(r"poseX(\d+)", name))]
    return sorted(k for k in numbers if f"poseY{k}" in arrays)


def read(path: Path, options: Options, *, recording: str) -> Iterator[Recording]:
    """Read all animals of one video; see :func:`workflow_scripts.sources.read_tracks`."""
    files = [path, *(beside(path, name) for name in options.others)]
    loaded = [_load(file) for file in files]
    points = _columns(path, loaded[0])
    length = 0
    for file, arrays in zip(files, loaded, strict=True):
        if not all(set(pair) <= set(arrays) for pair in points.values()):
            raise InputError(file, f"has other points than {path.name}", "export all animals alike")
        if "frame" in arrays and len(arrays["frame"]):
            length = max(length, int(arrays["frame"].max()) + 1)
        else:
            length = max(length, len(arrays[next(iter(points.values()))[0]]))
    limits.require_frames(path, length, sum(len(next(iter(arrays.values()))) for arrays in loaded))
    limits.require_shape(path, "its positions", (length, len(files), len(points), 2), 12)
    position = np.full((length, len(files), len(points), 2), np.nan, np.float32)
    for who, arrays in enumerate(loaded):
        for k, pair in enumerate(points.values()):
            for axis, name in enumerate(pair):
                values = arrays[name].astype(np.float32).ravel()
                at = arrays["frame"].astype(np.int64).ravel() if "frame" in arrays else np.arange(len(values))
                if len(at) != len(values) or (len(at) and at.min() < 0):
                    raise InputError(
                        files[who], f"{name} has {len(values)} values for {len(at)} frames", "export it again"
                    )
                values[~np.isfinite(values)] = np.nan
                position[at, who, k, axis] = values
    yield made(
        path,
        recording,
        position,
        None,
        [file.stem.rpartition("_")[2] for file in files],
        list(points),
        unit=options.unit,
    )


def sniff(path: Path) -> Found | None:
    """Tell TRex's npz by the names of its arrays."""
    if path.suffix.lower() != ".npz" or file_head(path).raw[:2] != b"PK":
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.removesuffix(".npy") for name in archive.namelist()}
    except zipfile.BadZipFile:
        return None
    if not any(set(pair) <= names for pair in CENTRES) or "images" in names:
        return None
    found = Found(source="trex", kind="tracks")
    describe(found, next(read(path, Options(), recording=path.stem)))
    return found
