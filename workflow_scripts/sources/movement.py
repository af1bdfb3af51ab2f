"""The NetCDF of the library movement, and of LISBET 0.3.1 and later: `tracking.nc`, and `annotations.nc` for labels.

`tracking.nc` holds ``position`` (time, space, keypoints, individuals) and often ``confidence``; movement 0.17 and later
name the axes keypoint and individual. `annotations.nc` holds ``target_cls`` (time, behaviors, annotators), 0 or 1.
Read without that library.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from workflow_scripts.cards.card import Task
from workflow_scripts.core.arrays import any_nan
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.validation import nearest
from workflow_scripts.formats.bouts import Bout, runs
from workflow_scripts.formats.tracks import Labels, Recording
from workflow_scripts.sources.joined import JoinOptions, join_animals
from workflow_scripts.sources.netcdf import AGAIN, Dataset, read_netcdf, write_classic
from workflow_scripts.sources.shared.bouts import BoutOptions, label_tasks
from workflow_scripts.sources.shared.found import Found
from workflow_scripts.sources.shared.points import describe

NAN_ALONE = True
"""Missing points are NaN; zeros are values."""
RENAMED = {"keypoint": "keypoints", "individual": "individuals", "behavior": "behaviors", "annotator": "annotators"}
AXES = ("time", "individuals", "keypoints", "space")


class Options(JoinOptions):
    """Options of the source `movement`, for tracks."""

    individuals: list[str] = Field([], description="Animals of the file to read, in this order; empty = all.")
    keypoints: list[str] = Field([], description="Points of the file to read, in this order; empty = all.")


class LabelOptions(BoutOptions):
    """Options of the source `movement`, for labels."""

    annotator: str | None = Field(None, description="Whose labels to read, where the file holds several people's.")


def sniff(path: Path) -> Found | None:
    """Tell tracks by their variable position, labels by target_cls; the files of both end in .nc."""
    if path.suffix.lower() not in {".nc", ".nc4"}:
        return None
    try:
        held = read_netcdf(path, RENAMED)
    except InputError:
        return None
    if "position" in held.variables and "keypoints" in held.variables["position"].dims:
        found = Found(source="movement", kind="tracks")
        describe(found, next(read(path, Options(), recording=path.stem)))
        return found
    if "target_cls" not in held.variables:
        return None
    found = Found(source="movement", kind="labels")
    annotators = _names(path, held, "annotators")
    if len(annotators) > 1:
        found.options = {"annotator": annotators[0]}
        found.guessed.append(f"{path.name} holds labels of {', '.join(annotators)}; those of {annotators[0]} are read.")
    bouts, n_frames = _bouts(path, held, annotators[0])
    found.add_bouts(path.stem, bouts, float("nan"), n_frames=n_frames)
    return found


def _names(path: Path, found: Dataset, axis: str) -> list[str]:
    if axis not in found.variables:
        raise InputError(path, f"has no coordinate {axis}", AGAIN)
    names = [str(name) for name in found.variables[axis].values]
    if len(set(names)) != len(names):
        raise InputError(path, f"two {axis} are called {next(n for n in names if names.count(n) > 1)!r}", "rename one")
    return names


def _chosen(path: Path, names: list[str], wanted: list[str], axis: str) -> list[int]:
    for name in wanted:
        if name not in names:
            near = nearest(name, names).removesuffix("?")
            raise InputError(path, f"has no {axis.removesuffix('s')} {name!r}{near}", f"check {axis} in the options")
    return [names.index(name) for name in wanted or names]


def _fps(path: Path, found: Dataset) -> float:
    """Frames per second from the attribute, else from times in seconds, else unknown."""
    written = found.attributes.get("fps")
    try:
        stated = float(written)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        stated = float("nan")
    if np.isfinite(stated) and stated > 0:
        return stated
    time = found.variables.get("time")
    if time is None or found.attributes.get("time_unit") != "seconds" or len(time.values) < 2:
        return float("nan")
    steps = np.diff(np.asarray(time.values, np.float64))
    if not np.allclose(steps, steps[0], rtol=1e-3) or steps[0] <= 0:
        frame = int(np.argmax(~np.isclose(steps, steps[0], rtol=1e-3))) + 1
        raise InputError(path, f"frame {frame}: times are not evenly spaced", "interpolate the tracks to one rate")
    return float(1 / np.mean(steps))


def read(path: Path, options: Options, *, recording: str) -> Iterator[Recording]:
    """Read one recording; see :func:`workflow_scripts.sources.read_tracks`."""
    yield join_animals(path, options, lambda file: _read_one(file, options, recording))


def _read_one(path: Path, options: Options, recording: str) -> Recording:
    found = read_netcdf(path, RENAMED)
    if "position" not in found.variables:
        held = ", ".join(sorted(found.variables)) or "nothing"
        raise InputError(path, f"has no variable position, it holds {held}", "expected tracks of points, by movement")
    if "keypoints" not in found.variables["position"].dims:
        raise InputError(path, "holds boxes, not points", "export the keypoints with movement's load_poses")
    position = found.variables["position"].over(path, "position", AXES).astype(np.float32)
    individuals, keypoints = _names(path, found, "individuals"), _names(path, found, "keypoints")
    space = _names(path, found, "space")
    if space != list("xyz"[: len(space)]) or len(space) < 2:
        raise InputError(path, f"has the axes of space {', '.join(space)}, expected x, y (and z)", AGAIN)
    animals = _chosen(path, individuals, options.individuals, "individuals")
    points = _chosen(path, keypoints, options.keypoints, "keypoints")
    position = position[:, animals][:, :, points]
    missing = any_nan(position)
    confidence: npt.NDArray[np.float32] = np.where(missing, np.float32(np.nan), np.float32(1))
    if "confidence" in found.variables:
        table = found.variables["confidence"].over(path, "confidence", AXES[:3]).astype(np.float32)
        confidence = table[:, animals][:, :, points]
    size = found.attributes.get("image_size_px")
    return Recording(
        id=recording,
        position=np.ascontiguousarray(position),
        confidence=np.ascontiguousarray(confidence),
        fps=_fps(path, found),
        individuals=tuple(individuals[k] for k in animals),
        keypoints=tuple(keypoints[k] for k in points),
        group=recording,
        image_size=None if size is None or len(size) != 2 else (float(size[0]), float(size[1])),
    )


def read_labels(
    path: Path, options: LabelOptions, *, n_frames: int, fps: float, tasks: dict[str, Task], warn: list[str]
) -> dict[str, Labels]:
    """Read the labels of one annotator; see :func:`workflow_scripts.sources.read_labels`."""
    found = read_netcdf(path, RENAMED)
    if "target_cls" not in found.variables:
        held = ", ".join(sorted(found.variables)) or "nothing"
        raise InputError(path, f"has no variable target_cls, it holds {held}", "expected annotations.nc of LISBET")
    annotators = _names(path, found, "annotators")
    if options.annotator is None and len(annotators) != 1:
        raise InputError(path, f"holds labels of {len(annotators)} annotators ({', '.join(annotators)})", "name one")
    bouts, length = _bouts(path, found, options.annotator)
    return label_tasks(path, bouts, options, n_frames=n_frames, tasks=tasks, warn=warn, length=length)


def _bouts(path: Path, found: Dataset, annotator: str | None) -> tuple[list[Bout], int]:
    """Return the bouts of one annotator (None = the first) and the number of frames."""
    behaviours, annotators = _names(path, found, "behaviors"), _names(path, found, "annotators")
    place = _chosen(path, annotators, [annotator] if annotator else [], "annotators")[0]
    table = found.variables["target_cls"].over(path, "target_cls", ("time", "behaviors", "annotators"))[..., place]
    wrong = ~np.isin(table, (0, 1))
    if wrong.any():
        frame, column = (int(k) for k in np.argwhere(wrong)[0])
        raise InputError(
            path, f"frame {frame}, {behaviours[column]}: expected 0 or 1, found {table[frame, column]}", AGAIN
        )
    bouts = [
        Bout(start, stop, name)
        for name, column in zip(behaviours, table.T, strict=True)
        for start, stop, on in runs(column).triples()
        if on
    ]
    return sorted(bouts, key=lambda bout: bout.start), len(table)


def write_movement(
    folder: Path, recording: Recording, *, task: str | None = None, annotator: str = "annotator"
) -> None:
    """Write a recording as LISBET 0.3.1 and later read it.

    Parameters
    ----------
    folder : Path
        The recording's own; gets `tracking.nc`, and `annotations.nc` where `task` is given.
    recording : Recording
    task : str, optional
        Labels by frame to write, one-hot; unlabelled frames are zeros throughout.
    annotator : str
    """
    time, _, _, space = recording.position.shape
    frames = np.arange(time, dtype=np.int32)
    common: dict[str, Any] = {"source_software": "EthoMake", "fps": float(recording.fps), "time_unit": "frames"}
    size = recording.image_size
    variables: dict[str, Any] = {
        "position": (("time", "space", "keypoints", "individuals"), recording.position.transpose(0, 3, 2, 1)),
        "confidence": (("time", "keypoints", "individuals"), recording.confidence.transpose(0, 2, 1)),
        "time": (("time",), frames),
        "space": (("space",), np.array(list("xyz"[:space]), object)),
        "keypoints": (("keypoints",), np.array(recording.keypoints, object)),
        "individuals": (("individuals",), np.array(recording.individuals, object)),
    }
    attributes = common | {"ds_type": "poses"} | ({} if size is None else {"image_size_px": np.array(size, np.float64)})
    write_classic(folder / "tracking.nc", variables, attributes)
    if task is None:
        return
    labels = recording.labels[task]
    codes = np.where(labels.mask, labels.values, -1)
    onehot = (codes[:, None] == np.arange(len(labels.vocabulary))).astype(np.int32)
    variables = {
        "target_cls": (("time", "behaviors", "annotators"), onehot[..., None]),
        "time": (("time",), frames),
        "behaviors": (("behaviors",), np.array(labels.vocabulary, object)),
        "annotators": (("annotators",), np.array([annotator], object)),
    }
    write_classic(folder / "annotations.nc", variables, common | {"ds_type": "annotations"})
