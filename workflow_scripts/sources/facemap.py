"""Facemap's `<video>_FacemapPose.h5`: a group Facemap with a group a point, each with x, y and likelihood (time,)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.validation import Strict
from workflow_scripts.formats.hdf5 import open_hdf5, read_values
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.sources.shared.found import Found, file_head
from workflow_scripts.sources.shared.points import describe, made

AXES = ("x", "y", "likelihood")


class Options(Strict):
    """Options of the source `facemap`: none."""


def read(path: Path, options: Options, *, recording: str) -> Iterator[Recording]:
    """Read one recording; see :func:`workflow_scripts.sources.read_tracks`."""
    with open_hdf5(path, "Facemap's <video>_FacemapPose.h5") as handle:
        group = handle.get("Facemap")
        points = [
            str(name) for name, node in (group or {}).items() if isinstance(node, h5py.Group) and set(AXES) <= set(node)
        ]
        if not points:
            raise InputError(path, "has no group Facemap with points", "expected Facemap's <video>_FacemapPose.h5")
        columns = {
            name: [read_values(path, group[name], axis).astype(np.float32).ravel() for axis in AXES] for name in points
        }
    lengths = {len(values) for axes in columns.values() for values in axes}
    if len(lengths) != 1 or 0 in lengths:
        raise InputError(path, f"its points have {sorted(lengths)} frames", "export it from Facemap again")
    block = np.stack([np.stack(columns[name], axis=-1) for name in points], axis=1)
    yield made(path, recording, block[:, None, :, :2], block[:, None, :, 2], ["animal"], points)


def sniff(path: Path) -> Found | None:
    """Tell the file by its group Facemap."""
    if not file_head(path).hdf5:
        return None
    with open_hdf5(path, "Facemap's <video>_FacemapPose.h5") as handle:
        if "Facemap" not in handle:
            return None
    found = Found(source="facemap", kind="tracks")
    describe(found, next(read(path, Options(), recording=path.stem)))
    return found
