"""Custom data of BAMS's scripts for one's own data: a plain array, or their dictionaries, in one npy file.

A plain file is the array `data` alone, as the script without labels loads it. An object file holds `data` (sample,
time, feature), NaN where missing, features being the coordinates of the keypoints one after another, and, where there
are labels, the two dictionaries those scripts ask for: `annotations` with `video_name` (one text a sample) and one
array a label, (sample,) or (sample, time), whole numbers or texts for classes and floats for values; and `eval_utils`
with `classification_tags`, `regression_tags` and `sequence_level_dict`, which says of each tag whether it has one
answer a sample. Every sample becomes a recording of one animal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from workflow_scripts.core import limits
from workflow_scripts.core.arrays import any_nan
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.validation import Strict, nearest
from workflow_scripts.formats.tracks import Labels, Recording
from workflow_scripts.sources.shared import npy_objects
from workflow_scripts.sources.shared.found import Found, file_head
from workflow_scripts.sources.shared.points import describe

WHAT = "an array (sample, time, feature), or BAMS's dictionaries (data, and annotations with eval_utils for labels)"
NAN_ALONE = True
"""A missing value is NaN; a feature may well be 0."""


class Options(Strict):
    """Options of the source `bams_dict`."""

    keypoints: list[str] = Field([], description="Names of the keypoints; empty = point1, point2 ….")
    space: Literal[1, 2, 3] | None = Field(
        None,
        description="Coordinates of a keypoint; 1 = features that are no coordinates, each a keypoint of its own. "
        "Empty = 2 where the number of features is even, else 1.",
    )


def read(path: Path, options: Options, *, recording: str) -> Iterator[Recording]:
    """Read every sample of a file; see :func:`workflow_scripts.sources.read_tracks`."""
    bare = bare_array(path)
    value: Any = {"data": bare} if bare is not None else npy_objects.load(path)
    if not isinstance(value, dict) and hasattr(value, "shape"):
        value = {"data": value}
    elif not isinstance(value, dict) or "data" not in value:
        value = npy_objects.load_dict(path, ("data",), WHAT)
    data = value["data"]
    if bare is not None and bare.ndim == 2:  # one recording, (time, feature)
        data = data[None]
    shape: tuple[int, ...] = getattr(data, "shape", ())
    if len(shape) != 3 or data.dtype.kind not in "fiu" or 0 in shape:
        raise InputError(
            path,
            f"data has the shape {shape}, expected numbers of shape (sample, time, feature)",
            "give one array of equally long samples, filled up with NaN",
        )
    space = options.space or (1 if shape[2] % 2 else 2)
    if shape[2] % space:
        raise InputError(
            path,
            f"data has {shape[2]} features, expected a multiple of the option space, {space}",
            "write space: 1 into the card's options, or leave it out",
        )
    points = shape[2] // space
    names = options.keypoints or [f"{'feature' if space == 1 else 'point'}{k + 1}" for k in range(points)]
    if len(names) != points:
        raise InputError(
            path,
            f"data has {points} keypoints of {space} coordinates, the options name {len(names)}",
            "correct keypoints, or space",
        )
    annotations = value.get("annotations") or {}
    videos = _videos(path, annotations, shape[0])
    tags, ignored = _tags(path, annotations, value.get("eval_utils") or {}, shape)
    used = Counter(videos)
    for k, video in enumerate(videos):
        position = np.asarray(data[k : k + 1], dtype=np.float32).reshape(shape[1], 1, points, space)
        identifier = video or f"{recording}{k + 1}"
        missing = any_nan(position)
        yield Recording(
            id=recording
            if shape[0] == 1 and not video
            else identifier
            if used[video] == 1 or not video
            else f"{identifier}/{k + 1}",
            position=position,
            confidence=np.where(missing, np.float32(np.nan), np.float32(1)),
            fps=float("nan"),
            individuals=("animal",),
            keypoints=tuple(names),
            group=identifier,
            labels={name: _label(values[k], level, vocabulary) for name, (values, level, vocabulary) in tags.items()},
            warnings=[f"the annotation {name} is in no tag of eval_utils and is left out" for name in ignored],
        )


def bare_array(path: Path) -> npt.NDArray[Any] | None:
    """Return the array of a plain npy file of numbers, None where the file holds objects."""
    try:
        array = np.load(path, allow_pickle=False, mmap_mode="r")
    except (ValueError, OSError, EOFError):
        return None
    return array if array.ndim in (2, 3) and array.dtype.kind in "fiu" else None


def _videos(path: Path, annotations: Any, samples: int) -> list[str]:
    if not isinstance(annotations, dict):
        raise InputError(path, "annotations is no dictionary", f"expected {WHAT}")
    videos = [str(name) for name in annotations.get("video_name", [""] * samples)]
    if len(videos) != samples:
        raise InputError(path, f"video_name has {len(videos)} entries for {samples} samples", "name each sample")
    return videos


Tag = tuple[npt.NDArray[Any], Literal["frame", "sequence"], tuple[str, ...] | None]


def _tags(
    path: Path, annotations: dict[str, Any], utils: Any, shape: tuple[int, ...]
) -> tuple[dict[str, Tag], list[str]]:
    """Return array, level and vocabulary (None = continuous) of every tag, and annotations without one."""
    if not isinstance(utils, dict):
        raise InputError(path, "eval_utils is no dictionary", f"expected {WHAT}")
    levels = utils.get("sequence_level_dict") or {}
    classes, values = (list(utils.get(f"{kind}_tags") or []) for kind in ("classification", "regression"))
    found: dict[str, Tag] = {}
    for name in [*classes, *values]:
        if name not in annotations:
            known = nearest(name, [str(key) for key in annotations])
            raise InputError(path, f"eval_utils names {name!r}, which annotations lacks{known}", "correct the tag")
        if name not in levels:
            raise InputError(path, f"sequence_level_dict does not tell the level of {name!r}", "say True or False")
        level: Literal["frame", "sequence"] = "sequence" if levels[name] else "frame"
        array = np.asarray(annotations[name])
        wanted = shape[:1] if level == "sequence" else shape[:2]
        if array.shape != wanted:
            raise InputError(
                path,
                f"{name} has the shape {array.shape}, expected {wanted} of a label with one answer a {level}",
                "correct its entry in sequence_level_dict, or the array",
            )
        vocabulary: tuple[str, ...] | None = None
        if name in classes:
            array, vocabulary = _classes(path, name, array)
        elif array.dtype.kind not in "fiub":
            raise InputError(
                path,
                f"{name} holds {array.dtype}, expected numbers",
                "name it in classification_tags if it holds classes",
            )
        found[name] = array.reshape(shape[0], -1), level, vocabulary
    return found, [str(key) for key in annotations if key not in found and key != "video_name"]


def _classes(path: Path, name: str, array: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], tuple[str, ...]]:
    """Return class numbers and names; texts are numbered in alphabetical order, an empty one is no label."""
    if array.dtype.kind in "US" or (array.dtype == object and all(isinstance(value, str) for value in array.flat)):
        texts = array.astype(str)
        vocabulary = tuple(sorted({str(text) for text in texts.flat if text}))
        if not vocabulary:
            raise InputError(path, f"{name} holds empty texts alone", "write the class of each sample or frame")
        numbers = {text: number for number, text in enumerate(vocabulary)}
        return np.array([numbers.get(str(text), -1) for text in texts.flat]).reshape(array.shape), vocabulary
    if array.dtype.kind not in "fiub":
        raise InputError(
            path, f"{name} holds {array.dtype}, expected class numbers 0, 1, 2 … or texts", "number the classes"
        )
    known = array[~np.isnan(array)] if array.dtype.kind == "f" else array
    if (known != np.floor(known)).any() or not (known >= 0).any():
        raise InputError(path, f"{name} holds no class numbers 0, 1, 2 …", "number the classes")
    limits.require_most(path, f"the largest class number of {name}", known.max(), limits.CLASSES - 1)
    return array, tuple(str(number) for number in range(int(known.max()) + 1))


def _label(values: npt.NDArray[Any], level: Literal["frame", "sequence"], vocabulary: tuple[str, ...] | None) -> Labels:
    """Turn one sample's values into labels; NaN and negative classes are unlabelled."""
    numbers = values.astype(np.float64)
    if vocabulary is None:
        mask = ~np.isnan(numbers)
        return Labels(np.where(mask, numbers, 0).astype(np.float32), mask, level, "continuous")
    mask = np.nan_to_num(numbers, nan=-1) >= 0
    return Labels(np.where(mask, numbers, 0).astype(np.int16), mask, level, "multiclass", vocabulary)


