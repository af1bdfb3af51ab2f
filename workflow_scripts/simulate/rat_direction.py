"""The twin of the rat direction set: rats rendered from above with known points, in the original's npz layout.

`frames.npz` holds the single frames (the original publishes the 64 copies of each, which the augment rule makes from
these) of four animals that differ in size, fur and build. `movie.npz` is one more animal of known pose, moving.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from workflow_scripts.cards.card import Card
from workflow_scripts.core.typing import Float32Array
from workflow_scripts.core.validation import Strict
from workflow_scripts.formats.images import ImageSet, frame_groups
from workflow_scripts.sources import rat_npz

SIZE = 50
DISCS = 22
"""Discs along the spine whose union is the body."""


@dataclass(frozen=True)
class Rat:
    """How one animal looks; lengths in pixels, grey values of 255."""

    length: float
    width: float
    fur: float
    hood: float
    floor: float


RATS = {
    "ada": Rat(length=31.0, width=6.6, fur=205, hood=205, floor=112),
    "bob": Rat(length=34.0, width=7.3, fur=196, hood=58, floor=128),
    "cyd": Rat(length=29.5, width=6.2, fur=42, hood=42, floor=132),
    "dov": Rat(length=33.0, width=7.8, fur=74, hood=88, floor=150),
}
"""Albino, hooded, black, agouti. Fur is brighter than the bedding in the first two and darker in the last two."""

MOVIE_RAT = "bob"


class Options(Strict):
    """Options of the generator `rat_direction`."""

    seed: int = Field(5, ge=0)
    frames: int = Field(1546, ge=8, description="Single frames, shared out over the four animals.")
    movie_frames: int = Field(1800, ge=2, description="Frames of the movie, at 30 a second.")


@dataclass(frozen=True)
class Pose:
    """Poses of n frames: tail base, body direction, bends and build.

    Attributes
    ----------
    heading : ndarray, shape (n,)
        Direction of the body from the tail base to the neck, radians, clockwise on the screen.
    bend : ndarray, shape (n,)
        Turn of the head against the body, radians.
    arch : ndarray, shape (n,)
        Sideways bow of the spine, as a part of its length.
    stretch : ndarray, shape (n,)
        Factor on the length (an animal shortens when it rears or crouches).
    offset : ndarray, shape (n, 2)
        Middle of the animal from the middle of the image, pixels.
    """

    heading: Float32Array
    bend: Float32Array
    arch: Float32Array
    stretch: Float32Array
    offset: Float32Array


def _spine(pose: Pose, length: Float32Array) -> tuple[Float32Array, Float32Array]:
    """Discs' centres (n, DISCS, 2) and the three points base, neck, head (n, 3, 2), around the image's middle."""
    along = np.linspace(0, 1, DISCS, dtype=np.float32)
    neck_at = 0.68
    total = length * pose.stretch
    # The body is a bowed line from the base to the neck; the head goes straight on from there, turned by the bend.
    part = np.minimum(along / neck_at, 1.0)
    forward = part[None] * neck_at * total[:, None]
    sideways = np.sin(np.pi * part)[None] * (pose.arch * total)[:, None]
    beyond = np.maximum(along - neck_at, 0)[None] * total[:, None]
    forward = forward + beyond * np.cos(pose.bend)[:, None]
    sideways = sideways + beyond * np.sin(pose.bend)[:, None]
    cosine, sine = np.cos(pose.heading)[:, None], np.sin(pose.heading)[:, None]
    discs = np.stack([forward * cosine - sideways * sine, forward * sine + sideways * cosine], axis=-1)
    exact_neck = np.stack([neck_at * total * np.cos(pose.heading), neck_at * total * np.sin(pose.heading)], -1)
    points = np.stack([discs[:, 0], exact_neck, discs[:, -1]], axis=1)
    middle = (points.max(1) + points.min(1)) / 2 - pose.offset - np.float32((SIZE - 1) / 2)
    return (discs - middle[:, None]).astype(np.float32), (points - middle[:, None]).astype(np.float32)


def _profile() -> Float32Array:
    """Radius along the body as a part of its half width: broad hips, narrower chest, thin neck, pointed snout."""
    at = [0.0, 0.08, 0.25, 0.45, 0.6, 0.68, 0.8, 0.9, 1.0]
    radius = [0.45, 0.78, 1.0, 0.95, 0.78, 0.64, 0.62, 0.42, 0.16]
    return np.interp(np.linspace(0, 1, DISCS), at, radius).astype(np.float32)


def _near(centres: Float32Array, radii: Float32Array) -> Float32Array:
    """Signed distance (n, SIZE, SIZE) to the union of discs, in pixels, negative inside."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    nearest = np.full((len(centres), SIZE, SIZE), 1e3, np.float32)
    for disc in range(centres.shape[1]):
        dx = x[None] - centres[:, disc, 0, None, None]
        dy = y[None] - centres[:, disc, 1, None, None]
        np.minimum(nearest, np.sqrt(dx * dx + dy * dy) - radii[:, disc, None, None], out=nearest)
    return nearest


