"""What BAMS sees of one animal: state and action of every frame, by name, and the actions it predicts.

The mouse's 67 inputs and 9 targets follow the published feature code; `original_bugs` repeats its two slips, which
the release carries: the head's velocity takes the change of x twice, and the change of the right forepaw's distance
is that of the left one's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from workflow_scripts.core.arrays import any_nan
from workflow_scripts.core.errors import ConfigError
from workflow_scripts.kinematics.body_roles import RoleNames, find_roles
from workflow_scripts.kinematics.geometry import fill_last_seen, nan_mean, smooth
from workflow_scripts.methods.bams import slow_means, social
from workflow_scripts.methods.bams.config import Config
from workflow_scripts.views.tracks import DataSpec

Floats = npt.NDArray[np.float64]

MOUSE_POINTS = (
    *("nose", "left_ear", "right_ear", "neck", "left_forepaw", "right_forepaw"),
    *("centre_back", "left_hindpaw", "right_hindpaw", "tail_base", "tail_middle", "tail_tip"),
)
NOSE, NECK, LEFT, RIGHT, BACK, LEFT_HIND, RIGHT_HIND, TAIL_BASE, TAIL_MIDDLE, TAIL_TIP = 0, 3, 4, 5, 6, 7, 8, 9, 10, 11

SLOW = (600,)
"""Windows of the slow means of mice in mode sound: twenty seconds."""

TARGETS = (
    *("head_speed", "head_heading", "d_head_heading", "d_head_angle"),
    *("back_speed", "back_heading", "d_back_heading", "d_body_angle", "d_spine_length"),
)


@dataclass(frozen=True)
class Layout:
    """Columns of inputs and targets.

    Attributes
    ----------
    kind : {"mouse", "keypoints", "state_action"}
    order : tuple of int
        Keypoints of the data in the order of the features.
    inputs, targets : tuple of str
        Names of the columns.
    others, encounters : bool
        Inputs describe the nearest others, and interactions with any animal.
    windows : tuple of int
        Windows of the slow means.
    fps : float
    places : Places or None
        Places of the body that the last three go by.
    """

    kind: str
    order: tuple[int, ...]
    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    others: bool = False
    encounters: bool = False
    windows: tuple[int, ...] = ()
    fps: float = 30.0
    places: social.Places | None = None

    @classmethod
    def of(cls, spec: DataSpec, config: Config) -> Layout:
        """Derive the layout from the data.

        Raises
        ------
        ConfigError
            When mouse features are asked for and a point is missing.
        """
        plain = [re.sub(r"[^a-z0-9]+", "_", name.lower()).replace("center", "centre") for name in spec.keypoints]
        missing = [name for name in MOUSE_POINTS if name not in plain]
        if config.features == "mouse" and (missing or spec.space != 2):
            raise ConfigError(
                f"methods.bams.features: mouse needs MABe's twelve points in two dimensions; missing: "
                f"{', '.join(missing) or 'none'}. Choose features: keypoints."
            )
        if config.features in ("auto", "mouse") and not missing and spec.space == 2:
            order = tuple(plain.index(name) for name in MOUSE_POINTS)
            return cls("mouse", order, MOUSE_INPUTS, TARGETS)._with_social(spec, config, social.MOUSE)
        state = [f"{name}.{axis}" for name in spec.keypoints for axis in "xyz"[: spec.space]]
        if config.features == "state_action":
            last = "xyz"[spec.space - 1]
            action = tuple(name for name in state if name.endswith(f".{last}"))
            return cls("state_action", tuple(range(len(spec.keypoints))), tuple(state), action)
        action = tuple(f"d {name}" for name in state)
        everyone = tuple(range(len(spec.keypoints)))
        plainly = cls("keypoints", everyone, (*state, *action), action)
        if not config.social and not config.slow:
            return plainly
        if spec.space != 2 or (config.social and len(spec.individuals) < 2):
            raise ConfigError(
                "methods.bams.social needs two animals or more, it and slow two dimensions; leave it out."
            )
        roles = find_roles(spec.keypoints, RoleNames())
        places = social.Places(roles.front, roles.centre, roles.centre, roles.rear, head=everyone, trunk=everyone)
        return plainly._with_social(spec, config, places)

    def _with_social(self, spec: DataSpec, config: Config, places: social.Places) -> Layout:
        """Add the inputs that describe the other animals, and the slow means."""
        animals, sound_mouse = len(spec.individuals), self.kind == "mouse" and config.mode == "sound"
        social_inputs = animals > 1 and (sound_mouse if config.social is None else config.social)
        windows = (SLOW if sound_mouse else ()) if config.slow is None else tuple(config.slow)
        met = social_inputs and bool(config.encounters)
        inputs = (
            *(social.names(animals) if social_inputs else ()),
            *(social.ENCOUNTERS if met else ()),
            *slow_means.names(windows),
        )
        if not inputs:
            return self
        return replace(
            self,
            inputs=(*self.inputs, *inputs),
            targets=(*self.targets, *(social.targets(animals) if social_inputs else ())),
            others=social_inputs,
            encounters=met,
            windows=windows,
            fps=spec.fps,
            places=places,
        )


@dataclass(frozen=True)
class Sequence:
    """Features of the animals of a recording.

    Attributes
    ----------
    inputs : ndarray, float32, shape (time, individual, input)
    targets : ndarray, float32 or float64, shape (time, individual, target)
        Of the type :attr:`.config.Config.target_type` names.
    ignore : ndarray of bool, shape (time, individual)
        Frames whose features rest on a missing point.
    present : ndarray of bool, shape (individual,)
        False for an animal without a single point.
    """

    inputs: npt.NDArray[np.float32]
    targets: npt.NDArray[np.floating]
    ignore: npt.NDArray[np.bool_]
    present: npt.NDArray[np.bool_]


def wrap(angle: Floats) -> Floats:
    """Bring angles to [-π, π)."""
    wrapped: Floats = (angle + np.pi) % (2 * np.pi) - np.pi
    return wrapped


def change(values: Floats, edge: str) -> Floats:
    """Change from the frame before, along time (first axis).

    Parameters
    ----------
    values : ndarray, shape (time, …)
    edge : {"second", "third"}
        The first frame repeats the change at the second frame, or at the third (which the original does).
    """
    out = np.zeros_like(values)
    out[1:] = values[1:] - values[:-1]
    source = 1 if edge == "second" else 2
    if len(out) > source:
        out[0] = out[source]
    return out


def mouse_columns(points: Floats, config: Config) -> dict[str, Floats]:
    """Name every input and target of mice.

    Parameters
    ----------
    points : ndarray, shape (time, individual, 12, 2)
        No NaN.
    config : Config
        Settled.

    Returns
    -------
    dict of str to ndarray, shape (time, individual)
        The inputs in the original's order, but for the last (`missing`), then targets that are no inputs.
    """
    edge = str(config.edge)
    columns: dict[str, Floats] = {}
    angles: dict[str, Floats] = {}

    def direction(name: str, angle: Floats) -> None:
        columns[f"cos {name}"], columns[f"sin {name}"] = np.cos(angle), np.sin(angle)

    def polar(name: str, vector: Floats) -> None:
        columns[f"{name} length"] = np.hypot(vector[..., 0], vector[..., 1])
        angles[name] = np.arctan2(vector[..., 1], vector[..., 0])
        direction(f"{name} angle", angles[name])

    def heading_of(vector: Floats) -> Floats:
        return np.asarray(np.arctan2(vector[..., 1], vector[..., 0]))

    neck, back = points[:, :, NECK], points[:, :, BACK]
    body = heading_of(back - points[:, :, TAIL_BASE])
    turned = points[:, :, LEFT_HIND:] - back[:, :, None]
    cos, sin = np.cos(body)[..., None], np.sin(body)[..., None]
    # The hind part in the body's frame, spine along x.
    hind = np.stack([turned[..., 0] * cos + turned[..., 1] * sin, turned[..., 1] * cos - turned[..., 0] * sin], -1)
    # A paw on the very pixel of the back has no direction; adding zero makes -0 +0, so that its angle is 0 and not ±π
    # whichever way the body points (the original sums from +0).
    hind += 0.0

    columns["neck x"], columns["neck y"] = neck[..., 0], neck[..., 1]
    head = heading_of(points[:, :, NOSE] - neck)
    direction("head angle", head)
    polar("left forepaw", points[:, :, LEFT] - neck)
    polar("right forepaw", points[:, :, RIGHT] - neck)
    between = wrap(angles["right forepaw"] - angles["left forepaw"])
    direction("forepaws angle", between)
    columns["back x"], columns["back y"] = back[..., 0], back[..., 1]
    direction("body angle", body)
    polar("left hindpaw", hind[:, :, 0])
    polar("right hindpaw", hind[:, :, 1])
    columns["tail base length"] = np.hypot(hind[:, :, 2, 0], hind[:, :, 2, 1])
    tails = {
        "tail middle": heading_of(hind[:, :, 3] - hind[:, :, 2]),
        "tail tip": heading_of(hind[:, :, 4] - hind[:, :, 3]),
    }
    for name, angle in tails.items():
        direction(f"{name} angle", angle)
    polar("spine", back - neck)

    def motion(name: str, place: Floats, *, slip: bool) -> tuple[Floats, Floats, Floats]:
        step = change(place, edge)
        dx, dy = step[..., 0], step[..., 0 if slip else 1]
        speed, heading = np.hypot(dx, dy), np.arctan2(dy, dx)
        moving = speed >= config.noise_thresh
        speed, heading = np.where(moving, speed, 0), np.where(moving, heading, 0)
        turn = wrap(change(heading, edge))
        columns[f"{name} speed"] = speed
        direction(f"{name} heading", heading)
        direction(f"d {name} heading", turn)
        return speed, heading, turn

    def paw(name: str, length: str) -> None:
        columns[f"d {name} length"] = change(columns[f"{length} length"], edge)
        direction(f"d {name} angle", wrap(change(angles[name], edge)))

    slips = bool(config.original_bugs)
    head_motion = motion("head", neck, slip=slips)
    head_turn, body_turn = wrap(change(head, edge)), wrap(change(body, edge))
    direction("d head angle", head_turn)
    paw("left forepaw", "left forepaw")
    paw("right forepaw", "left forepaw" if slips else "right forepaw")
    direction("d forepaws angle", wrap(change(between, edge)))
    back_motion = motion("back", back, slip=False)
    direction("d body angle", body_turn)
    paw("left hindpaw", "left hindpaw")
    paw("right hindpaw", "right hindpaw")
    for name, angle in tails.items():
        direction(f"d {name} angle", wrap(change(angle, edge)))
    columns["d tail base length"] = change(columns["tail base length"], edge)
    columns["d spine length"] = change(columns["spine length"], edge)
    direction("d spine angle", wrap(change(angles["spine"], edge)))
    values = (*head_motion, head_turn, *back_motion, body_turn, columns["d spine length"])
    return columns | {f"target {name}": value for name, value in zip(TARGETS, values, strict=True)}


def _mouse_inputs() -> tuple[str, ...]:
    names = mouse_columns(np.zeros((3, 1, 12, 2)), Config().resolved())
    return (*(name for name in names if not name.startswith("target ")), "missing")


MOUSE_INPUTS = _mouse_inputs()


def _filled(position: npt.NDArray[np.floating], fill: str) -> Floats:
    """Fill missing points: (time, individual, keypoint, space) without NaN."""
    if fill == "zero":
        return np.nan_to_num(position.astype(np.float64))
    time = len(position)
    flat = position.reshape(time, -1).astype(np.float64)
    # Before it was ever seen, a point is where it is first seen; never seen, at its animal's mean, or else at 0.
    animal = np.broadcast_to(nan_mean(position, (0, 2))[:, None], position.shape[1:]).reshape(-1)
    first = np.take_along_axis(flat, np.isnan(flat).argmin(axis=0)[None], axis=0)[0] if time else animal
    fallback = np.nan_to_num(np.where(np.isnan(first), animal, first))
    return fill_last_seen(flat, fallback).reshape(position.shape)


def compute(position: npt.NDArray[np.float32], layout: Layout, config: Config) -> Sequence:
    """Compute the features of all animals of a recording.

    Parameters
    ----------
    position : ndarray, shape (time, individual, keypoint, space)
        NaN = missing.
    layout : Layout
    config : Config
        Settled.
    """
    position = position[:, :, list(layout.order)]
    lost: npt.NDArray[np.bool_] = any_nan(position)
    ignore: npt.NDArray[np.bool_] = np.any(lost, axis=-1)
    # Before the change from frame to frame is taken, which is mostly jitter where an animal moves less than its points.
    window = 1 if layout.kind == "state_action" else int(config.smooth or 1)
    points = _filled(smooth(position, window), str(config.fill))
    if layout.kind == "mouse":
        ignore = ignore | np.concatenate([ignore[:1], ignore[:-1]])
        columns = mouse_columns(points, config) | {"missing": ignore.astype(np.float64)}
        inputs = np.stack([columns[name] for name in MOUSE_INPUTS], axis=-1)
        targets = np.stack([columns[f"target {name}"] for name in TARGETS], axis=-1)
    else:
        inputs = points.reshape(*points.shape[:2], -1)
        if layout.kind == "state_action":
            targets = points[..., -1]
        else:
            targets = change(inputs, str(config.edge))
            inputs = np.concatenate([inputs, targets], axis=-1)
    present: npt.NDArray[np.bool_] = ~np.all(lost, axis=(0, 2))
    if layout.places:
        added = [social.columns(points, present, layout.places)] if layout.others else []
        added += [social.encounters(points, present, layout.places)] if layout.encounters else []
        added += (
            [slow_means.columns(points, present, layout.places, layout.fps, layout.windows)] if layout.windows else []
        )
        aims = [layout.inputs.index(name) for name in layout.targets[targets.shape[-1] :]]
        inputs = np.concatenate([inputs, *added], axis=-1)
        targets = np.concatenate([targets, inputs[..., aims]], axis=-1)
    return Sequence(inputs.astype(np.float32), targets.astype(config.target_type), ignore, present)
