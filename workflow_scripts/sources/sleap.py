"""SLEAP: analysis h5 in both axis orders, csv of one video, and projects (.slp).

Two axis orders are about: (track, xy, node, frame), which SLEAP writes for MATLAB, and (frame, track, node, xy), which
sleap-io calls standard. Newer files name the axes in an attribute `dims`; in the others the lengths of `node_names`,
`track_names` and `track_occupancy` tell, or nothing does and the file is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
from pydantic import Field

from workflow_scripts.core.arrays import any_nan
from workflow_scripts.core.documents import parse_json
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.typing import Float32Array
from workflow_scripts.core.validation import nearest
from workflow_scripts.formats.hdf5 import open_hdf5, read_values
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.sources.joined import JoinOptions, join_animals
from workflow_scripts.sources.shared import sleap_csv, slp
from workflow_scripts.sources.shared.found import Found, file_head
from workflow_scripts.sources.shared.points import describe

ORDERS = {"matlab": ("track", "xy", "node", "frame"), "standard": ("frame", "track", "node", "xy")}
SPARSE = 1.5
"""More frames than this many times those with an instance are worth a word."""
WANTED = ("frame", "track", "node", "xy")


class Options(JoinOptions):
    """Options of the source `sleap`."""

    tracks: list[str] = Field([], description="Tracks to read, in this order; empty = all.")
    axes: Literal["auto", "matlab", "standard"] = Field("auto", description="Axis order of an analysis h5.")
    fullest: int | None = Field(None, ge=1, description="Keep so many tracks: those present in most frames.")
    untracked: Literal["refuse", "order"] = Field(
        "refuse",
        description="A .slp with several instances a frame and no tracks: refuse it, or take their order for identity.",
    )
    video: str | None = Field(None, description="Video whose tracks are read, where a .slp has several.")
    fps: float | None = Field(None, gt=0, description="Frames per second, where the card states none.")
    image_size: tuple[float, float] | None = Field(None, description="Width and height in pixels.")


def read(path: Path, options: Options, *, recording: str) -> Iterator[Recording]:
    """Read one recording from an analysis h5 or a .slp; see :func:`workflow_scripts.sources.read_tracks`."""
    yield join_animals(path, options, lambda file: _read_one(file, options, recording))


def _read_one(path: Path, options: Options, recording: str) -> Recording:
    warnings: list[str] = []
    if path.suffix.lower() == ".slp":
        names, nodes, position, confidence = slp.read_slp(path, options.untracked, options.video, warnings)
    elif path.suffix.lower() == ".csv":
        names, nodes, position, confidence = sleap_csv.read_csv(path)
    else:
        names, nodes, position, confidence = _read_analysis(path, options.axes, warnings)
    keep = list(range(len(names)))
    if options.tracks:
        for name in options.tracks:
            if name not in names:
                near = nearest(name, names).removesuffix("?")
                raise InputError(path, f"has no track {name!r}{near}", "check tracks in the source options")
        keep = [names.index(name) for name in options.tracks]
    elif options.fullest is not None and options.fullest < len(names):
        share = (~any_nan(position)).any(-1).mean(0)
        keep = sorted(np.argsort(-share, kind="stable")[: options.fullest].tolist())
        left = [f"{name} ({share[k]:.0%})" for k, name in enumerate(names) if k not in keep]
        warnings.append(f"{path.name}: the tracks present in fewest frames are left out: {', '.join(left)}")
    for kind, values in (("track", names), ("node", nodes)):
        if len(set(values)) != len(values):
            twice = next(value for value in values if values.count(value) > 1)
            raise InputError(path, f"two {kind}s are called {twice!r}", "rename one in SLEAP and export again")
    return Recording(
        id=recording,
        position=np.ascontiguousarray(position[:, keep]),
        confidence=np.ascontiguousarray(confidence[:, keep]),
        fps=float("nan") if options.fps is None else options.fps,
        individuals=tuple(names[k] for k in keep),
        keypoints=tuple(nodes),
        group=recording,
        image_size=options.image_size,
        warnings=warnings,
    )


_Read = tuple[list[str], list[str], Float32Array, Float32Array]


def _read_analysis(path: Path, axes: str, warnings: list[str]) -> _Read:
    with open_hdf5(path, "a SLEAP analysis h5", "export the analysis HDF5 from SLEAP again") as handle:
        return _from_analysis(path, handle, axes, warnings)


def _strings(path: Path, handle: h5py.File, name: str) -> list[str]:
    values = np.ravel(read_values(path, handle, name))
    if values.dtype.kind not in "SOU":
        raise InputError(path, f"{name} is no dataset of text", "export the analysis HDF5 from SLEAP again")
    return [value.decode("utf-8") if isinstance(value, bytes) else str(value) for value in values]


def _from_analysis(path: Path, handle: h5py.File, axes: str, warnings: list[str]) -> _Read:
    for name in ("tracks", "node_names"):
        if name not in handle:
            raise InputError(
                path, f"has no dataset {name!r}, expected a SLEAP analysis h5", "export the analysis HDF5 from SLEAP"
            )
    tracks = handle["tracks"]
    if not isinstance(tracks, h5py.Dataset) or tracks.dtype.kind not in "iuf":
        raise InputError(path, "tracks is no dataset of numbers", "export the analysis HDF5 again")
    nodes = _strings(path, handle, "node_names")
    names = _strings(path, handle, "track_names") if "track_names" in handle else []
    if tracks.ndim != 4:
        raise InputError(path, f"tracks has {tracks.ndim} axes, expected 4", "export the analysis HDF5 again")
    occupancy = handle["track_occupancy"].shape if "track_occupancy" in handle else None
    order = _axis_order(path, tracks, axes, len(names), len(nodes), occupancy)
    position = np.transpose(read_values(path, tracks), [order.index(axis) for axis in WANTED]).astype(np.float32)
    time, animals, points, _ = position.shape
    # A project of one animal may be exported without tracks: one unnamed animal.
    names = names or [f"individual{k + 1}" for k in range(animals)]
    confidence: Float32Array = np.empty(0, dtype=np.float32)
    if "point_scores" in handle:
        scores = handle["point_scores"]
        if not isinstance(scores, h5py.Dataset) or scores.dtype.kind not in "iuf":
            raise InputError(path, "point_scores is no dataset of numbers", "export the analysis HDF5 again")
        own = _dims(scores) or tuple(axis for axis in order if axis != "xy")
        if sorted(own) == sorted(WANTED[:3]) and scores.ndim == 3:
            confidence = np.transpose(read_values(path, scores), [own.index(axis) for axis in WANTED[:3]]).astype(
                np.float32
            )
        if confidence.shape != (time, animals, points):
            raise InputError(
                path,
                f"point_scores is {' × '.join(map(str, scores.shape))}, which does not fit tracks",
                "export the analysis HDF5 from SLEAP again",
            )
    else:
        seen = ~any_nan(position)
        confidence = np.where(seen, np.float32(1), np.float32(np.nan))
        warnings.append(f"{path.name}: has no point scores; every seen point has confidence 1")
    return names, nodes, position, confidence


def _dims(dataset: h5py.Dataset) -> tuple[str, ...] | None:
    """Names of the axes where the writer stored them, as JSON or as an array of text."""
    stored: Any = dataset.attrs.get("dims")
    if stored is None:
        return None
    if isinstance(stored, str | bytes):
        stored = parse_json(stored)
    names = tuple(value.decode() if isinstance(value, bytes) else str(value) for value in stored)
    return tuple(name.removesuffix("s") for name in names)


def _axis_order(
    path: Path, tracks: h5py.Dataset, axes: str, n_tracks: int, n_nodes: int, occupancy: tuple[int, ...] | None
) -> tuple[str, ...]:
    if axes != "auto":
        possible: list[tuple[str, ...]] = [ORDERS[axes]]
    else:
        stored = _dims(tracks)
        if stored is not None and sorted(stored) != sorted(WANTED):
            raise InputError(path, f"names its axes {', '.join(stored)}", f"expected {', '.join(WANTED)}, in any order")
        possible = list(ORDERS.values()) if stored is None else [stored]
    fitting = [order for order in possible if _fits(dict(zip(order, tracks.shape, strict=True)), n_tracks, n_nodes)]
    if len(fitting) > 1 and occupancy is not None:
        lengths = [dict(zip(order, tracks.shape, strict=True)) for order in fitting]
        named = [
            order
            for order, length in zip(fitting, lengths, strict=True)
            if sorted(occupancy) == sorted((length["frame"], length["track"]))
        ]
        fitting = named or fitting
    if len(fitting) == 1:
        return fitting[0]
    shape = " × ".join(map(str, tracks.shape))
    if fitting:
        raise InputError(path, f"tracks is {shape}, which fits both axis orders", "set axes to matlab or standard")
    raise InputError(
        path,
        f"tracks is {shape}, which fits no axis order with {n_nodes} nodes, {n_tracks} tracks and x, y",
        "export the analysis HDF5 from SLEAP again",
    )


def _fits(length: dict[str, int], n_tracks: int, n_nodes: int) -> bool:
    return length["xy"] == 2 and length["node"] == n_nodes and length["track"] == max(n_tracks, 1)


def sniff(path: Path) -> Found | None:
    """Tell an analysis h5, a .slp or a csv of SLEAP."""
    head = file_head(path)
    if path.suffix.lower() == ".csv":
        first = head.rows(1)[0] if head.text else []
        if not {"track", "frame_idx"} <= set(first) or not any(cell.endswith(".x") for cell in first):
            return None
        found = Found(source="sleap", kind="tracks")
    elif head.hdf5:
        with open_hdf5(path) as handle:
            if path.suffix.lower() == ".slp" or {"frames", "instances", "metadata"} <= set(handle):
                return _sniff_slp(path, handle)
            if not {"tracks", "node_names"} <= set(handle):
                return None
        found = Found(source="sleap", kind="tracks")
    else:
        return None
    recording = next(read(path, Options(), recording=path.stem))
    describe(found, recording)
    found.guessed += [line for line in recording.warnings if "no point scores" in line]
    share = (~any_nan(recording.position)).any(-1).mean(0)
    thin = [f"{name} ({part:.0%})" for name, part in zip(recording.individuals, share, strict=True) if part < 0.1]
    if thin:
        found.unknown.append(
            f"{path.name}: tracks in few frames ({', '.join(thin)}); keep the fullest with --option fullest=N."
        )
    return found


def _sniff_slp(path: Path, handle: h5py.File) -> Found | None:
    if not {"frames", "instances", "metadata"} <= set(handle):
        return None
    found = Found(source="sleap", kind="tracks", title="SLEAP project")
    names = slp.read_names(path, handle)
    frames = read_values(path, handle, "frames")
    n_frames = int(frames["frame_idx"].max()) + 1 if len(frames) else 0
    if n_frames > SPARSE * len(frames):
        found.unknown.append(
            f"{path.name}: {len(frames)} of {n_frames} frames have instances, from {frames['frame_idx'].min()}."
        )
    try:
        recording = next(read(path, Options(), recording=path.stem))
    except InputError as error:  # what is wrong may be an option away
        found.unknown.append(str(error))
        found.keypoints, found.individuals, found.n_frames = names.nodes, names.tracks, n_frames
        return found
    describe(found, recording)
    return found
