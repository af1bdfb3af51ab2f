"""Twin of the MABe 2022 mouse triplets: the official npy files, with thirteen tasks whose answers are known.

Sizes of the body come from the one real clip at hand (`mabe22-clip`), scaled from its 512 px video to the set's 850 px
image. How the mice move, the two strains (another stride), the effect of the lights (in the dark they run faster), of
the day (early days keep to the walls) and of the time (late they rest more) are our own. Behaviours are labelled
from the noiseless geometry by the rules of `simulate.mabe22_rules`, never from the state that steered the mice.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.stats import norm

from workflow_scripts.cards.card import Card
from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.files import write_json
from workflow_scripts.core.typing import Float64Array, Int64Array
from workflow_scripts.core.validation import Strict
from workflow_scripts.formats.bouts import runs
from workflow_scripts.simulate.agents import Durations, gaps, generator, lagged, semi_markov, wander
from workflow_scripts.simulate.mabe22_rules import BEHAVIOURS, behaviours
from workflow_scripts.sources.shared import npy_write

ARENA = (90.0, 90.0, 760.0, 760.0)
BATCH = 32
PARTS = ("SubmissionTrain", "publicTest", "privateTest")

STATES = ("solo", "visit", "chase", "huddle", "watch")
TRANSITIONS = np.array(
    [[0, 6, 3, 2, 3], [5, 0, 2, 1, 1], [5, 1, 0, 0, 1], [4, 1, 0, 0, 1], [4, 2, 1, 1, 0]], dtype=np.float64
)
DURATIONS = (
    Durations(4.2, 0.7, 400),
    Durations(3.9, 0.5, 240),
    Durations(3.9, 0.4, 200),
    Durations(5.0, 0.4, 400),
    Durations(4.2, 0.4, 240),
)
VISITED = np.array([[62.0, 0.0], [36.0, 20.0], [-28.0, 0.0]])
"""Where a visitor's nose goes, in the body frame of the other: nose, ear, base of the tail (px along, across)."""

BODY = np.array(
    [
        *([48, 0], [30, -13], [30, 13], [26, 0], [30, -9], [30, 9]),
        *([0, 0], [-1, -15], [-1, 15], [-28, 0], [-63, 0], [-93, 0]),
    ],
    dtype=np.float64,
)
LAGS = np.array([0, 0, 0, 0, 1, 1, 2, 3, 3, 4, 9, 16])
PAWS = {4: 0.0, 5: np.pi, 7: np.pi, 8: 0.0}
"""Phase of each paw: the diagonal pairs swing together."""
STRIDE = ((3.0, 9.0), (6.0, 5.0))
"""Strides per second at full speed and their swing in px, by strain: the one thing in which they differ."""
PACE = (0.8, 1.25)
"""Factor on the speed in the light and in the dark."""
RESTING = (0.1, 0.6)
"""Share of the time that a mouse by itself rests, at the first and the last hour."""


class Options(Strict):
    """Options of the generator."""

    seed: int = Field(0, ge=0)
    train: int = Field(24, ge=1, description="Clips of UserTrain.")
    submission: int = Field(40, ge=2, description="Clips of SubmissionTrain.")
    public: int = Field(8, ge=1, description="Clips of publicTest.")
    private: int = Field(16, ge=1, description="Clips of privateTest.")
    frames: int = Field(900, ge=120, description="Frames of a clip (the real ones have 1800).")
    missing: float = Field(0.02, ge=0, lt=0.5, description="Share of frames in which a keypoint is lost.")


@dataclass(frozen=True)
class Clip:
    """One simulated clip: int32 keypoints (time, 3, 12, 2) and float32 labels (13, time)."""

    keypoints: npt.NDArray[np.int32]
    labels: npt.NDArray[np.float32]


TASKS = ("experiment_day", "time_of_day", "strain", *BEHAVIOURS, "lights")
"""In the order of the official labels."""
TASK_TYPES = ("Continious", "Continious", *["Discrete"] * 11)


