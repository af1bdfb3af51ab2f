"""MABe 2022 round 1, mouse triplets and fly groups: object npy files, split by clip, read one clip at a time.

Facts of the format (CaltechDATA records 8kdn3-95j37 and rdsa8-rde65; evaluator damaggu/MABe2022): tracks are
`{"sequences": {clip: {"keypoints": (time, individual, keypoint, 2), "annotations": (task, time)}}}`, with `vocabulary`
naming the annotations' rows; test clips have no annotations. Labels of the test clips lie in a file of their own, as
`label_array` (task, all frames) with `frame_number_map` {clip: (first row, end)}, or as `annotations` {clip: (task,
time)}; `task_type` is ``Discrete`` or, misspelt throughout, ``Continious``. NaN is an unlabelled frame. Mice: int32
pixels, a missing point is (0, 0). Flies: millimetres, NaN, always eleven of them.

Nothing says which clips show the same animals, so each clip is a group of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from workflow_scripts.core.arrays import any_nan
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.files import read_json
from workflow_scripts.core.validation import Strict
from workflow_scripts.formats.tracks import Labels, Recording
from workflow_scripts.sources.shared import npy_objects
from workflow_scripts.sources.shared.found import Found, file_head

MOUSE_POINTS = (
    *("nose", "left_ear", "right_ear", "neck", "left_forepaw", "right_forepaw"),
    *("centre_back", "left_hindpaw", "right_hindpaw", "tail_base", "tail_middle", "tail_tip"),
)
FLY_POINTS = (
    *("wing_left", "wing_right", "antennae", "right_eye", "left_eye", "left_shoulder", "right_shoulder"),
    *("end_notum", "end_abdomen", "middle_left_b", "middle_left_e", "middle_right_b", "middle_right_e"),
    *("tip_front_right", "tip_middle_right", "tip_back_right", "tip_back_left", "tip_middle_left", "tip_front_left"),
    "centre",
)
FLY_PAIRS = ("orientation", "axes", "area", "contrast")
"""Four pairs of quantities that the fly file carries as if they were points: (cos, sin) of the orientation, major and
minor axis in mm, body and foreground area in mm², image contrast and distance to the foreground."""
FPS = {"mouse": 30.0, "fly": 150.0}
POINTS = {"mouse": MOUSE_POINTS, "fly": (*FLY_POINTS, *FLY_PAIRS)}
INDIVIDUALS = {"mouse": 3, "fly": 11}

SEQUENCE_TASKS = {
    "mouse": ("experiment_day", "strain", "lights"),
    "fly": ("female_singletask_fly_0",),
}
"""Tasks of one answer a clip beside, for flies, everything that has no label per fly."""

KINDS: dict[str, Literal["binary", "continuous"]] = {
    "Discrete": "binary",
    "Continious": "continuous",
    "Continuous": "continuous",
}
YES_NO = ("no", "yes")


class Options(Strict):
    """Options of the source `mabe22`."""

    animal: Literal["mouse", "fly"] = Field("mouse", description="Mouse triplets or fly groups.")
    split_file: str | None = Field(
        None, description="JSON of part → clips, beside the tracks; a clip's id then begins with its part."
    )
    parts: list[str] = Field([], description="Parts of that file that the tracks must hold, no clip more or less.")
    labels_file: str | None = Field(None, description="Labels of the clips, beside the tracks.")
    annotations: bool = Field(True, description="Read the labels that stand beside the tracks of training clips.")
    pairs: bool = Field(True, description="Flies: keep the four pairs of quantities that are no points.")


def is_sequence_task(animal: str, task: str) -> bool:
    """Whether a task has one answer a clip (the evaluator's `sequence_level_tasks`)."""
    grouped = animal == "fly" and "_singletask_fly_" not in task and not task.startswith("perframe_")
    return grouped or task in SEQUENCE_TASKS[animal]


def read_parts(path: Path) -> dict[str, str]:
    """Read a split file: clip → part.

    Raises
    ------
    InputError
        When it is no JSON of lists, or names a clip twice.
    """
    value = read_json(path)
    if not isinstance(value, dict) or not all(isinstance(ids, list) for ids in value.values()):
        raise InputError(path, "is no mapping of parts to lists of clips", "use the evaluator's split file")
    found: dict[str, str] = {}
    for part, ids in value.items():
        for clip in ids:
            if clip in found:
                raise InputError(path, f"the clip {clip!r} is there twice", "keep one of the two")
            found[clip] = part
    return found


class LabelFile:
    """Labels of many clips, read a clip at a time.

    Parameters
    ----------
    path : Path

    Raises
    ------
    InputError
        When the file is neither of the two forms, or a task's type is unknown.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        what = "MABe labels (vocabulary, task_type, and label_array with frame_number_map or annotations)"
        value = npy_objects.load_dict(path, ("vocabulary", "task_type"), what)
        self.tasks = [str(name) for name in value["vocabulary"]]
        types = [str(name) for name in value["task_type"]]
        for name in types:
            if name not in KINDS:
                raise InputError(
                    path, f"has the task type {name!r}, expected Discrete or Continious", "correct task_type"
                )
        if len(types) != len(self.tasks):
            raise InputError(path, f"has {len(self.tasks)} tasks and {len(types)} task types", "download it again")
        self.kinds = [KINDS[name] for name in types]
        self._array = value.get("label_array")
        self.clips: Mapping[str, Any]
        if self._array is not None and "frame_number_map" in value:
            self.clips = check_map(path, value["frame_number_map"])
            total = max((stop for _, stop in self.clips.values()), default=0)
            if self._array.shape != (len(self.tasks), total):
                raise InputError(
                    path,
                    f"label_array has the shape {self._array.shape}, expected {(len(self.tasks), total)}",
                    "download it again",
                )
        elif isinstance(value.get("annotations"), dict):
            self.clips = value["annotations"]
        else:
            raise InputError(path, f"holds no labels, expected {what}", "check the path")

    def read(self, clip: str) -> npt.NDArray[np.float32] | None:
        """Return (task, time), NaN where unlabelled; None where the file does not know the clip."""
        if clip not in self.clips:
            return None
        if self._array is not None:
            start, stop = self.clips[clip]
            values = self._array[:, start:stop]
        else:
            values = np.asarray(self.clips[clip])
        if values.ndim != 2 or len(values) != len(self.tasks) or values.dtype.kind not in "fiu":
            raise InputError(
                self.path,
                f"clip {clip!r}: labels of kind {values.dtype} and shape {values.shape}, expected numbers of shape "
                f"({len(self.tasks)}, frames)",
                "download it again",
            )
        return np.asarray(values, np.float32)


def check_map(path: Path, value: Any) -> dict[str, tuple[int, int]]:
    """Check a frame_number_map: clip → (first row, end), one after another without gap or overlap.

    Raises
    ------
    InputError
    """
    if not isinstance(value, dict) or not value:
        raise InputError(path, "frame_number_map is no dictionary of clips", "use the official frame_number_map")
    found: dict[str, tuple[int, int]] = {}
    for clip, rows in value.items():
        try:
            start, stop = (int(row) for row in rows)
        except (TypeError, ValueError) as error:
            raise InputError(
                path, f"frame_number_map: clip {clip!r} has {rows!r}, expected (first row, end)", "correct it"
            ) from error
        found[str(clip)] = (start, stop)
    expected = 0
    for clip, (start, stop) in sorted(found.items(), key=lambda item: item[1]):
        if start != expected or stop <= start:
            raise InputError(
                path,
                f"frame_number_map: clip {clip!r} has the rows {start} to {stop}, expected a start at {expected}",
                "let every clip begin where the one before ends",
            )
        expected = stop
    return found


def to_labels(animal: str, task: str, kind: str, values: npt.NDArray[np.float32]) -> Labels | None:
    """Turn one task's row into labels; None where no frame is labelled.

    A task of one answer a clip becomes one label: the commoner answer (continuous: the mean), should it change.
    """
    mask = ~np.isnan(values)
    if not mask.any():
        return None
    level: Literal["frame", "sequence"] = "frame"
    if is_sequence_task(animal, task):
        level, mean = "sequence", values[mask].mean(dtype=np.float64)
        values, mask = np.array([mean if kind == "continuous" else mean >= 0.5], np.float32), np.ones(1, bool)
    if kind == "continuous":
        return Labels(np.where(mask, values, 0).astype(np.float32), mask, level, "continuous")
    return Labels(np.where(mask, values, 0).astype(np.uint8), mask, level, "binary", YES_NO)


def read(path: Path, options: Options, *, recording: str) -> Iterator[Recording]:
    """Read every clip of a file; see :func:`workflow_scripts.sources.read_tracks`."""
    value = npy_objects.load_dict(path, ("sequences",), "MABe tracks")
    sequences = value["sequences"]
    if not isinstance(sequences, dict) or not sequences:
        raise InputError(path, "sequences holds no clip", "download it again")
    parts = read_parts(path.parent / options.split_file) if options.split_file else {}
    _check_clips(path, set(sequences), parts, options)
    labels = LabelFile(path.parent / options.labels_file) if options.labels_file else None
    vocabulary = [str(name) for name in value.get("vocabulary", [])]
    for clip, entry in sequences.items():
        name = f"{parts[clip]}/{clip}" if clip in parts else str(clip)
        position = _keypoints(path, clip, entry, options)
        rows: list[tuple[str, str, npt.NDArray[np.float32]]] = []
        if options.annotations and isinstance(entry, dict) and entry.get("annotations") is not None:
            annotated = np.asarray(entry["annotations"])
            _check_rows(path, clip, annotated, len(vocabulary), len(position))
            rows += [(task, "binary", row) for task, row in zip(vocabulary, annotated.astype(np.float32), strict=True)]
        if labels is not None and (found := labels.read(clip)) is not None:
            _check_rows(labels.path, clip, found, len(labels.tasks), len(position))
            rows += list(zip(labels.tasks, labels.kinds, found, strict=True))
        elif labels is not None:
            raise InputError(labels.path, f"has no labels of the clip {clip!r}", "use the labels of these tracks")
        yield _recording(path, name, position, rows, options)


def _check_clips(path: Path, clips: set[str], parts: dict[str, str], options: Options) -> None:
    if not options.parts:
        return
    expected = {clip for clip, part in parts.items() if part in options.parts}
    if clips == expected:
        return
    named = ", ".join(options.parts)
    trap = " (784 clips are those of round 2, the video stage)" if len(clips) == 784 else ""
    raise InputError(
        path,
        f"holds {len(clips)} clips{trap}, {len(clips - expected)} of which are not in {named} of "
        f"{options.split_file}, where {len(expected)} are expected",
        "download the file of round 1 from the card's address",
    )


def _keypoints(path: Path, clip: str, entry: Any, options: Options) -> npt.NDArray[np.float32]:
    stored = entry.get("keypoints") if isinstance(entry, dict) else None
    shape: tuple[int, ...] = getattr(stored, "shape", ())
    points = len(POINTS[options.animal])
    if len(shape) != 4 or shape[2:] != (points, 2) or shape[1] != INDIVIDUALS[options.animal]:
        raise InputError(
            path,
            f"clip {clip!r}: keypoints has the shape {shape}, expected (time, {INDIVIDUALS[options.animal]}, "
            f"{points}, 2)",
            "choose the option animal by the file, or download it again",
        )
    if stored.dtype.kind not in "fiu":  # type: ignore[union-attr]
        raise InputError(path, f"clip {clip!r}: keypoints are no numbers", "download it again")
    position = np.asarray(stored).astype(np.float32)
    return position if options.pairs or options.animal == "mouse" else position[:, :, : len(FLY_POINTS)]


def _check_rows(path: Path, clip: str, rows: npt.NDArray[Any], tasks: int, frames: int) -> None:
    if rows.shape != (tasks, frames) or rows.dtype.kind not in "fiu":
        raise InputError(
            path,
            f"clip {clip!r}: labels of kind {rows.dtype} and shape {rows.shape}, expected numbers of shape "
            f"{(tasks, frames)}",
            "download it again",
        )


def _recording(
    path: Path,
    name: str,
    position: npt.NDArray[np.float32],
    rows: list[tuple[str, str, npt.NDArray[np.float32]]],
    options: Options,
) -> Recording:
    labels: dict[str, Labels] = {}
    warnings: list[str] = []
    for task, kind, row in rows:
        known = row[~np.isnan(row)]
        if kind == "binary" and not np.isin(known, (0, 1)).all():
            raise InputError(path, f"clip {name!r}: the task {task!r} has values besides 0 and 1", "download it again")
        made = to_labels(options.animal, task, kind, row)
        if made is None:
            continue
        if made.level == "sequence" and (known != known[0]).any():
            warnings.append(f"{task} should have one answer a clip and changes within this one; the mean decides")
        labels[task] = made
    seen = ~any_nan(position)
    if options.animal == "mouse":
        seen &= (position[..., 0] != 0) | (position[..., 1] != 0)
    points = POINTS[options.animal][: position.shape[2]]
    return Recording(
        id=name,
        position=position,
        confidence=np.where(seen, np.float32(1), np.float32(np.nan)),
        fps=FPS[options.animal],
        individuals=tuple(f"{options.animal}{k + 1}" for k in range(position.shape[1])),
        keypoints=points,
        group=name,
        unit="px" if options.animal == "mouse" else "mm",
        image_size=(850.0, 850.0) if options.animal == "mouse" else None,
        labels=labels,
        warnings=warnings,
    )


def sniff(path: Path) -> Found | None:
    """Tell a file of sequences of either challenge; which animal it is by the number of individuals."""
    if path.suffix.lower() != ".npy" or not file_head(path).raw.startswith(b"\x93NUMPY"):
        return None
    try:
        value = npy_objects.load_dict(path, ("sequences",), "MABe 2022 sequences")
    except InputError:
        return None
    sequences = value["sequences"]
    if not isinstance(sequences, dict) or not sequences:
        return None
    clip = next(iter(sequences.values()))
    shape: tuple[int, ...] = getattr(clip.get("keypoints") if isinstance(clip, dict) else None, "shape", ())
    if len(shape) != 4:
        return None
    animal = "fly" if shape[1] == INDIVIDUALS["fly"] else "mouse"
    found = Found(source="mabe22", kind="tracks", options={"animal": animal}, recordings=[str(k) for k in sequences])
    found.individuals = [f"{animal}{k + 1}" for k in range(int(shape[1]))]
    found.n_frames, found.fps = int(shape[0]), FPS[animal]
    found.guessed.append(f"{path.name} holds {len(sequences)} clips of {shape[1]} animals, so MABe's {animal} set.")
    return found
