"""Named hand features by animal, by pair and by ordered pair (docs/features.md), and how they become columns."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Literal, TypeAlias

import numpy as np

from workflow_scripts.core.typing import Float64Array
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.kinematics.body_roles import Roles, headings, role_points
from workflow_scripts.kinematics.geometry import angle, dot, nan_mean, norm, odd_window, rate, smooth, unit

Columns: TypeAlias = dict[str, Float64Array]
"""Quantity by name, each of shape (time, subjects)."""

Identity: TypeAlias = Literal["symmetric", "named"]
"""Whether columns tell which animal is which; see :func:`lay_quantities`."""

SMOOTH_S = 0.2
"""Centred mean over positions before anything else, in seconds."""
CONTACT = 0.2
"""Two points closer than this touch, in body lengths."""
NEAR = 1.0
"""Two animals whose centres are closer than this are near, in body lengths."""
RATE_HALF_SPAN_S = 0.1
"""Rates are differences over twice this, in seconds: long against tracker jitter, short against a lunge."""


@dataclass(frozen=True)
class Quantities:
    """What was measured in every frame; NaN where a point it needs is missing.

    Attributes
    ----------
    single : dict of str to ndarray, shape (time, individual)
    pair : dict of str to ndarray, shape (time, pair)
        Pairs in the order of `itertools.combinations`.
    directed : dict of str to ndarray, shape (time, ordered pair)
        In the order of `itertools.permutations`: what the first does about the second.
    """

    single: Columns
    pair: Columns
    directed: Columns


@dataclass(frozen=True)
class Body:
    """Smoothed positions in body lengths, and what follows from them; each (time, individual, [keypoint,] space)."""

    points: Float64Array
    front: Float64Array
    centre: Float64Array
    rear: Float64Array
    velocity: Float64Array
    heading: Float64Array


def compress(values: Float64Array) -> Float64Array:
    """Sign-keeping log(1 + |x|): tames the heavy tails of speeds, which tracker jumps make heavier."""
    compressed: Float64Array = np.sign(values) * np.log1p(np.abs(values))
    return compressed


def _half_span(fps: float) -> int:
    return max(1, round(RATE_HALF_SPAN_S * fps))


def _flag(values: Float64Array, threshold: float) -> Float64Array:
    return np.where(np.isnan(values), np.nan, values < threshold)


def measure_body(recording: Recording, roles: Roles, length: float, smooth_s: float) -> Body:
    """Bring a recording to body lengths, smooth it, and find its roles, velocities and headings."""
    points = smooth(recording.position / length, odd_window(smooth_s, recording.fps))
    front, centre, rear = role_points(points, roles)
    # The mean of the other two stands in for a missing centre: the animal was seen, if not just there.
    centre = np.where(np.isnan(centre), nan_mean(np.stack([front, rear]), 0), centre)
    velocity = rate(centre, recording.fps, _half_span(recording.fps))
    heading = unit(headings(front, centre, rear)) if roles.directed else unit(velocity)
    return Body(points, front, centre, rear, velocity, heading)


def border_distance(centre: Float64Array) -> Float64Array:
    """Distance to the nearest side of the box (1st to 99th percentile) that the animals kept to in this recording."""
    # The animals' box and not the image's edge: a camera sees more than the arena.
    flat = centre.reshape(-1, centre.shape[-1])
    seen = flat[np.isfinite(flat).all(axis=1)][:, :2]
    if not len(seen):
        return np.full(centre.shape[:2], np.nan)
    low, high = np.percentile(seen, [1, 99], axis=0)
    plane = centre[..., :2]
    distance: Float64Array = np.minimum(plane - low, high - plane).min(axis=-1)
    return np.maximum(distance, 0)


def _turning(heading: Float64Array, fps: float) -> Float64Array:
    span, last = _half_span(fps), len(heading) - 1
    before, after = np.maximum(np.arange(last + 1) - span, 0), np.minimum(np.arange(last + 1) + span, last)
    turned: Float64Array = angle(heading[before], heading[after]) * (fps / np.maximum(after - before, 1))[:, None]
    return turned


def measure_single(recording: Recording, body: Body, roles: Roles) -> Columns:
    """Quantities of each animal by itself, each (time, individual)."""
    fps, span = recording.fps, _half_span(recording.fps)
    seen = ~np.isnan(recording.position[..., 0])
    ahead = dot(body.velocity, body.heading)
    columns = {
        "speed": compress(norm(body.velocity)),
        "acceleration": compress(norm(rate(body.velocity, fps, span))),
        "ahead_speed": compress(ahead),
        "sideways_speed": compress(norm(body.velocity - ahead[..., None] * body.heading)),
        "turning": compress(_turning(body.heading, fps)),
        "border": border_distance(body.centre),
        "seen": seen.mean(2),
        # Without a point in sight there is no confidence, whatever the file says.
        "confidence": np.nan_to_num(nan_mean(np.where(seen, recording.confidence, np.nan), 2)),
    }
    if roles.directed:
        length = norm(body.front - body.rear)
        columns |= {
            "front_speed": compress(norm(rate(body.front, fps, span))),
            "length": length,
            "length_rate": compress(rate(length, fps, span)),
            "bend": angle(body.front - body.centre, body.centre - body.rear),
            "front_seen": seen[:, :, list(roles.front)].mean(2),
        }
    if recording.position.shape[2] > 1:
        offsets = norm(body.points - nan_mean(body.points, 2)[:, :, None])
        columns["spread"] = np.sqrt(nan_mean(offsets**2, 2))
    return columns


def closest_distance(a: Float64Array, b: Float64Array) -> Float64Array:
    """Smallest distance between two sets of points, (time, keypoint, space) each; NaN where one set is empty."""
    closest = np.full(len(a), np.nan)
    for k in range(a.shape[1]):
        # One point of `a` at a time bounds the memory; fmin passes over what is missing.
        closest = np.fmin(closest, np.fmin.reduce(norm(b - a[:, [k]]), axis=1))
    return closest


def measure_pairs(body: Body, fps: float, *, contact: float, near: float) -> Columns:
    """Quantities of each pair that do not ask who is who, each (time, pair)."""
    pairs = list(combinations(range(body.centre.shape[1]), 2))
    first, second = ([pair[k] for pair in pairs] for k in (0, 1))
    distance = norm(body.centre[:, second] - body.centre[:, first])
    closest = np.stack([closest_distance(body.points[:, a], body.points[:, b]) for a, b in pairs], axis=1)
    return {
        "centre_distance": compress(distance),
        "front_distance": compress(norm(body.front[:, second] - body.front[:, first])),
        "rear_distance": compress(norm(body.rear[:, second] - body.rear[:, first])),
        "closest": compress(closest),
        "contact": _flag(closest, contact),
        "near": _flag(distance, near),
        "approach": compress(-rate(distance, fps, _half_span(fps))),
        "relative_speed": compress(norm(body.velocity[:, second] - body.velocity[:, first])),
        "alignment": dot(body.heading[:, first], body.heading[:, second]),
    }


def measure_directed(body: Body, *, contact: float) -> Columns:
    """Quantities of each ordered pair, what the first does about the second, each (time, ordered pair)."""
    ordered = list(permutations(range(body.centre.shape[1]), 2))
    who, whom = ([pair[k] for pair in ordered] for k in (0, 1))
    towards = body.centre[:, whom] - body.centre[:, who]
    ahead = dot(towards, body.heading[:, who])
    touch = np.stack([closest_distance(body.front[:, [a]], body.points[:, b]) for a, b in ordered], axis=1)
    return {
        "facing": dot(unit(towards), body.heading[:, who]),
        "ahead": compress(ahead),
        "aside": compress(norm(towards - ahead[..., None] * body.heading[:, who])),
        "pursuit": compress(dot(body.velocity[:, who], unit(towards))),
        "front_to_centre": compress(norm(body.centre[:, whom] - body.front[:, who])),
        "front_to_rear": compress(norm(body.rear[:, whom] - body.front[:, who])),
        "front_to_any": compress(touch),
        "front_contact": _flag(touch, contact),
    }


def measure(
    recording: Recording,
    roles: Roles,
    length: float,
    *,
    smooth_s: float = SMOOTH_S,
    contact: float = CONTACT,
    near: float = NEAR,
) -> Quantities:
    """Measure a recording.

    Parameters
    ----------
    recording : Recording
    roles : Roles
    length : float
        One body length in the recording's unit; all distances below are in it.
    smooth_s, contact, near : float
        As :data:`SMOOTH_S`, :data:`CONTACT` and :data:`NEAR`, their defaults.
    """
    body = measure_body(recording, roles, length, smooth_s)
    single = measure_single(recording, body, roles)
    if len(recording.individuals) < 2:
        return Quantities(single, {}, {})
    pair = measure_pairs(body, recording.fps, contact=contact, near=near)
    return Quantities(single, pair, measure_directed(body, contact=contact))


def _symmetric(columns: Columns) -> Columns:
    """Replace subjects by their smallest and largest value (and the mean of three or more): blind to their order."""
    found = {}
    for name, values in columns.items():
        subjects = values.shape[1]
        if subjects == 1:
            found[name] = values[:, 0]
            continue
        found[f"{name}.min"] = np.fmin.reduce(values, axis=1)
        found[f"{name}.max"] = np.fmax.reduce(values, axis=1)
        if subjects > 2:  # of two it would be a sum of the others
            found[f"{name}.mean"] = nan_mean(values, 1)
    return found


def _named(quantities: Quantities, individuals: tuple[str, ...]) -> Columns:
    pairs = [f"{a}&{b}" for a, b in combinations(individuals, 2)]
    ordered = [f"{a}>{b}" for a, b in permutations(individuals, 2)]
    parts = ((quantities.single, individuals), (quantities.pair, pairs), (quantities.directed, ordered))
    return {
        f"{name}[{who}]": values[:, k]
        for columns, subjects in parts
        for name, values in columns.items()
        for k, who in enumerate(subjects)
    }


def lay_quantities(quantities: Quantities, identity: Identity, individuals: tuple[str, ...]) -> Columns:
    """Lay quantities out as named columns, each (time,).

    Parameters
    ----------
    quantities : Quantities
    identity : {"symmetric", "named"}
        ``symmetric``: the smallest and largest value over animals or pairs (and the mean of three or more), blind to
        which is which. ``named``: one column an animal, pair and ordered pair.
    individuals : tuple of str
    """
    if identity == "named":
        return _named(quantities, individuals)
    return _symmetric(quantities.single) | _symmetric(quantities.pair) | _symmetric(quantities.directed)


def blank_recording(individuals: tuple[str, ...], keypoints: tuple[str, ...], space: int) -> Recording:
    """Make a recording of one empty frame: what is measured in it names the quantities."""
    shape = (1, len(individuals), len(keypoints))
    return Recording(
        id="blank",
        position=np.full((*shape, space), np.nan, np.float32),
        confidence=np.full(shape, np.nan, np.float32),
        fps=1.0,
        individuals=individuals,
        keypoints=keypoints,
        group="blank",
    )