class Sizes(Protocol):
    """What the options of both twins have in common."""

    @property
    def seed(self) -> int: ...  # noqa: D102
    @property
    def train(self) -> int: ...  # noqa: D102
    @property
    def submission(self) -> int: ...  # noqa: D102
    @property
    def public(self) -> int: ...  # noqa: D102
    @property
    def private(self) -> int: ...  # noqa: D102


def clip_ids(options: Sizes, name: str) -> dict[str, list[str]]:
    """Draw the clips' names by part, twenty letters and digits each as in the real set."""
    rng = generator(options.seed, name, "clips")
    sizes = dict(
        zip(("UserTrain", *PARTS), (options.train, options.submission, options.public, options.private), strict=True)
    )
    letters = np.array(list(string.ascii_uppercase + string.digits))
    return {part: ["".join(rng.choice(letters, 20)) for _ in range(n)] for part, n in sizes.items()}


def _roles(rng: np.random.Generator, states: Int64Array) -> tuple[Int64Array, Int64Array, Int64Array]:
    """Draw actor, partner and visited place of each bout; shape (time,) each."""
    lengths = runs(states).length
    pairs = np.array([rng.permutation(3)[:2] for _ in lengths])
    places = rng.integers(0, len(VISITED), len(lengths))
    return np.repeat(pairs[:, 0], lengths), np.repeat(pairs[:, 1], lengths), np.repeat(places, lengths)


def _facts(rng: np.random.Generator) -> Float64Array:
    """Draw day, time, strain and lights of a clip."""
    time = rng.random()
    return np.array([rng.integers(0, 5) / 4, time, float(rng.random() < 0.5), float(time < 0.5)])


