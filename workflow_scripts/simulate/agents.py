"""Two animals that move, as all pair twins share them: states, locomotion, bodies, lost points.

The states of a recording are drawn first (a semi-Markov chain); then both animals steer by rules that belong to the
state and are given relative to the partner (how near, how fast, who follows whom, how they circle). Where in the arena
this happens does not depend on the state, so a label can be read from the pair's geometry and not from coordinates.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from workflow_scripts.core.typing import BoolArray, Float64Array, Int64Array
from workflow_scripts.formats.bouts import runs


@dataclass(frozen=True)
class Durations:
    """Log-normal lengths of bouts, in frames; longer draws are cut at `longest`."""

    ln_mean: float
    ln_sd: float
    longest: int


@dataclass(frozen=True)
class Style:
    """How a pair moves while in one state. Pairs of numbers: the actor's, the partner's.

    Attributes
    ----------
    speed : tuple of float
        Top speed, px per frame.
    follow : tuple of float
        1 steers to the partner, 0 to a place of the animal's own.
    distance : float
        Between the bodies where they follow, px.
    spin : float
        How fast the actor's bearing from the partner turns, radians per frame.
    behind : bool
        The actor's place is behind the partner, not at a bearing of its own.
    face : float
        0 looks where it walks, 1 looks at the partner.
    repel : float
        Keeps off the partner within `distance`.
    stretch : float
        Length of the body as seen from above (less than 1 when rearing).
    """

    speed: tuple[float, float]
    follow: tuple[float, float] = (0.0, 0.0)
    distance: float = 100.0
    spin: float = 0.0
    behind: bool = False
    face: float = 0.0
    repel: float = 0.0
    stretch: float = 1.0


@dataclass(frozen=True)
class Point:
    """A keypoint in the body's frame.

    Attributes
    ----------
    along, across : float
        Ahead of the centre and to its side, px; positive `across` is the right side where y points down.
    lag : float
        How late it follows a turn, frames.
    """

    along: float
    across: float = 0.0
    lag: float = 0.0


@dataclass(frozen=True)
class Motion:
    """Centres (time, recording, animal, 2) in px, headings (time, recording, animal) in radians, state's stretch."""

    centre: Float64Array
    heading: Float64Array
    stretch: Float64Array


def generator(seed: int, *names: str) -> np.random.Generator:
    """Return the generator of one named thing: its draws depend on nothing made before it."""
    return np.random.default_rng([seed, *(zlib.crc32(name.encode()) for name in names)])


def semi_markov(
    rng: np.random.Generator,
    n_frames: int,
    start: int,
    transitions: Float64Array,
    durations: Sequence[Durations],
) -> Int64Array:
    """Draw the state of every frame.

    Parameters
    ----------
    rng : Generator
    n_frames : int
    start : int
        State of the first bout.
    transitions : ndarray, shape (state, state)
        Counts or probabilities of the next bout's state; a zero diagonal.
    durations : sequence of Durations
        One a state.

    Returns
    -------
    ndarray of int, shape (n_frames,)
    """
    probabilities = transitions / transitions.sum(axis=1, keepdims=True)
    states: list[int] = []
    lengths: list[int] = []
    state, total = start, 0
    while total < n_frames:
        law = durations[state]
        length = int(np.clip(round(rng.lognormal(law.ln_mean, law.ln_sd)), 1, law.longest))
        states.append(state)
        lengths.append(length)
        total += length
        state = int(rng.choice(len(probabilities), p=probabilities[state]))
    return np.repeat(states, lengths)[:n_frames].astype(np.int64)


def wander(rng: np.random.Generator, shape: tuple[int, ...], frames: float) -> Float64Array:
    """Draw Ornstein-Uhlenbeck noise along the first axis: mean 0, deviation 1, remembered for `frames` frames."""
    keep = float(np.exp(-1 / frames))
    noise = rng.standard_normal(shape)
    noise[1:] *= np.sqrt(1 - keep**2)
    return np.asarray(lfilter([1.0], [1.0, -keep], noise, axis=0), dtype=np.float64)


