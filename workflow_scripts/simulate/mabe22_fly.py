"""Twin of the MABe 2022 fly groups: the official npy files, with a sample of the rows whose answers are known.

Nine to eleven flies walk in a round dish of the real radius; absent ones are NaN, as in the real files, and the order
of the flies is shuffled in every clip. Shape and motion are our own: no track of the real set was at hand. Flies of
the line `control` walk slowly, `blind` ones chase nobody, where there is `courtship` a chasing fly holds out a wing,
the stimulation of `BlindControl_offvson` makes all walk faster, females are longer than males.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.stats import norm

from workflow_scripts.cards.card import Card
from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.files import write_json
from workflow_scripts.core.typing import Float64Array
from workflow_scripts.core.validation import Strict
from workflow_scripts.simulate.agents import generator, wander
from workflow_scripts.simulate.mabe22_mouse import clip_ids, frame_map, tested_clips
from workflow_scripts.sources.shared import npy_write

RADIUS = 26.689
"""Of the dish, mm."""
FLIES = 11
LINES = ("control", "BlindControl_offvson", "courtship", "blind")
PER_FLY = {"female": range(11), "perframe_chase": range(10), "perframe_wingext": (2, 6, 7, 8)}
TASKS = (*LINES, *(f"{name}_singletask_fly_{fly}" for name, flies in PER_FLY.items() for fly in flies))
PUBLIC = ("control", "pC1dpublished1_newstim_offvson", "perframe_aggression")
"""Vocabulary of the training file; the last two never happen here and stay unlabelled."""

BODY = np.array(
    [
        *([-1.5, -0.35], [-1.5, 0.35], [1.35, 0], [1.15, 0.35], [1.15, -0.35], [0.75, -0.45], [0.75, 0.45]),
        *([0.1, 0], [-1.3, 0], [0.6, -0.9], [0.5, -1.4], [0.6, 0.9], [0.5, 1.4]),
        *([1.3, 1.1], [0.3, 1.7], [-1.2, 1.3], [-1.2, -1.3], [0.3, -1.7], [1.3, -1.1]),
    ]
)
"""The nineteen points (along, across) of a fly of half length 1.3 mm, in the official order."""
LEGS = range(13, 19)
WING_REACH = 1.6


class Options(Strict):
    """Options of the generator."""

    seed: int = Field(0, ge=0)
    train: int = Field(8, ge=1, description="Clips of UserTrain.")
    submission: int = Field(20, ge=2, description="Clips of SubmissionTrain.")
    public: int = Field(6, ge=1, description="Clips of publicTest.")
    private: int = Field(8, ge=1, description="Clips of privateTest.")
    frames: int = Field(600, ge=120, description="Frames of a clip (the real ones have 4500).")


def _bouts(rng: np.random.Generator, frames: int, share: float, length: float) -> npt.NDArray[np.bool_]:
    """Draw bouts of about `length` frames that fill about `share` of the time."""
    return np.asarray(wander(rng, (frames, 1), length)[:, 0] > norm.ppf(1 - share))


def _clip(rng: np.random.Generator, options: Options) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Simulate a clip: keypoints (time, 11, 24, 2) and labels (task, time)."""
    frames = options.frames
    control, stimulated, courting, blind = (rng.random(4) < 0.5).astype(bool)
    absent = rng.permutation(FLIES)[: rng.integers(0, 3)]
    female = rng.random(FLIES) < 0.5
    target = np.array([rng.choice(np.delete(np.arange(FLIES), fly)) for fly in range(FLIES)])
    chase = np.stack([_bouts(rng, frames, 0.3, 60.0) for _ in range(FLIES)], axis=1)
    chase &= ~blind & ~np.isin(target, absent) & ~np.isin(np.arange(FLIES), absent)
    pace = np.where(control, 0.05, 0.1) * (2.0 if stimulated else 1.0)
    vigour = np.exp(0.4 * wander(rng, (frames, FLIES), 80.0)) * pace
    bend = 0.08 * wander(rng, (frames, FLIES), 40.0)
    angle = rng.uniform(-np.pi, np.pi, FLIES)
    centre = 0.7 * RADIUS * np.sqrt(rng.random(FLIES))[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
    heading = rng.uniform(-np.pi, np.pi, FLIES)
    centres, headings = np.empty((frames, FLIES, 2)), np.empty((frames, FLIES))
    for t in range(frames):
        gap = centre[target] - centre
        distance = np.linalg.norm(gap, axis=-1)
        aim = np.where(chase[t], np.arctan2(gap[:, 1], gap[:, 0]), np.arctan2(-centre[:, 1], -centre[:, 0]))
        outside = np.linalg.norm(centre, axis=-1) > 0.9 * RADIUS
        turn = (aim - heading + np.pi) % (2 * np.pi) - np.pi
        heading = heading + np.where(chase[t], 0.2, np.where(outside, 0.05, 0.0)) * turn + bend[t]
        speed = np.where(chase[t], np.minimum(0.3, 0.1 * np.maximum(distance - 3.0, 0)), vigour[t])
        centre = centre + speed[:, None] * np.stack([np.cos(heading), np.sin(heading)], -1)
        centre *= np.minimum(1, 0.98 * RADIUS / np.maximum(np.linalg.norm(centre, axis=-1), 1e-9))[:, None]
        centres[t], headings[t] = centre, heading
    wing = chase & courting
    keypoints = _bodies(rng, centres, headings, female, wing)
    keypoints[:, absent] = np.nan
    rows = [np.full(frames, fact, np.float32) for fact in (control, stimulated, courting, blind)]
    answers = {"female": np.tile(female, (frames, 1)), "perframe_chase": chase, "perframe_wingext": wing}
    for name, flies in PER_FLY.items():
        for fly in flies:
            rows.append(np.where(fly in absent, np.nan, answers[name][:, fly]).astype(np.float32))
    return keypoints, np.stack(rows)


def _bodies(
    rng: np.random.Generator,
    centre: Float64Array,
    heading: Float64Array,
    female: npt.NDArray[np.bool_],
    wing: npt.NDArray[np.bool_],
) -> npt.NDArray[np.float32]:
    """Hang the points on the flies and add the pairs that are none; (time, fly, 24, 2)."""
    frames = len(centre)
    size = np.where(female, 1.12, 1.0)
    local = np.broadcast_to(BODY, (frames, FLIES, *BODY.shape)) * size[:, None, None]
    local = local.copy()
    speed = np.linalg.norm(np.diff(centre, axis=0, prepend=centre[:1]), axis=-1)
    phase = np.cumsum(2 * np.pi * np.minimum(speed, 0.3), axis=0)
    for k, leg in enumerate(LEGS):
        local[:, :, leg, 0] += 0.3 * np.sin(phase + np.pi * (k % 2))
    out = WING_REACH * np.array([-0.5, 0.87])
    local[:, :, 1] = np.where(wing[..., None], out, local[:, :, 1])
    cos, sin = np.cos(heading)[..., None], np.sin(heading)[..., None]
    points = np.stack([local[..., 0] * cos - local[..., 1] * sin, local[..., 0] * sin + local[..., 1] * cos], axis=-1)
    points += centre[:, :, None] + 0.02 * rng.standard_normal(points.shape)
    axes = np.broadcast_to(np.stack([1.3 * size, 0.45 * size], axis=-1), (frames, FLIES, 2))
    area = np.pi * axes[..., :1] * axes[..., 1:]
    nearest = np.linalg.norm(centre[:, :, None] - centre[:, None], axis=-1) + 99 * np.eye(FLIES)
    pairs = [
        centre,
        np.stack([np.cos(heading), np.sin(heading)], axis=-1),
        axes,
        np.concatenate([area, 1.1 * area], axis=-1),
        np.stack([np.full_like(heading, 0.5), nearest.min(-1)], axis=-1),
    ]
    return np.concatenate([points, np.stack(pairs, axis=2)], axis=2).astype(np.float32)


def simulate(
    ids: Sequence[str], options: Options, name: str
) -> dict[str, tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
    """Simulate clips; each is the same whichever others are made with it."""
    return {clip: _clip(generator(options.seed, name, clip), options) for clip in ids}


def make(path: str, target: Path, options: Options, card: Card) -> None:
    """Write one of the official files, distinguished by its name.

    Raises
    ------
    ConfigError
        When the name is none of the official ones.
    """
    parts = clip_ids(options, card.name)
    tested = tested_clips(options, card.name, parts)
    value: dict[str, Any]
    match Path(path).name:
        case "fly_group_train.npy":
            made = simulate(parts["UserTrain"], options, card.name)
            unlabelled = np.full((len(PUBLIC) - 1, options.frames), np.nan, np.float32)
            sequences = {
                clip: {"keypoints": keypoints, "annotations": np.concatenate([labels[:1], unlabelled])}
                for clip, (keypoints, labels) in made.items()
            }
            value = {"vocabulary": list(PUBLIC), "sequences": sequences}
        case "fly_group_test.npy":
            made = simulate(tested, options, card.name)
            value = {"sequences": {clip: {"keypoints": keypoints} for clip, (keypoints, _) in made.items()}}
        case "fly_groups_test_labels.npy":
            made = simulate(tested, options, card.name)
            value = {
                "frame_number_map": frame_map(tested, options.frames),
                "vocabulary": list(TASKS),
                "task_type": ["Discrete"] * len(TASKS),
                "label_array": np.concatenate([labels for _, labels in made.values()], axis=1),
            }
        case "flies_frame_number_map.npy":
            value = dict(frame_map(tested, options.frames))
        case "flies_split.json":
            write_json(target, parts)
            return
        case other:
            raise ConfigError(f"The generator mabe22_fly makes the official MABe files, not {other!r}.")
    npy_write.save(target, value)
