"""The rat direction archive: npz with `images` and, for training, `locs_head`, `locs_neck`, `locs_base`.

The layout is that of the public rat head-direction set (98 944 grey images of 50×50 px: 64 copies of 1 546 frames).
Two keys of ours may stand beside it and are used where they do: `animal` and `source_frame`.
"""

from __future__ import annotations

import difflib
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.files import atomic_path
from workflow_scripts.core.validation import Strict
from workflow_scripts.formats.images import ImageSet, frame_groups
from workflow_scripts.sources.shared import npy_objects
from workflow_scripts.sources.shared.found import Found, file_head
from workflow_scripts.sources.shared.members import check_names, read_member

POINTS = ("base", "neck", "head")
"""Order of the points everywhere in the package; it is the order of the original's six outputs."""

LABEL_KEYS = {"base": "locs_base", "neck": "locs_neck", "head": "locs_head"}

MISSPELT = {"loclocs_necks": "locs_neck"}
"""Key that the original's sample code writes → key of the published archive."""


class Options(Strict):
    """Options of the source `rat_npz`."""

    labels: bool | None = Field(
        True,
        description="The file has hand points; false: a movie of images alone; empty: where it has all their keys.",
    )
    object_arrays: bool = Field(
        False, description="Read arrays of Python objects by an unpickler that knows numpy arrays and nothing else."
    )
    copies: int = Field(1, ge=1, description="Augmented copies of each frame in the file.")
    copies_are: str = Field(
        "adjacent", pattern="^(adjacent|strided)$", description="Copies of a frame follow each other, or every n-th."
    )
    margin: float = Field(
        6.0,
        ge=0,
        description="Pixels a point may lie outside the image: copies are shifted by up to 3, and the noise of their "
        "labels adds to it.",
    )
    fps: float | None = Field(None, gt=0, description="Frames per second of a movie.")


def _read_member(path: Path, archive: zipfile.ZipFile, key: str, options: Options) -> npt.NDArray[Any]:
    content = read_member(path, archive, f"{key}.npy")
    plain = npy_objects.from_bytes(path, content, f"key {key!r}", objects=options.object_arrays)
    if plain.dtype != object:
        return plain
    try:
        # A ragged list of equal parts (the usual accident) stacks to the plain array it was meant to be.
        whole = np.stack([np.asarray(item) for item in plain])
        # Numbers that are objects one by one: numpy finds the type they share.
        return whole if whole.dtype != object else np.array(whole.tolist())
    except (ValueError, TypeError) as error:
        raise InputError(
            path, f"key {key!r} holds objects that are no arrays of one shape ({error})", "save it as a plain array"
        ) from error


def _key(member: str) -> str:
    return member.removesuffix(".npy")


def _open(path: Path, wanted: list[str], options: Options) -> dict[str, npt.NDArray[Any]]:
    again = "download or export it again"
    try:
        with zipfile.ZipFile(path) as archive:
            members = {MISSPELT.get(key, key): key for key in map(_key, check_names(path, archive))}
            keys = list(members)
            for key in wanted:
                if key not in keys:
                    close = difflib.get_close_matches(key, keys, n=1, cutoff=0.5)
                    remedy = f"rename {close[0]!r} to {key!r}" if close else "check that it is the right file"
                    raise InputError(
                        path, f"has no key {key!r}; the keys there are {', '.join(keys) or 'none'}", remedy
                    )
            extra = [key for key in ("animal", "source_frame") if key in keys]
            return {key: _read_member(path, archive, members[key], options) for key in [*wanted, *extra]}
    except zipfile.BadZipFile as error:
        with open(path, "rb") as handle:
            head = handle.read(2)
        if head[:1] == b"\x80":
            raise InputError(
                path, "is a pickle, which could run code, not an npz", "save it with numpy.savez"
            ) from error
        what = "is cut short or damaged" if head == b"PK" else "is no npz file"
        raise InputError(path, what, again) from error
    except (EOFError, ValueError, zlib.error, NotImplementedError, OSError) as error:
        raise InputError(path, f"cannot be read ({error})", again) from error


def _has_labels(path: Path) -> bool:
    """Say whether an archive has all keys of points; a damaged one is reported when it is read."""
    try:
        with zipfile.ZipFile(path) as archive:
            keys = map(_key, archive.namelist())
            return set(LABEL_KEYS.values()) <= {MISSPELT.get(key, key) for key in keys}
    except (zipfile.BadZipFile, OSError):
        return False