def lagged(values: Float64Array, frames: float) -> Float64Array:
    """Low-pass along the first axis with a time constant of `frames` frames, starting at rest."""
    if frames <= 0:
        return values
    keep = float(np.exp(-1 / frames))
    start = keep * values[:1]
    return np.asarray(lfilter([1 - keep], [1.0, -keep], values, axis=0, zi=start)[0], dtype=np.float64)


def _unit(angle: Float64Array) -> Float64Array:
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def _per_bout(
    rng: np.random.Generator, states: Int64Array, spread: float
) -> tuple[Float64Array, Float64Array, Int64Array]:
    """Draw what one bout keeps: a factor on its distance, a sense of rotation, which animal is the actor."""
    lengths = runs(states).length
    factor = np.exp(spread * rng.standard_normal(len(lengths)))
    sense = rng.choice([-1.0, 1.0], len(lengths))
    actor = rng.integers(0, 2, len(lengths))
    return np.repeat(factor, lengths), np.repeat(sense, lengths), np.repeat(actor, lengths)


def move(
    rngs: Sequence[np.random.Generator],
    states: Int64Array,
    styles: Sequence[Style],
    arena: tuple[float, float, float, float],
    *,
    fixed_actor: int | None = None,
    reach: float = 40.0,
) -> Motion:
    """Let the pairs of several recordings move, all in step.

    Parameters
    ----------
    rngs : sequence of Generator
        One a recording, so that a recording is the same whichever others are simulated with it.
    states : ndarray of int, shape (time, recording)
    styles : sequence of Style
        One a state.
    arena : tuple of float
        Left, top, right, bottom wall, px.
    fixed_actor : int, optional
        The animal that acts in every bout; empty = drawn for each.
    reach : float
        A place counts as reached within this distance, px.
    """
    n_frames, n_recordings = states.shape
    low, high = np.array(arena[:2]), np.array(arena[2:])
    drawn = [_per_bout(rng, states[:, r], 0.25) for r, rng in enumerate(rngs)]
    factor, sense, actor = (np.stack(item, axis=1) for item in zip(*drawn, strict=True))
    if fixed_actor is not None:
        actor = np.full_like(actor, fixed_actor)
    n_places = n_frames // 15 + 2
    places = np.stack([rng.uniform(low, high, (n_places, 2, 2)) for rng in rngs], axis=1)
    vigour = np.exp(0.5 * np.stack([wander(rng, (n_frames, 2), 40.0) for rng in rngs], axis=1))
    bearing_noise = 0.04 * np.stack([rng.standard_normal((n_frames, 2)) for rng in rngs], axis=1)
    centre = np.stack([rng.uniform(low, high, (2, 2)) for rng in rngs])
    heading = np.stack([rng.uniform(-np.pi, np.pi, 2) for rng in rngs])
    bearing = np.stack([rng.uniform(-np.pi, np.pi, 2) for rng in rngs])

    # Tables by state, then by animal: role 0 (actor) or 1 (partner) of animal a is |a - actor|.
    role = np.abs(np.arange(2) - actor[..., None])
    by_role = {name: np.array([getattr(style, name) for style in styles]) for name in ("speed", "follow")}
    top_speed = by_role["speed"][states[..., None], role] * vigour
    follow = by_role["follow"][states[..., None], role]
    by_state = {
        name: np.array([float(getattr(style, name)) for style in styles])[states]
        for name in ("distance", "spin", "behind", "face", "repel", "stretch")
    }
    distance = (by_state["distance"] * factor)[..., None]
    turning = (by_state["spin"] * sense)[..., None] + bearing_noise
    behind = (by_state["behind"][..., None] > 0) & (role == 0)
    face, repel = by_state["face"][..., None], by_state["repel"][..., None]

    centres = np.empty((n_frames, n_recordings, 2, 2))
    headings = np.empty((n_frames, n_recordings, 2))
    velocity = np.zeros_like(centre)
    index = np.zeros((n_recordings, 2), dtype=np.int64)
    rows, animals = np.arange(n_recordings)[:, None], np.arange(2)[None, :]
    for t in range(n_frames):
        partner, partner_heading = centre[:, ::-1], heading[:, ::-1]
        place = places[index, rows, animals]
        bearing += turning[t]
        angle = np.where(behind[t], partner_heading + np.pi, bearing)
        goal = partner + distance[t][..., None] * _unit(angle)
        steer = follow[t][..., None]
        wanted = steer * goal + (1 - steer) * place - centre
        length = np.linalg.norm(wanted, axis=-1)
        pace = np.minimum(top_speed[t], 0.25 * length) / np.maximum(length, 1e-6)
        to_partner = partner - centre
        gap = np.maximum(np.linalg.norm(to_partner, axis=-1), 1e-6)
        closeness = np.clip(1 - gap / distance[t], 0, 1) * repel[t] * top_speed[t] / gap
        aim = wanted * pace[..., None] - to_partner * closeness[..., None]
        velocity = 0.8 * velocity + 0.2 * aim
        centre = np.clip(centre + velocity, low, high)
        look = velocity / (top_speed[t][..., None] + 1e-6) + (face[t] / gap)[..., None] * to_partner
        turn = np.arctan2(look[..., 1], look[..., 0]) - heading
        turn = (turn + np.pi) % (2 * np.pi) - np.pi
        sure = np.minimum(np.linalg.norm(look, axis=-1), 1.0)
        heading = heading + np.clip(turn, -0.6, 0.6) * 0.25 * sure
        index = np.minimum(index + ((np.linalg.norm(place - centre, axis=-1) < reach) & (follow[t] < 1)), n_places - 1)
        centres[t], headings[t] = centre, heading
    return Motion(centres, headings, np.repeat(by_state["stretch"][..., None], 2, axis=-1))