def _move(
    rngs: Sequence[np.random.Generator], frames: int, facts: Float64Array
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Move three mice in each of several clips, all in step.

    Returns
    -------
    centre : ndarray, shape (time, clip, 3, 2)
    heading, head : ndarray, shape (time, clip, 3)
        Of the body and of the head, radians.
    """
    day, time, _, lights = facts.T
    states = np.stack([semi_markov(rng, frames, 0, TRANSITIONS, DURATIONS) for rng in rngs], axis=1)
    actor, partner, visited = (
        np.stack(item, axis=1) for item in zip(*[_roles(r, states[:, k]) for k, r in enumerate(rngs)], strict=True)
    )
    low, high = np.array(ARENA[:2]), np.array(ARENA[2:])
    places = np.stack([rng.random((60, 3, 2)) for rng in rngs])
    # Early days keep to the walls: one coordinate of a place is pushed outwards.
    near_wall = np.stack([rng.random((60, 3)) for rng in rngs]) < 0.85 * (1 - day[:, None, None])
    axis = (np.stack([rng.random((60, 3)) for rng in rngs]) < 0.5).astype(np.int64)
    side = (np.stack([rng.random((60, 3)) for rng in rngs]) < 0.5).astype(np.float64)
    pushed = np.where(np.arange(2) == axis[..., None], side[..., None], places)
    places = low + (high - low) * np.where(near_wall[..., None], pushed, places)
    rest = np.stack([wander(rng, (frames, 3), 40.0) for rng in rngs], axis=1)
    vigour = np.exp(0.3 * np.stack([wander(rng, (frames, 3), 30.0) for rng in rngs], axis=1))
    vigour *= np.where(lights > 0, *PACE)[:, None]
    tired = norm.ppf(1 - (RESTING[0] + (RESTING[1] - RESTING[0]) * time))[:, None]
    turn_noise = 0.05 * np.stack([rng.standard_normal((frames, 3)) for rng in rngs], axis=1)
    nest = np.stack([rng.uniform(low, high) for rng in rngs])

    n = len(rngs)
    clips = np.arange(n)
    centre = np.stack([rng.uniform(low, high, (3, 2)) for rng in rngs])
    heading = np.stack([rng.uniform(-np.pi, np.pi, 3) for rng in rngs])
    head = heading.copy()
    speed = np.zeros((n, 3))
    index = np.zeros((n, 3), dtype=np.int64)
    ring = 26 * np.stack([np.cos(2.1 * np.arange(3)), np.sin(2.1 * np.arange(3))], axis=-1)
    out = np.empty((frames, n, 3, 2)), np.empty((frames, n, 3)), np.empty((frames, n, 3))
    for t in range(frames):
        state, a, p = states[t], actor[t], partner[t]
        goal = places[clips[:, None], index, np.arange(3)]
        top = np.where(rest[t] > tired, 0.0, 3.5 * vigour[t])
        ahead = np.stack([np.cos(heading), np.sin(heading)], axis=-1)
        right = np.stack([-np.sin(heading), np.cos(heading)], axis=-1)
        other, other_ahead, other_right = centre[clips, p], ahead[clips, p], right[clips, p]
        look: Float64Array = np.full((n, 3), np.nan)
        to_partner = other - centre[clips, a]
        bearing = np.arctan2(to_partner[:, 1], to_partner[:, 0])

        visit = state == 1
        spot = VISITED[visited[t]]
        nose_goal = other + spot[:, :1] * other_ahead + spot[:, 1:] * other_right
        gap = nose_goal - centre[clips, a]
        gap -= 46 * gap / np.maximum(np.linalg.norm(gap, axis=-1, keepdims=True), 1)
        goal[clips[visit], a[visit]] = (centre[clips, a] + gap)[visit]
        top[clips[visit], a[visit]] = 5.0
        top[clips[visit], p[visit]] = 0.0
        look[clips[visit], a[visit]] = np.arctan2(*(nose_goal - centre[clips, a])[visit].T[::-1])

        chase = state == 2
        goal[clips[chase], a[chase]] = (other - 62 * other_ahead)[chase]
        top[clips[chase], a[chase]] = (9.0 * vigour[t])[clips[chase], a[chase]] + 2
        top[clips[chase], p[chase]] = (8.0 * vigour[t])[clips[chase], p[chase]] + 2

        huddle = state == 3
        goal[huddle] = (nest[:, None] + ring)[huddle]
        top[huddle] = 5.0

        watch = state == 4
        top[clips[watch], a[watch]] = 0.0
        look[clips[watch], a[watch]] = bearing[watch]

        wanted = goal - centre
        distance = np.linalg.norm(wanted, axis=-1)
        aim = np.arctan2(wanted[..., 1], wanted[..., 0])
        moving = (top > 0) & (distance > 6)
        turn = _wrap(np.where(moving, aim, np.where(np.isnan(look), heading, look)) - heading)
        heading = heading + np.clip(0.25 * turn, -0.3, 0.3) + turn_noise[t] * moving
        pace = np.where(moving, np.minimum(top, 0.25 * distance) * np.clip(np.cos(turn), 0.1, 1), 0.0)
        speed = 0.75 * speed + 0.25 * pace
        centre = np.clip(centre + speed[..., None] * np.stack([np.cos(heading), np.sin(heading)], -1), low, high)
        aside = np.clip(_wrap(np.where(np.isnan(look), heading, look) - heading), -0.9, 0.9)
        head = head + 0.3 * _wrap(heading + aside - head)
        index = np.minimum(index + ((distance < 40) & (state != 3)[:, None]), places.shape[1] - 1)
        for target, value in zip(out, (centre, heading, head), strict=True):
            target[t] = value
    return out


def _wrap(angle: Float64Array) -> Float64Array:
    return np.asarray((angle + np.pi) % (2 * np.pi) - np.pi)


def _bodies(centre: Float64Array, heading: Float64Array, head: Float64Array, strain: Float64Array) -> Float64Array:
    """Hang the twelve keypoints on the mice; shape (time, clip, 3, 12, 2)."""
    speed = np.linalg.norm(np.diff(centre, axis=0, prepend=centre[:1]), axis=-1)
    frequency, swing = (np.where(strain > 0, STRIDE[1][k], STRIDE[0][k])[:, None] for k in (0, 1))
    effort = np.tanh(speed / 2.5)
    phase = np.cumsum(2 * np.pi / 30 * frequency * effort, axis=0)
    unwrapped, turned = np.unwrap(heading, axis=0), np.unwrap(head, axis=0)
    out = np.empty((*heading.shape, len(BODY), 2))
    neck = centre + BODY[3, 0] * np.stack([np.cos(heading), np.sin(heading)], -1)
    for k, (along, across) in enumerate(BODY):
        angle = lagged(turned if k < 3 else unwrapped, float(LAGS[k]))
        step = effort * swing * np.sin(phase + PAWS[k]) if k in PAWS else np.zeros_like(effort)
        origin, reach = (neck, along - BODY[3, 0]) if k < 3 else (centre, along)
        forward = np.stack([np.cos(angle), np.sin(angle)], -1)
        right = np.stack([-np.sin(angle), np.cos(angle)], -1)
        out[..., k, :] = origin + (reach + step)[..., None] * forward + across * right
    return out


def simulate(ids: Sequence[str], options: Options, name: str) -> dict[str, Clip]:
    """Simulate clips; each is the same whichever others are made with it.

    Parameters
    ----------
    ids : sequence of str
    options : Options
    name : str
        The card's name.
    """
    made: dict[str, Clip] = {}
    for start in range(0, len(ids), BATCH):
        batch = list(ids[start : start + BATCH])
        rngs = [generator(options.seed, name, clip) for clip in batch]
        facts = np.stack([_facts(rng) for rng in rngs])
        centre, heading, head = _move(rngs, options.frames, facts)
        points = _bodies(centre, heading, head, facts[:, 2])
        for k, (clip, rng) in enumerate(zip(batch, rngs, strict=True)):
            shown = points[:, k] + 0.6 * rng.standard_normal(points[:, k].shape)
            keypoints = np.clip(np.rint(shown), 1, 849).astype(np.int32)
            for mouse in range(3):
                for point in range(len(BODY)):
                    keypoints[gaps(rng, options.frames, options.missing, 1.5, 0.8), mouse, point] = 0
            day, time, strain, lights = (np.full(options.frames, fact) for fact in facts[k])
            rows = [day, time, strain, *behaviours(points[:, k], heading[:, k], head[:, k]), lights]
            made[clip] = Clip(keypoints, np.stack(rows).astype(np.float32))
    return made


def tested_clips(options: Sizes, name: str, parts: dict[str, list[str]]) -> list[str]:
    """Clips of the test file in its order, which is not that of the parts (nor is the real file's)."""
    tested = [clip for part in PARTS for clip in parts[part]]
    return [tested[k] for k in generator(options.seed, name, "order").permutation(len(tested))]


def frame_map(ids: Sequence[str], frames: int) -> dict[str, tuple[int, int]]:
    """Rows of each clip in the flat labels, one clip after another."""
    return {clip: (k * frames, (k + 1) * frames) for k, clip in enumerate(ids)}


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
        case "mouse_triplet_train.npy":
            chosen = [TASKS.index("lights"), TASKS.index("chases")]
            clips = simulate(parts["UserTrain"], options, card.name)
            sequences = {
                clip: {"keypoints": made.keypoints, "annotations": made.labels[chosen]} for clip, made in clips.items()
            }
            value = {"vocabulary": ["lights", "chases"], "sequences": sequences}
        case "mouse_triplet_test.npy":
            clips = simulate(tested, options, card.name)
            value = {"sequences": {clip: {"keypoints": made.keypoints} for clip, made in clips.items()}}
        case "mouse_triplets_test_labels.npy":
            clips = simulate(tested, options, card.name)
            value = {
                "frame_number_map": frame_map(tested, options.frames),
                "vocabulary": list(TASKS),
                "task_type": list(TASK_TYPES),
                "label_array": np.concatenate([made.labels for made in clips.values()], axis=1),
            }
        case "mouse_frame_number_map.npy":
            value = frame_map(tested, options.frames)
        case "jax_split.json":
            write_json(target, parts)
            return
        case other:
            raise ConfigError(f"The generator mabe22_mouse makes the official MABe files, not {other!r}.")
    npy_write.save(target, value)