def _checked_images(path: Path, images: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    if images.ndim == 4 and images.shape[-1] in (3, 4):
        raise InputError(
            path, f"images are in colour, shape {images.shape}", "make them grey: shape (n, height, width)"
        )
    if images.ndim != 3 or 0 in images.shape:
        raise InputError(path, f"images have shape {images.shape}, expected (n, height, width)", "export them again")
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind in "iu" and images.min() >= 0 and images.max() <= 255:
        return images.astype(np.uint8)
    raise InputError(
        path,
        f"images are {images.dtype} from {images.min():g} to {images.max():g}, expected uint8 from 0 to 255",
        "scale them to 0..255 and save them as uint8",
    )


def _checked_points(
    path: Path, key: str, points: npt.NDArray[Any], shape: tuple[int, int, int], margin: float
) -> npt.NDArray[np.float32]:
    n, height, width = shape
    if points.shape != (n, 2):
        raise InputError(
            path, f"{key} has shape {points.shape}, expected ({n}, 2), x and y of each image", "export again"
        )
    if points.dtype.kind not in "iuf":
        raise InputError(path, f"{key} holds {points.dtype}, expected numbers", "export it again")
    values = points.astype(np.float32)
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values).all(1))[0])
        raise InputError(path, f"{key} has no number in row {row}", "label that image or leave it out")
    limits = np.array([width - 1, height - 1], np.float32)
    outside = ((values < -margin) | (values > limits + margin)).any(1)
    if outside.any():
        row = int(np.flatnonzero(outside)[0])
        raise InputError(
            path,
            f"{key} is outside the {width}×{height} px image in {int(outside.sum())} rows, first row {row} "
            f"({values[row, 0]:g}, {values[row, 1]:g})",
            "check the units, or raise the source option margin",
        )
    return values


def read(path: Path, options: Options) -> ImageSet:
    """Read the archive (points in the order base, neck, head).

    Parameters
    ----------
    path : Path
    options : Options

    Returns
    -------
    ImageSet
        Without points (NaN) where `options.labels` is false, or empty and the file has none.

    Raises
    ------
    InputError
        One sentence for each way in which such a file can be broken.
    """
    if options.labels is None:
        options = options.model_copy(update={"labels": _has_labels(path)})
    keys = list(LABEL_KEYS.values()) if options.labels else []
    arrays = _open(path, ["images", *keys], options)
    images = _checked_images(path, arrays["images"])
    n = len(images)
    if options.labels:
        points = np.stack(
            [_checked_points(path, key, arrays[key], images.shape, options.margin) for key in LABEL_KEYS.values()],
            axis=1,
        )
    else:
        points = np.full((n, len(POINTS), 2), np.nan, np.float32)
    warnings = []
    for key in ("animal", "source_frame"):
        if key in arrays and arrays[key].shape != (n,):
            raise InputError(path, f"{key} has shape {arrays[key].shape}, expected ({n},)", "export it again")
    if "source_frame" in arrays:
        frames = arrays["source_frame"].astype(np.int64)
    else:
        if n % options.copies:
            raise InputError(
                path, f"{n} images are no multiple of {options.copies} copies", "correct the option copies"
            )
        row = np.arange(n, dtype=np.int64)
        frames = row // options.copies if options.copies_are == "adjacent" else row % (n // options.copies)
        if options.labels and options.copies == 1:
            warnings.append("no source_frame: each image counts as a frame of its own, so copies of one could be split")
    animals = arrays["animal"].astype(str) if "animal" in arrays else np.full(n, "unknown")
    if "animal" not in arrays and options.labels:
        warnings.append("no animal: the images cannot be split by animal")
    return ImageSet(
        images=images,
        points=points,
        names=POINTS,
        source_frame=frames,
        animal=animals,
        group=frame_groups(frames),
        fps=float("nan") if options.fps is None else options.fps,
        warnings=warnings,
    )


def write(path: Path, images: ImageSet, *, labels: bool = True) -> None:
    """Write images in the archive's layout, with our two keys beside it.

    Parameters
    ----------
    path : Path
    images : ImageSet
        With the points base, neck and head.
    labels : bool
        Write the points.
    """
    arrays: dict[str, npt.NDArray[Any]] = {"images": images.images}
    if labels:
        arrays |= {key: images.points[:, images.names.index(name)] for name, key in LABEL_KEYS.items()}
    arrays |= {"animal": images.animal, "source_frame": images.source_frame}
    with atomic_path(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for key, array in arrays.items():
            # numpy.savez stamps the members with the time; a fixed date makes equal content equal bytes.
            info = zipfile.ZipInfo(f"{key}.npy", (1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(info, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)


def sniff(path: Path) -> Found | None:
    """Tell the npz by its array `images`, with the three points or without (a movie)."""
    if path.suffix.lower() != ".npz" or file_head(path).raw[:2] != b"PK":
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            names = {MISSPELT.get(key, key) for key in map(_key, archive.namelist())}
    except zipfile.BadZipFile:
        return None
    if "images" not in names:
        return None
    labelled = set(LABEL_KEYS.values()) <= names
    found = Found(source="rat_npz", kind="images", keypoints=list(POINTS))
    if not labelled:
        found.options = {"labels": False}
        found.guessed.append(f"{path.name} has no points: it is a movie, or there is nothing to train on.")
    return found
