"""Twin of the simulated quadrupeds of BAMS: twelve joints of robots that walk over changing ground.

No sequence of the real set was at hand, so how the robots walk is our own: legs swing in a trot whose pace is the
commanded velocity; the heavier of the two robots swings less and is lower; on slopes the thighs lean with the
slope, on stairs the shanks lift higher, and difficulty shakes all joints.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import Field

from workflow_scripts.cards.card import Card
from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.typing import Float64Array, Int64Array
from workflow_scripts.core.validation import Strict
from workflow_scripts.simulate.agents import generator, lagged, wander
from workflow_scripts.sources.quadrupeds import FPS
from workflow_scripts.sources.shared import npy_write

FILE = "robot_dataset.npy"
TROT = np.array([0.0, np.pi, np.pi, 0.0])
"""Phase of the legs LF, LH, RF, RH: the diagonal pairs swing together."""
STANCE = np.array([[0.0, 0.55, -1.1], [0.0, 0.4, -0.8]])
"""Angles of hip, thigh and shank at rest, by robot, radians."""
SWING = np.array([[0.05, 0.35, 0.3], [0.05, 0.22, 0.45]])
"""Amplitudes, by robot."""
LEAN = (0.0, 1.0, -1.0, 0.5, -0.5)
"""How much the thighs lean with the slope, by ground: flat, up, down, stairs up, stairs down."""


class Options(Strict):
    """Options of the generator."""

    seed: int = Field(0, ge=0)
    sequences: int = Field(60, ge=5, description="Sequences; four fifths of them are held out.")
    frames: int = Field(400, ge=120, description="Policy steps of a sequence.")


def _ground(rng: np.random.Generator, frames: int) -> tuple[Int64Array, Float64Array, Float64Array]:
    """Draw ground (up or down), difficulty and slope of every step, in stretches of two to five seconds."""
    stretches: list[tuple[int, float, int]] = []
    while sum(length for *_, length in stretches) < frames:
        kind = int(rng.integers(0, 5))
        difficult = float(rng.choice([0.1, 0.2] if kind == 0 else [0.5, 0.75, 0.9]))
        stretches.append((kind, difficult, int(rng.integers(100, 250))))
    kinds, difficulties, lengths = (list(item) for item in zip(*stretches, strict=True))
    ground = np.repeat(np.array(kinds, dtype=np.int64), lengths)[:frames]
    difficulty = np.repeat(np.array(difficulties, dtype=np.float64), lengths)[:frames]
    return ground, difficulty, np.where(np.isin(ground, [1, 2]), 0.4 * difficulty, 0.0)


def walk(rng: np.random.Generator, frames: int, robot: int, velocity: float) -> dict[str, Float64Array | Int64Array]:
    """Simulate one sequence.

    Returns
    -------
    dict of str to ndarray
        ``dof_pos``, ``dof_vel`` (12, time), and what the ground was (time,), under the file's names.
    """
    ground, difficulty, slope = _ground(rng, frames)
    pace = (0.8 + 1.2 * velocity) * np.exp(0.05 * wander(rng, (frames,), 50.0))
    phase = rng.uniform(0, 2 * np.pi) + np.cumsum(2 * np.pi * pace / FPS)
    lift = lagged(np.where(np.isin(ground, [3, 4]), 0.6, 0.0), 10.0)
    lean = lagged(slope * np.take(LEAN, ground), 10.0)
    swing = np.sin(phase[:, None] + TROT)
    angles = STANCE[robot] + (0.4 + 0.6 * velocity) * SWING[robot] * swing[..., None]  # (time, leg, joint)
    angles[..., 1] += lean[:, None]
    angles[..., 2] -= lift[:, None] * np.maximum(swing, 0)
    shake = 0.05 * difficulty[:, None] * wander(rng, (frames, 12), 3.0)
    joints = angles.reshape(frames, 12) + shake + 0.005 * rng.standard_normal((frames, 12))
    # A pyramid is climbed and then left again; which of its sides it is is in terrain_type_2 alone.
    return {
        "dof_pos": joints.T,
        "dof_vel": np.gradient(joints.T, 1 / FPS, axis=1),
        "terrain_type": np.where(ground == 2, 1, np.where(ground == 4, 3, ground)),
        "terrain_type_2": ground,
        "terrain_difficulty": difficulty,
        "terrain_slope": slope,
    }


def make(path: str, target: Path, options: Options, card: Card) -> None:
    """Write the file, time last as the script behind the real one does.

    Raises
    ------
    ConfigError
        When another file is asked for.
    """
    if Path(path).name != FILE:
        raise ConfigError(f"The generator quadrupeds makes {FILE}, not {path!r}.")
    sequences, robots, velocities = [], [], []
    for k in range(options.sequences):
        rng = generator(options.seed, card.name, f"sequence {k}")
        robots.append(int(rng.integers(0, 2)))
        velocities.append(float(rng.uniform(0.3, 1.0)))
        sequences.append(walk(rng, options.frames, robots[-1], velocities[-1]))
    value = {name: np.stack([sequence[name] for sequence in sequences]) for name in sequences[0]}
    value = {name: array.astype(np.float32) if array.dtype.kind == "f" else array for name, array in value.items()}
    value |= {"robot_type": np.array(robots), "command_vel": np.array(velocities, np.float32)}
    npy_write.save(target, value)