def _bedding(rng: np.random.Generator, n: int, floor: float) -> Float32Array:
    """Wood chips, a wall's shade and lighting that falls off to one side."""
    chips = gaussian_filter(rng.standard_normal((n, SIZE, SIZE), dtype=np.float32), (0, 0.9, 0.9)) * 42
    lumps = gaussian_filter(rng.standard_normal((n, SIZE, SIZE), dtype=np.float32), (0, 5, 5)) * 90
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32) / SIZE - 0.5
    slope = rng.normal(0, 22, (2, n)).astype(np.float32)
    light = slope[0, :, None, None] * x + slope[1, :, None, None] * y
    picture = floor + rng.normal(0, 8, (n, 1, 1)).astype(np.float32) + chips + lumps + light
    # A wall or shelter runs along one edge in some frames.
    edge = rng.uniform(-30, 14, n)
    side = rng.integers(0, 4, n)
    for row in np.flatnonzero(edge > 2):
        view = np.rot90(picture[row], side[row])
        view[: int(edge[row])] *= rng.uniform(0.35, 0.6)
    bedding: Float32Array = picture.astype(np.float32)
    return bedding


def render(
    rng: np.random.Generator, rat: Rat, pose: Pose, *, still: bool = False
) -> tuple[npt.NDArray[np.uint8], Float32Array]:
    """Render an animal in the given poses.

    Parameters
    ----------
    rng : Generator
    rat : Rat
    pose : Pose
        Of n frames.
    still : bool
        The same bedding, light and curl of the tail in all frames.

    Returns
    -------
    images : ndarray, uint8, shape (n, 50, 50)
    points : ndarray, float32, shape (n, 3, 2)
        base, neck and head, exact.
    """
    n = len(pose.heading)
    length = np.full(n, rat.length, np.float32)
    discs, points = _spine(pose, length)
    # A shortened animal is a broader one.
    radii = (_profile()[None] * (rat.width / np.sqrt(pose.stretch))[:, None]).astype(np.float32)
    picture = np.repeat(_bedding(rng, 1 if still else n, rat.floor), n if still else 1, axis=0)

    reach = np.linspace(0, 1, 12, dtype=np.float32)[None, :, None]
    swing = pose.heading + np.pi + rng.normal(0, 0.6, 1 if still else n).astype(np.float32)
    tip = points[:, 0] + 17 * np.stack([np.cos(swing), np.sin(swing)], -1)
    curl = rng.normal(0, 5, (1 if still else n, 2)).astype(np.float32)[:, None] * np.sin(np.pi * reach)
    tail = points[:, None, 0] * (1 - reach) + tip[:, None] * reach + curl
    across = pose.heading + pose.bend + np.float32(np.pi / 2)
    side = np.stack([np.cos(across), np.sin(across)], -1) * np.float32(0.5 * rat.width)
    at_ears = discs[:, int(0.76 * DISCS)]
    ears = np.stack([at_ears + side, at_ears - side], axis=1)

    body = _near(discs, radii)
    lamp = rng.normal(0, 2.2, (1 if still else n, 1, 2)).astype(np.float32)
    shade = _near(discs + lamp, radii * np.float32(1.08))
    picture *= 1 - 0.4 / (1 + np.exp(shade * 0.9))
    bare = np.float32(0.5 * rat.fur + 0.5 * 150)
    for part, radius, grey in ((tail, 1.0, bare), (ears, 1.9, 0.8 * rat.hood + 24)):
        cover = np.clip(0.5 - _near(part, np.full(part.shape[:2], radius, np.float32)), 0, 1)
        picture = picture * (1 - cover) + grey * cover

    hooded = _near(discs[:, int(0.58 * DISCS) :], radii[:, int(0.58 * DISCS) :])
    mix = np.clip(0.5 - hooded, 0, 1)
    fur = rat.fur * (1 - mix) + rat.hood * mix
    round_back = np.clip(-body / rat.width, 0, 1) * np.float32(26) - 10
    cover = np.clip(0.5 - body, 0, 1)
    streaks = gaussian_filter(rng.standard_normal((n, SIZE, SIZE), dtype=np.float32), (0, 0.7, 1.2)) * 14
    picture = picture * (1 - cover) + (fur + streaks + round_back) * cover

    blur = rng.uniform(0.3, 0.8)
    picture = gaussian_filter(picture, (0, blur, blur))
    picture += rng.normal(0, 12, (1 if still else n, 1, 1)) + rng.standard_normal((n, SIZE, SIZE), dtype=np.float32) * 4
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8), points