def bodies(
    rngs: Sequence[np.random.Generator], motion: Motion, points: Mapping[str, Point], *, noise: float
) -> Float64Array:
    """Hang keypoints on the moving animals.

    Parameters
    ----------
    rngs : sequence of Generator
        One a recording.
    motion : Motion
    points : mapping of str to Point
        In the order of the result.
    noise : float
        Deviation of the tracker's error, px.

    Returns
    -------
    ndarray of float, shape (time, recording, animal, keypoint, 2)
    """
    n_frames = len(motion.heading)
    sway = 0.25 * np.stack([wander(rng, (n_frames, 2), 12.0) for rng in rngs], axis=1)
    stretch = lagged(motion.stretch, 4.0)
    out = np.empty((*motion.heading.shape, len(points), 2))
    for k, point in enumerate(points.values()):
        angle = lagged(motion.heading, point.lag) + (sway if point.along > 0 else 0.0)
        ahead, right = _unit(angle), _unit(angle + np.pi / 2)
        out[..., k, :] = motion.centre + (point.along * stretch)[..., None] * ahead + point.across * right
    out += noise * np.stack([rng.standard_normal((n_frames, *out.shape[2:])) for rng in rngs], axis=1)
    return out


def gaps(rng: np.random.Generator, n_frames: int, share: float, ln_mean: float, ln_sd: float) -> BoolArray:
    """Draw when a point is lost: gaps of log-normal length that cover about `share` of the frames.

    Returns
    -------
    ndarray of bool, shape (n_frames,)
        True where lost.
    """
    if share <= 0:
        return np.zeros(n_frames, dtype=bool)
    mean_gap = float(np.exp(ln_mean + ln_sd**2 / 2))
    mean_seen = mean_gap * (1 - share) / share
    n = int(4 * n_frames / (mean_gap + mean_seen)) + 10
    lost = np.maximum(np.rint(rng.lognormal(ln_mean, ln_sd, n)), 1)
    seen = np.maximum(np.rint(rng.exponential(mean_seen, n)), 1)
    lengths = np.stack([seen, lost], axis=1).ravel().astype(np.int64)
    mask = np.repeat(np.arange(2 * n) % 2 == 1, lengths)[:n_frames]
    return np.pad(mask, (0, n_frames - len(mask)))
