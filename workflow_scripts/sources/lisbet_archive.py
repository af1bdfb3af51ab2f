"""The `h5archive` of LISBET 0.3 and before: one HDF5 file, a group per sequence id, `keypoints` and `annotations`.

`keypoints` (time, features) float64, column = (individual · keypoints + keypoint) · space + axis, divided by the
image's size; `annotations` (time) int where people labelled. Ids hold slashes and so nest groups.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
from pydantic import Field

from workflow_scripts.core.arrays import any_nan
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.files import atomic_path
from workflow_scripts.core.patterns import Pattern
from workflow_scripts.core.validation import Strict
from workflow_scripts.formats.hdf5 import open_hdf5, read_values
from workflow_scripts.formats.tracks import Labels, Recording
from workflow_scripts.sources.calms21 import IMAGE_SIZE, MICE, PARTS, group_of
from workflow_scripts.sources.shared.found import Found, file_head
from workflow_scripts.sources.shared.points import describe


class Options(Strict):
    """Options of the source `lisbet_archive`; the file names nothing, so they do."""

    individuals: list[str] = Field(list(MICE), min_length=1)
    keypoints: list[str] = Field(list(PARTS), min_length=1)
    space: int = Field(2, ge=2, le=3)
    image_size: tuple[float, float] | None = Field(
        IMAGE_SIZE,
        description="Width and height the coordinates were divided by. Empty = coordinates in pixels of an image of "
        "unknown size, which LISBET then scales by each recording's own range; [1, 1] = take them into the model as "
        "the file has them.",
    )
    task: str = Field("behaviour", description="Name given to the task in `annotations`.")
    vocabulary: list[str] = Field(
        ["attack", "investigation", "mount", "other"], description="Class names of `annotations` by number."
    )
    group_pattern: Pattern | None = Field(
        None, description="Regular expression at the start of an id; its first bracket, or all of it, is the group."
    )


def _sequences(path: Path, handle: h5py.File) -> list[str]:
    found: list[str] = []

    def visit(name: str, node: object) -> None:
        if isinstance(node, h5py.Dataset) and name.rpartition("/")[2] == "keypoints":
            found.append(name.rpartition("/")[0])

    handle.visititems(visit)
    if not found:
        raise InputError(path, "holds no dataset called keypoints", "write it with LISBET 0.3, or name another source")
    return found


def read(path: Path, options: Options, *, recording: str) -> Iterator[Recording]:
    """Read every sequence; see :func:`workflow_scripts.sources.read_tracks`."""
    n, k, s = len(options.individuals), len(options.keypoints), options.space
    with open_hdf5(path, "LISBET's h5archive", "name another source, or export it again") as handle:
        for name in _sequences(path, handle):
            group = handle[name] if name else handle
            flat = read_values(path, group, "keypoints").astype(np.float32)
            if flat.ndim != 2 or flat.shape[1] != n * k * s:
                raise InputError(
                    path,
                    f"sequence {name!r}: keypoints has the shape {flat.shape}, expected (time, {n * k * s})",
                    "name its individuals and keypoints in the source's options",
                )
            position = flat.reshape(len(flat), n, k, s)
            if options.image_size is not None and s == 2:
                position = position * np.asarray(options.image_size, np.float32)
            labels = {}
            if "annotations" in group:
                labels[options.task] = _labels(path, name, read_values(path, group, "annotations"), len(flat), options)
            missing = any_nan(position)
            yield Recording(
                id=name or recording,
                position=position,
                confidence=np.where(missing, np.float32(np.nan), np.float32(1)),
                fps=float("nan"),
                individuals=tuple(options.individuals),
                keypoints=tuple(options.keypoints),
                group=group_of(path, name or recording, options.group_pattern),
                image_size=options.image_size,
                labels=labels,
            )


def _labels(path: Path, name: str, found: npt.NDArray[np.generic], n_frames: int, options: Options) -> Labels:
    if found.shape != (n_frames,) or not np.issubdtype(found.dtype, np.integer):
        raise InputError(
            path,
            f"sequence {name!r}: annotations are {found.dtype} {found.shape}, expected {n_frames} whole numbers",
            "export it again",
        )
    if len(found) and (found.min() < 0 or found.max() >= len(options.vocabulary)):
        raise InputError(
            path,
            f"sequence {name!r}: annotations run from {found.min()} to {found.max()}, and the vocabulary has "
            f"{len(options.vocabulary)} classes",
            "name all classes in the source's vocabulary",
        )
    vocabulary = tuple(options.vocabulary)
    return Labels(found.astype(np.int16), np.ones(n_frames, bool), "frame", "multiclass", vocabulary)


def write_archive(path: Path, recordings: Iterable[Recording], *, task: str = "behaviour") -> None:
    """Write recordings in the original's layout, one in memory at a time.

    Parameters
    ----------
    path : Path
        The HDF5 file to make, whole or not at all.
    recordings : iterable of Recording
        Coordinates are divided by the image's size, where one is known.
    task : str
        Labels written as `annotations`, in recordings that have them.

    Raises
    ------
    InputError
        When an id is there twice or inside another, or a recording is labelled in part, which the layout cannot say.
    """
    with atomic_path(path) as part, h5py.File(part, "w") as handle:
        for recording in recordings:
            try:
                group = handle.create_group(recording.id)
            except ValueError as error:
                raise InputError(
                    path, f"the id {recording.id!r} is used twice", "give each recording its own"
                ) from error
            position = recording.position.astype(np.float64)
            if recording.image_size is not None and position.shape[3] == 2:
                position = position / np.asarray(recording.image_size)
            group.create_dataset("keypoints", data=position.reshape(len(position), -1), compression="gzip")
            if task in recording.labels:
                labels = recording.labels[task]
                if not labels.mask.all():
                    raise InputError(
                        path, f"{recording.id}: h5archive has no sign for unlabelled frames", "label all or none"
                    )
                group.create_dataset("annotations", data=labels.values.astype(np.int64), compression="gzip")


def sniff(path: Path) -> Found | None:
    """Tell an h5archive by its datasets `keypoints`, which hold 28 columns for two mice of seven points."""
    if not file_head(path).hdf5:
        return None
    with open_hdf5(path) as handle:
        try:
            names = _sequences(path, handle)
        except InputError:
            return None
        node = handle[f"{names[0]}/keypoints" if names[0] else "keypoints"]
        if node.ndim != 2:
            return None
        features = int(node.shape[1])
        labelled = any(f"{name}/annotations".lstrip("/") in handle for name in names)
    found = Found(source="lisbet_archive", kind="tracks", recordings=names)
    if features != len(MICE) * len(PARTS) * 2:
        # Nothing in the file says how many animals share the columns.
        points = [f"point{k + 1}" for k in range(features // 2)]
        found.options = {"individuals": ["animal1"], "keypoints": points, "image_size": None}
        found.unknown.append(f"{path.name} has {features} columns; name its individuals and keypoints in options.")
    if labelled:
        found.tasks["behaviour"] = {"vocabulary": ["attack", "investigation", "mount", "other"]}
        found.guessed.append(f"{path.name}: annotations are numbered attack, investigation, mount, other (vocabulary).")
    describe(found, next(read(path, Options(**found.options), recording=path.stem)))
    return found
