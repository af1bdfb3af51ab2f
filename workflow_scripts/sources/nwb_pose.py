"""Pose in Neurodata Without Borders: `PoseEstimation` objects of ndx-pose, read from the HDF5 file itself.

One PoseEstimation is one animal; its PoseEstimationSeries hold `data` (time, 2 or 3), `confidence`, and `timestamps` or
a `starting_time` with a rate.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
from pydantic import Field

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.typing import Float32Array
from workflow_scripts.core.validation import Strict, nearest
from workflow_scripts.formats.hdf5 import open_hdf5, read_values
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.sources.shared.found import Found, file_head
from workflow_scripts.sources.shared.points import describe, made, sure

EXPECTED = "an NWB file with a PoseEstimation (ndx-pose)"
IRREGULAR = 0.5


class Options(Strict):
    """Options of the source `nwb_pose`."""

    individuals: list[str] = Field([], description="PoseEstimation objects to read, in this order; empty = all.")


def _kind(node: object) -> str:
    value = node.attrs.get("neurodata_type", "") if isinstance(node, h5py.Group) else ""
    return value.decode() if isinstance(value, bytes) else str(value)


def _poses(handle: h5py.File) -> dict[str, h5py.Group]:
    found: dict[str, h5py.Group] = {}

    def visit(name: str, node: object) -> None:
        if _kind(node) == "PoseEstimation":
            found[name.rpartition("/")[2]] = node

    handle.visititems(visit)
    return found


def _series(path: Path, name: str, pose: h5py.Group) -> tuple[dict[str, tuple[Float32Array, Float32Array]], float]:
    """Return points by name as (position, confidence), and the rate (NaN where none is stated)."""
    parts: dict[str, tuple[Float32Array, Float32Array]] = {}
    rates = []
    for part, node in pose.items():
        if _kind(node) != "PoseEstimationSeries":
            continue
        data = read_values(path, node, "data").astype(np.float32)
        if data.ndim != 2 or data.shape[1] not in (2, 3):
            raise InputError(
                path, f"{name}/{part}: data has the shape {data.shape}, expected (time, 2 or 3)", "export it again"
            )
        confidence = sure(data)
        if "confidence" in node:
            confidence = read_values(path, node, "confidence").astype(np.float32)
            if confidence.shape != data.shape[:1]:
                raise InputError(
                    path,
                    f"{name}/{part}: confidence has the shape {confidence.shape}, data {data.shape}",
                    "export it again",
                )
        parts[str(part)] = (data, confidence)
        if "starting_time" in node and "rate" in node["starting_time"].attrs:
            rates.append(float(node["starting_time"].attrs["rate"]))
        elif "timestamps" in node and len(node["timestamps"]) > 1:
            steps = np.diff(read_values(path, node, "timestamps", ndim=1))
            step = float(np.median(steps))
            if not step > 0 or not (np.abs(steps - step) <= IRREGULAR * step).all():
                raise InputError(
                    path, f"{name}/{part}: its time stamps are not evenly spaced", "export it with one row a frame"
                )
            rates.append(round(1 / step, 4))
    return parts, rates[0] if rates else float("nan")


def read(path: Path, options: Options, *, recording: str) -> Iterator[Recording]:
    """Read one recording; see :func:`workflow_scripts.sources.read_tracks`."""
    with open_hdf5(path, EXPECTED) as handle:
        poses = _poses(handle)
        if not poses:
            raise InputError(path, "holds no PoseEstimation", f"expected {EXPECTED}")
        for wanted in options.individuals:
            if wanted not in poses:
                near = nearest(wanted, list(poses)).removesuffix("?")
                raise InputError(path, f"has no PoseEstimation {wanted!r}{near}", "check individuals in the options")
        names = options.individuals or list(poses)
        found = {name: _series(path, name, poses[name]) for name in names}
    points = list(found[names[0]][0])
    if not points:
        raise InputError(path, f"{names[0]} holds no PoseEstimationSeries", f"expected {EXPECTED}")
    shapes = set()
    for name in names:
        if sorted(found[name][0]) != sorted(points):
            raise InputError(
                path, f"{name} has other points than {names[0]}", "name those of one skeleton under individuals"
            )
        shapes |= {position.shape for position, _ in found[name][0].values()}
    if len(shapes) > 1:
        raise InputError(
            path, f"its series have different lengths ({sorted(shapes)})", "export it with one row a frame"
        )
    position = np.stack([np.stack([found[n][0][p][0] for p in points], axis=1) for n in names], axis=1)
    confidence = np.stack([np.stack([found[n][0][p][1] for p in points], axis=1) for n in names], axis=1)
    yield made(path, recording, position, confidence, names, points, fps=found[names[0]][1])


def sniff(path: Path) -> Found | None:
    """Tell an NWB file that holds pose."""
    if not file_head(path).hdf5 or path.suffix.lower() != ".nwb":
        return None
    with open_hdf5(path, EXPECTED) as handle:
        if not _poses(handle):
            return None
    found = Found(source="nwb_pose", kind="tracks")
    describe(found, next(read(path, Options(), recording=path.stem)))
    return found