def sniff(path: Path) -> Found | None:
    """Tell an npy of numbers (sample, time, feature) or (time, feature), or a dictionary with `data`."""
    if path.suffix.lower() != ".npy" or not file_head(path).raw.startswith(b"\x93NUMPY"):
        return None
    found = Found(source="bams_dict", kind="tracks")
    bare = bare_array(path)
    videos: list[str] = []
    if bare is None:
        try:
            value = npy_objects.load_dict(path, ("data",), WHAT)
        except InputError:
            return None
        shape = getattr(value["data"], "shape", ())
        annotations = value.get("annotations")
        videos = [str(name) for name in annotations.get("video_name", [])] if isinstance(annotations, dict) else []
    else:
        shape = bare.shape
    if not shape or shape[-1] < 1 or 0 in shape:
        return None
    if shape[-1] % 2:
        found.options = {"space": 1}
        found.guessed.append(
            f"{path.name} has {shape[-1]} features, an odd number, so each stands for itself (space: 1)."
        )
    else:
        found.guessed.append(f"{path.name} has {shape[-1]} features, taken for x and y of {shape[-1] // 2} points.")
    first = next(read(path, Options(**found.options), recording=path.stem))
    describe(found, first)
    found.recordings = [first.id] if len(shape) == 3 else []
    found.groups = (len(set(videos)) or shape[0]) if found.recordings else 0
    found.tasks = {
        task: {"kind": made.kind, "level": made.level, "vocabulary": list(made.vocabulary)}
        for task, made in first.labels.items()
    }
    return found
