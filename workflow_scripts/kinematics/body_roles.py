"""Which keypoints are the front, the centre and the rear of an animal: configured, or guessed from their names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from workflow_scripts.core.errors import ConfigError, EthoMakeError
from workflow_scripts.core.typing import Float64Array
from workflow_scripts.core.validation import Strict, nearest
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.kinematics.geometry import Coordinates, FloatArray, extent, lay, nan_mean, norm, rate

# Patterns in order of preference; a name is compared in lower case with separators made "_".
_FRONT: tuple[str, ...] = (
    "nose",
    "snout",
    "nose_?tip",
    "head",
    "top",
    "head_?(centre|center|top|mid)",
    "(left|right|l|r)_?ear",
    "ear_?(left|right|l|r)?",
    "eye_?(left|right|l|r)",
)
_CENTRE: tuple[str, ...] = (
    "(body_?)?(centre|center|centroid)",
    "cent(re|er)_?back",
    "body",
    "thorax",
    "(mid_?)?(spine|back|torso)",
    "neck",
)
_REAR: tuple[str, ...] = (
    "tail_?base",
    "base_?tail",
    "tail",
    "rump",
    "tail_?(root|start|1)",
    "abdomen",
    "(left|right|l|r)_?hip",
    "hip_?(left|right|l|r)?",
)


class RoleNames(Strict):
    """Keypoints that stand for three places of the body; an empty list is guessed from the names."""

    front: list[str] = Field([], description="Keypoints whose mean is the front (nose, head); empty = guessed.")
    centre: list[str] = Field([], description="Keypoints whose mean is the centre of the body; empty = guessed.")
    rear: list[str] = Field([], description="Keypoints whose mean is the rear (base of the tail); empty = guessed.")


@dataclass(frozen=True)
class Roles:
    """Indices of the keypoints of each role.

    Attributes
    ----------
    front, centre, rear : tuple of int
    """

    front: tuple[int, ...]
    centre: tuple[int, ...]
    rear: tuple[int, ...]

    @property
    def directed(self) -> bool:
        """Whether the skeleton has a heading: front and rear differ."""
        return self.front != self.rear


def _match(patterns: Sequence[str], keypoints: Sequence[str]) -> tuple[int, ...]:
    plain = [re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()) for name in keypoints]
    for pattern in patterns:
        found = tuple(k for k, name in enumerate(plain) if re.fullmatch(pattern, name))
        if found:
            return found
    return ()


def find_roles(keypoints: Sequence[str], named: RoleNames) -> Roles:
    """Settle the roles of a skeleton.

    Parameters
    ----------
    keypoints : sequence of str
    named : RoleNames
        What the user said; the rest is guessed by name, and where no name tells, the first keypoint is the front,
        the last the rear, and the centre the mean of front and rear.

    Raises
    ------
    ConfigError
        When `named` names an unknown keypoint.
    """

    def indices(names: list[str]) -> tuple[int, ...]:
        for name in names:
            if name not in keypoints:
                raise ConfigError(f"roles: there is no keypoint {name!r}{nearest(name, list(keypoints))}.")
        return tuple(list(keypoints).index(name) for name in names)

    front = indices(named.front) or _match(_FRONT, keypoints)
    rear = indices(named.rear) or _match(_REAR, keypoints)
    # A skeleton with just one end known takes the other end from the far side of the list.
    if not front:
        front = (0,) if rear != (0,) else (len(keypoints) - 1,)
    if not rear:
        rear = (len(keypoints) - 1,) if front != (len(keypoints) - 1,) else (0,)
    centre = indices(named.centre) or _match(_CENTRE, keypoints) or tuple(sorted({*front, *rear}))
    return Roles(front=front, centre=centre, rear=rear)


def role_points(position: FloatArray, roles: Roles) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Return front, centre and rear, each (time, individual, space): means of the seen keypoints of the role."""
    front, centre, rear = (nan_mean(position[:, :, list(k)], 2) for k in (roles.front, roles.centre, roles.rear))
    return front, centre, rear


def headings(front: FloatArray, centre: FloatArray, rear: FloatArray) -> Float64Array:
    """Direction from rear to front, with the centre in the place of a missing end.

    Returns
    -------
    ndarray, shape of the arguments
        Not of unit length; NaN where fewer than two of the three points are seen.
    """
    heading: Float64Array = np.asarray(front, np.float64) - rear
    for ahead, behind in ((front, centre), (centre, rear)):
        heading = np.where(np.isnan(heading), np.asarray(ahead, np.float64) - behind, heading)
    return heading


def body_length(position: FloatArray, roles: Roles) -> float:
    """Median distance from rear to front over all animals and frames, or NaN.

    A skeleton of one point has no length: a tenth of half the range it moves in stands for it.
    """
    if not roles.directed:
        return extent(position, None)[1] / 10
    front, _, rear = role_points(position, roles)
    lengths = norm(front - rear)
    seen = lengths[np.isfinite(lengths) & (lengths > 0)]
    return float(np.median(seen)) if len(seen) else float("nan")


def usual_body_length(recordings: Iterable[Recording], roles: Roles, place: str) -> float:
    """Median over recordings of :func:`body_length`, in the unit of the tracks.

    Parameters
    ----------
    recordings : iterable of Recording
    roles : Roles
    place : str
        Where the recordings are, for the error's sentence.

    Raises
    ------
    EthoMakeError
        When no recording shows both ends of an animal together.
    """
    lengths = [body_length(recording.position, roles) for recording in recordings]
    usable = [length for length in lengths if np.isfinite(length) and length > 0]
    if not usable:
        raise EthoMakeError(
            f"{place} never show front and rear of an animal together, so its body has no length; name other keypoints "
            "in the option roles."
        )
    return float(np.median(usable))


def lay_recording(
    recording: Recording, normalise: Callable[[FloatArray], Float64Array], coordinates: Coordinates, roles: Roles
) -> Float64Array:
    """Normalise a recording's positions and lay them out as columns (:func:`kinematics.lay`).

    A skeleton of one point heads where it moves.
    """
    position = normalise(recording.position)
    if coordinates != "egocentric":
        return lay(position, coordinates)
    front, centre, rear = role_points(position, roles)
    heading = headings(front, centre, rear) if roles.directed else rate(centre, recording.fps)
    return lay(position, coordinates, heading)
