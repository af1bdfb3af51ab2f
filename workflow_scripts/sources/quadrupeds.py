"""Simulated quadrupeds (nerdslab/bams_simulated_quadrupeds): one object npy file of walking robots.

Facts of the format: `robot_dataset.npy` holds a dictionary of arrays over N sequences of T policy steps of 0.02 s.
`dof_pos` and `dof_vel` are angle and angular velocity of the twelve joints, whose README says (N, T, 12) while the
script that makes them stacks time last, (N, 12, T): the axis of twelve joints decides. `robot_type` (0 ANYmal B, 1 C)
has one answer a sequence, `terrain_type`, `terrain_type_2`, `terrain_difficulty` and `terrain_slope` one a step;
`command_vel` is one number or one vector a sequence, or one number a step: an array (N, T) has T values a sequence.

Each joint becomes a keypoint with the "coordinates" angle and angular velocity, as the fly files of MABe carry pairs
of quantities. The paper trains on a fifth of the sequences, drawn as scikit-learn's ``train_test_split(test_size=0.8,
random_state=42)`` draws them; ids begin with the side they are on, ``train/`` or ``test/``.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from workflow_scripts.core.arrays import any_nan
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.validation import Strict
from workflow_scripts.formats.tracks import Labels, Recording
from workflow_scripts.sources.shared import npy_objects

LEGS = ("LF", "LH", "RF", "RH")
JOINTS = tuple(f"{leg}_{joint}" for leg in LEGS for joint in ("hip", "thigh", "shank"))
FPS = 50.0
LONGEST_COMMAND = 6
"""Components of a commanded velocity at most: three along and three around the axes."""
ROBOTS = ("ANYmal_B", "ANYmal_C")
TERRAINS = ("flat", "pyramid_slope", "inverted_pyramid_slope", "pyramid_stairs", "inverted_pyramid_stairs")
TERRAINS_2 = ("flat", "slope_up", "slope_down", "stairs_up", "stairs_down")
CLASSES = {"robot_type": ROBOTS, "terrain_type": TERRAINS, "terrain_type_2": TERRAINS_2}
VALUES = ("terrain_difficulty", "terrain_slope")
NAN_ALONE = True
"""An angle or a velocity may well be 0."""
WHAT = "the simulated quadrupeds (dof_pos, dof_vel and their labels)"


class Options(Strict):
    """Options of the source `quadrupeds`."""

    test_share: float = Field(0.8, gt=0, lt=1, description="Share of the sequences held out.")
    seed: int = Field(42, ge=0, description="Of the draw of held-out sequences.")


def held_out(n: int, options: Options) -> npt.NDArray[np.bool_]:
    """Tell which of `n` sequences are test sequences, as scikit-learn's `train_test_split` deals them."""
    out = np.zeros(n, dtype=bool)
    out[np.random.RandomState(options.seed).permutation(n)[: ceil(options.test_share * n)]] = True
    return out


def _joints(path: Path, name: str, value: Any) -> npt.NDArray[np.floating]:
    """Return (sequence, time, joint)."""
    shape: tuple[int, ...] = getattr(value, "shape", ())
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    sides = [axis for axis in (1, 2) if len(shape) == 3 and shape[axis] == len(JOINTS)]
    if kind != "f" or not sides or 0 in shape:
        raise InputError(
            path, f"{name} has the shape {shape}, expected floats of shape (N, T, 12) or (N, 12, T)", "check the file"
        )
    array = np.asarray(value)
    return array if sides[-1] == 2 else array.transpose(0, 2, 1)


def _labels(path: Path, value: dict[str, Any], n: int, time: int) -> dict[str, npt.NDArray[Any]]:
    """Return the label arrays, (N,) or (N, T), by task."""
    found: dict[str, npt.NDArray[Any]] = {}
    for name in (*CLASSES, *VALUES, "command_vel"):
        if name not in value:
            continue
        array = np.asarray(value[name])
        if name == "command_vel" and array.ndim == 2 and len(array) == n and array.shape[1] != time:
            if array.shape[1] > LONGEST_COMMAND:
                raise InputError(
                    path,
                    f"command_vel has the shape {array.shape}, expected ({n},), ({n}, at most {LONGEST_COMMAND}) or "
                    f"({n}, {time})",
                    "give one number, one short vector, or one number a step",
                )
            found |= {f"command_vel_{k}": column for k, column in enumerate(array.T)}
            continue
        once = name == "robot_type" or (name == "command_vel" and array.ndim < 2)
        wanted = (n,) if once else (n, time)
        if array.shape != wanted or array.dtype.kind not in "fiub":
            raise InputError(
                path, f"{name} has the shape {array.shape}, expected numbers of shape {wanted}", "correct it"
            )
        if name in CLASSES and not np.isin(array, np.arange(len(CLASSES[name]))).all():
            raise InputError(path, f"{name} holds other classes than 0 to {len(CLASSES[name]) - 1}", "correct it")
        found[name] = array
    return found


def _label(name: str, values: npt.NDArray[Any]) -> Labels:
    level: Literal["frame", "sequence"] = "frame" if values.ndim else "sequence"
    values = np.atleast_1d(values)
    if name not in CLASSES:
        mask = np.isfinite(values.astype(np.float64))
        return Labels(np.where(mask, values, 0).astype(np.float32), mask, level, "continuous")
    known = np.ones(len(values), dtype=bool)
    if len(CLASSES[name]) == 2:
        return Labels(values.astype(np.uint8), known, level, "binary", CLASSES[name])
    return Labels(values.astype(np.int16), known, level, "multiclass", CLASSES[name])


def read(path: Path, options: Options, *, recording: str) -> Iterator[Recording]:
    """Read every sequence of a file; see :func:`workflow_scripts.sources.read_tracks`."""
    value = npy_objects.load_dict(path, ("dof_pos", "dof_vel"), WHAT)
    angle, speed = (_joints(path, name, value[name]) for name in ("dof_pos", "dof_vel"))
    if angle.shape != speed.shape:
        raise InputError(path, f"dof_vel has the shape {speed.shape}, dof_pos {angle.shape}", "download it again")
    n, time, _ = angle.shape
    labels = _labels(path, value, n, time)
    sides = np.where(held_out(n, options), "test", "train")
    for k, side in enumerate(sides):
        position = np.stack([angle[k], speed[k]], axis=-1)[:, None].astype(np.float32)
        identifier = f"{side}/{recording}{k:05d}"
        yield Recording(
            id=identifier,
            position=position,
            confidence=np.where(any_nan(position), np.nan, 1).astype(np.float32),
            fps=FPS,
            individuals=("robot",),
            keypoints=JOINTS,
            group=identifier,
            labels={name: _label(name, array[k]) for name, array in labels.items()},
        )