def _still_poses(rng: np.random.Generator, n: int) -> Pose:
    return Pose(
        heading=rng.uniform(-np.pi, np.pi, n).astype(np.float32),
        bend=np.clip(rng.normal(0, 0.6, n), -1.7, 1.7).astype(np.float32),
        arch=np.clip(rng.normal(0, 0.09, n), -0.22, 0.22).astype(np.float32),
        stretch=np.clip(rng.normal(0.95, 0.12, n), 0.6, 1.15).astype(np.float32),
        offset=np.clip(rng.normal(0, 1.8, (n, 2)), -4, 4).astype(np.float32),
    )


def _moving_poses(rng: np.random.Generator, n: int) -> Pose:
    def smooth(sigma: float, sd: float) -> Float32Array:
        walk = gaussian_filter1d(rng.standard_normal(n), sigma)
        scaled: Float32Array = (walk / max(float(walk.std()), 1e-9) * sd).astype(np.float32)
        return scaled

    return Pose(
        heading=(rng.uniform(-np.pi, np.pi) + np.cumsum(smooth(8, 0.07))).astype(np.float32),
        bend=np.clip(smooth(7, 0.5), -1.6, 1.6),
        arch=np.clip(smooth(9, 0.08), -0.2, 0.2),
        stretch=np.clip(0.95 + smooth(15, 0.1), 0.65, 1.15),
        offset=np.clip(np.stack([smooth(4, 1.2), smooth(4, 1.2)], -1), -4, 4),
    )


def make_frames(options: Options) -> ImageSet:
    """Render the single frames, the animals mixed."""
    counts = [len(part) for part in np.array_split(np.arange(options.frames), len(RATS))]
    images, points, animals = [], [], []
    for number, ((name, rat), count) in enumerate(zip(RATS.items(), counts, strict=True)):
        rng = np.random.default_rng([options.seed, number])
        picture, where = render(rng, rat, _still_poses(rng, count))
        images.append(picture)
        points.append(where)
        animals += [name] * count
    mixed = np.random.default_rng([options.seed, 99]).permutation(options.frames)
    names = np.array(animals)[mixed]
    frame = np.arange(options.frames, dtype=np.int64)
    return ImageSet(
        np.concatenate(images)[mixed], np.concatenate(points)[mixed], rat_npz.POINTS, frame, names, frame_groups(frame)
    )


def make_movie(options: Options) -> ImageSet:
    """Render the movie: slow turns of body and head, bedding that stays the same from frame to frame."""
    rng = np.random.default_rng([options.seed, len(RATS)])
    images, points = render(rng, RATS[MOVIE_RAT], _moving_poses(rng, options.movie_frames), still=True)
    names = np.full(options.movie_frames, MOVIE_RAT)
    frame = np.arange(options.movie_frames, dtype=np.int64)
    return ImageSet(images, points, rat_npz.POINTS, frame, names, names, fps=30.0)


def make(path: str, target: Path, options: Options, card: Card) -> None:
    """Make `frames.npz` or `movie.npz`.

    Parameters
    ----------
    path : str
        Entry of the card's files; a name beginning with ``movie`` is the movie.
    target : Path
    options : Options
    card : Card
        Its name goes into the seed, so that two twins differ.
    """
    own = options.model_copy(update={"seed": (options.seed + zlib.crc32(card.name.encode())) % 2**31})
    images = make_movie(own) if Path(path).name.startswith("movie") else make_frames(own)
    rat_npz.write(target, images)
