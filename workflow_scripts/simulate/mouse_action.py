"""Twin for mouse action recognition: rendered videos of one mouse from above, with exact bouts and boxes.

A mouse of ellipses (body, head, ears) with a bent tail idles, walks, rears, grooms and twitches on a textured floor.
A shadow, a reflection that wanders along a wall, drifting light and camera noise make it less easy. How the mouse moves
is our own choice; nothing was fitted to real recordings. Grooming and twitching are seen in small parts of few
pixels, as in real videos, and a twitch lasts a few frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import av
import numpy as np
import numpy.typing as npt
from pydantic import Field

from workflow_scripts.cards.card import Card
from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.files import atomic_path
from workflow_scripts.core.typing import Float32Array, Float64Array
from workflow_scripts.core.validation import Strict
from workflow_scripts.formats.bouts import runs
from workflow_scripts.simulate.agents import generator

CLASSES = ("idle", "walk", "rear", "groom", "twitch")
SECONDS = {"idle": (0.7, 2.2), "walk": (0.7, 2.0), "rear": (0.8, 1.8), "groom": (1.0, 3.0), "twitch": (0.16, 0.32)}
"""Shortest and longest bout."""
AFTER_IDLE = {"walk": 0.3, "rear": 0.2, "groom": 0.25, "twitch": 0.25}
"""What follows an idle bout; everything else is followed by idling, or half of the time by walking."""
CHUNK = 64
Ellipse: TypeAlias = tuple[Float64Array, Float64Array, Float64Array, Float64Array | float, Float64Array | float]
"""x, y and angle of each frame, and the two half axes."""


class Options(Strict):
    """Options of the generator `mouse_action`."""

    seed: int = Field(0, ge=0)
    frames: int = Field(900, ge=50, description="Frames of each video.")
    fps: int = Field(30, ge=5)
    width: int = Field(192, ge=96, multiple_of=2)
    height: int = Field(144, ge=96, multiple_of=2)
    length: float = Field(40.0, gt=10, description="Length of the mouse without its tail, in pixels.")
    noise: float = Field(3.0, ge=0, description="Standard deviation of the camera's noise in grey levels.")


@dataclass(frozen=True)
class Pose:
    """The mouse over time, each of shape (time,); pixels, radians, grey levels."""

    x: Float64Array
    y: Float64Array
    heading: Float64Array
    head: Float64Array
    length: Float64Array
    width: Float64Array
    lift: Float64Array
    paw: Float64Array
    tail: Float64Array
    state: npt.NDArray[np.int64]


def states(rng: np.random.Generator, frames: int, fps: float) -> npt.NDArray[np.int64]:
    """Draw the class of every frame: bouts of random length, idling before all but some walks."""
    found: list[npt.NDArray[np.int64]] = []
    now, total = "idle", 0
    while total < frames:
        low, high = SECONDS[now]
        bout = max(2, round(float(rng.uniform(low, high)) * fps))
        found.append(np.full(bout, CLASSES.index(now)))
        total += bout
        if now == "idle":
            now = str(rng.choice(list(AFTER_IDLE), p=list(AFTER_IDLE.values())))
        else:
            now = "walk" if now != "walk" and rng.random() < 0.3 else "idle"
    return np.concatenate(found)[:frames]


def _ramp(inside: npt.NDArray[np.bool_], frames: float) -> Float64Array:
    """0 outside, rising to 1 inside over about `frames`, without running ahead of the bout."""
    level = np.zeros(len(inside))
    for t in range(1, len(inside)):
        target = float(inside[t])
        level[t] = level[t - 1] + np.clip(target - level[t - 1], -1 / frames, 1 / frames)
    return level


def perform(rng: np.random.Generator, options: Options, size: float) -> Pose:
    """Let the mouse act."""
    frames, fps = options.frames, float(options.fps)
    state = states(rng, frames, fps)
    is_ = {name: state == k for k, name in enumerate(CLASSES)}
    time = np.arange(frames) / fps
    margin = 0.75 * size
    x, y, heading = np.empty(frames), np.empty(frames), np.empty(frames)
    x[0], y[0] = rng.uniform(margin, options.width - margin), rng.uniform(margin, options.height - margin)
    heading[0] = rng.uniform(-np.pi, np.pi)
    speed = _ramp(is_["walk"], 0.15 * fps) * rng.uniform(1.6, 2.2) * size / fps
    turn = rng.normal(0, 2.2, frames) / fps
    for t in range(1, frames):
        heading[t] = heading[t - 1] + speed[t] * turn[t] * 3
        ahead_x, ahead_y = x[t - 1] + size * np.cos(heading[t]), y[t - 1] + size * np.sin(heading[t])
        clear = margin < ahead_x < options.width - margin and margin < ahead_y < options.height - margin
        if speed[t] > 0 and not clear:
            wish = np.arctan2(options.height / 2 - y[t - 1], options.width / 2 - x[t - 1])
            heading[t] += np.clip((wish - heading[t] + np.pi) % (2 * np.pi) - np.pi, -4.5 / fps, 4.5 / fps)
        x[t] = np.clip(x[t - 1] + speed[t] * np.cos(heading[t]), margin, options.width - margin)
        y[t] = np.clip(y[t - 1] + speed[t] * np.sin(heading[t]), margin, options.height - margin)
    rear, groom, twitch = _ramp(is_["rear"], 0.2 * fps), _ramp(is_["groom"], 0.2 * fps), is_["twitch"].astype(float)
    phase = 2 * np.pi * np.cumsum(rng.normal(5.0, 0.6, frames)) / fps
    breath = 0.01 * np.sin(2 * np.pi * 2.2 * time)
    # A twitch throws head and rump to alternating sides from one frame to the next.
    jerk = twitch * np.where(np.arange(frames) % 2, 1.0, -1.0) * rng.uniform(0.6, 1.0, frames)
    gaze = 0.25 * np.sin(2 * np.pi * 0.35 * time + rng.uniform(0, 6)) * (1 - groom) * (1 - 0.5 * rear)
    return Pose(
        x=x + jerk * 0.05 * size * -np.sin(heading),
        y=y + jerk * 0.05 * size * np.cos(heading),
        heading=heading + 0.12 * jerk,
        head=gaze + 0.35 * jerk + 0.3 * groom * np.sin(phase / 2),
        length=size * (1 + breath - 0.38 * rear - 0.14 * groom + 0.05 * groom * np.sin(phase)),
        width=0.42 * size * (1 + breath + 0.12 * rear + 0.1 * groom),
        lift=rear,
        paw=groom * (0.5 + 0.5 * np.sin(phase)),
        tail=0.4 * np.sin(2 * np.pi * 0.5 * time) + 0.5 * np.sin(2 * np.pi * 1.5 * time) * (speed > 0),
        state=state,
    )


def boxes(pose: Pose) -> Float64Array:
    """Exact x1, y1, x2, y2 of body and head (no tail), shape (time, 4)."""
    corners = []
    for x, y, angle, a, b in (_body(pose), _head(pose)):
        across = np.sqrt((a * np.cos(angle)) ** 2 + (b * np.sin(angle)) ** 2)
        down = np.sqrt((a * np.sin(angle)) ** 2 + (b * np.cos(angle)) ** 2)
        corners.append(np.stack([x - across, y - down, x + across, y + down], axis=1))
    low, high = np.minimum(corners[0], corners[1]), np.maximum(corners[0], corners[1])
    return np.concatenate([low[:, :2], high[:, 2:]], axis=1)


def _body(pose: Pose) -> tuple[Float64Array, Float64Array, Float64Array, Float64Array, Float64Array]:
    reach = 0.12 * pose.length
    return (
        pose.x - reach * np.cos(pose.heading),
        pose.y - reach * np.sin(pose.heading),
        pose.heading,
        0.38 * pose.length,
        0.5 * pose.width,
    )


def _head(pose: Pose) -> tuple[Float64Array, Float64Array, Float64Array, Float64Array, Float64Array]:
    angle = pose.heading + pose.head
    neck_x, neck_y = (
        pose.x + 0.2 * pose.length * np.cos(pose.heading),
        pose.y + 0.2 * pose.length * np.sin(pose.heading),
    )
    x, y = neck_x + 0.13 * pose.length * np.cos(angle), neck_y + 0.13 * pose.length * np.sin(angle)
    return x, y, angle, 0.2 * pose.length, 0.3 * pose.width


def _cover(x: Float32Array, y: Float32Array, part: Ellipse) -> Float32Array:
    """Coverage (0 to 1, soft over about a pixel) of an ellipse a frame, shape (time, height, width)."""
    centre_x, centre_y, angle, a, b = (np.asarray(value, np.float32).reshape(-1, 1, 1) for value in part)
    dx, dy = x - centre_x, y - centre_y
    along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
    radius = np.sqrt((along / a) ** 2 + (across / b) ** 2)
    cover: Float32Array = np.clip((1 - radius) * np.minimum(a, b) + np.float32(0.5), 0, 1)
    return cover


def render(rng: np.random.Generator, options: Options, pose: Pose, fur: float) -> Iterator[npt.NDArray[np.uint8]]:
    """Draw the frames, a chunk of shape (n, height, width) at a time.

    Parameters
    ----------
    rng : Generator
    options : Options
    pose : Pose
    fur : float
        Brightness of the mouse, 0 to 255.
    """
    width, height = options.width, options.height
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    floor = 165 + 18 * np.cos(2 * np.pi * columns / width) * np.sin(np.pi * rows / height)
    floor += np.kron(rng.normal(0, 4, (height // 8 + 1, width // 8 + 1)), np.ones((8, 8)))[:height, :width]
    for _ in range(4):  # droppings and scratches that never move
        cx, cy = rng.uniform(0.1, 0.9, 2) * (width, height)
        floor -= 35 * (np.hypot(columns - cx, rows - cy) < rng.uniform(1.5, 3))
    wall = np.minimum.reduce([rows, columns, height - 1 - rows, width - 1 - columns]) < 5
    floor[wall] -= 70
    floor = floor.astype(np.float32)
    period = rng.uniform(5, 9) * options.fps
    frames = np.arange(options.frames)
    light = 1 + 0.06 * np.sin(2 * np.pi * frames / period + rng.uniform(0, 6))
    spot = width * (0.5 + 0.4 * np.sin(2 * np.pi * frames / (0.37 * period)))
    for start in range(0, options.frames, CHUNK):
        now = slice(start, min(start + CHUNK, options.frames))
        part = Pose(**{name: getattr(pose, name)[now] for name in Pose.__dataclass_fields__})
        canvas = np.repeat(floor[None], len(part.x), axis=0)
        zero = np.zeros(len(part.x))
        canvas[:, :8] += _cover(columns[:8], rows[:8], (spot[now], zero + 3, zero, 7.0, 2.0)) * 60
        # Only a square around the mouse is drawn, several times faster than whole frames.
        half = round(1.25 * options.length)
        left = np.clip(np.round(part.x).astype(int) - half, 0, max(0, width - 2 * half))
        top = np.clip(np.round(part.y).astype(int) - half, 0, max(0, height - 2 * half))
        down = top[:, None] + np.arange(min(2 * half, height))
        across = left[:, None] + np.arange(min(2 * half, width))
        place = np.arange(len(part.x))[:, None, None], down[:, :, None], across[:, None, :]
        patch = canvas[place]
        _draw(patch, place[2].astype(np.float32), place[1].astype(np.float32), part, options.length, fur)
        canvas[place] = patch
        canvas *= light[now][:, None, None].astype(np.float32)
        canvas += rng.standard_normal(canvas.shape, dtype=np.float32) * np.float32(options.noise)
        yield np.clip(np.round(canvas), 0, 255).astype(np.uint8)


def _draw(canvas: Float32Array, x: Float32Array, y: Float32Array, pose: Pose, length: float, fur: float) -> None:
    """Paint shadow, tail, body, head, ears and paws into `canvas`, whose pixels lie at `x` and `y`."""

    def paint(part: Ellipse, tone: Float32Array | float, strength: Float64Array | float = 1.0) -> None:
        cover = _cover(x, y, part)
        cover *= np.asarray(strength, np.float32).reshape(-1, 1, 1)
        canvas[...] += cover * (tone - canvas)

    body, head = _body(pose), _head(pose)
    offset = 0.06 * length * (1 + 2 * pose.lift)
    canvas *= 1 - 0.15 * _cover(x, y, (body[0] + offset, body[1] + offset, *body[2:]))
    back = pose.heading + np.pi
    for k in range(1, 7):  # the tail: small discs along a bent line
        along, angle = 0.09 * k * length, back + pose.tail * k / 6
        tail_x = body[0] + body[3] * np.cos(back) + along * np.cos(angle)
        tail_y = body[1] + body[3] * np.sin(back) + along * np.sin(angle)
        paint((tail_x, tail_y, angle, 2.0, 1.0), fur + 45)
    tone = (fur + 22 * pose.lift)[:, None, None].astype(np.float32)
    paint(body, tone)
    paint(head, tone + 12)
    for side in (-1, 1):  # ears, and while grooming the paws beside the snout
        ear = head[2] + side * 2.1
        ear_x, ear_y = head[0] + 0.75 * head[4] * np.cos(ear), head[1] + 0.75 * head[4] * np.sin(ear)
        paint((ear_x, ear_y, ear, 2.2, 2.2), fur + 40)
        paw, reach = head[2] + side * (0.9 - 0.6 * pose.paw), head[3] * (0.55 + 0.45 * pose.paw)
        paw_x, paw_y = head[0] + reach * np.cos(paw), head[1] + reach * np.sin(paw)
        paint((paw_x, paw_y, paw, 2.4, 2.4), fur + 75, (pose.paw > 0).astype(np.float32))


def _write_video(path: Path, chunks: Iterator[npt.NDArray[np.uint8]], options: Options) -> None:
    """Encode grey frames as H.264 with long groups of pictures, as cameras do."""
    gray = np.full((options.height // 2, options.width), 128, np.uint8)
    with atomic_path(path) as part, av.open(str(part), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=options.fps)
        stream.width, stream.height, stream.pix_fmt = options.width, options.height, "yuv420p"
        stream.codec_context.thread_count = 1
        stream.options = {"crf": "18", "preset": "veryfast", "x264-params": "threads=1"}
        for chunk in chunks:
            for image in chunk:
                frame = av.VideoFrame.from_ndarray(np.concatenate([image, gray]), format="yuv420p")
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def make(path: str, target: Path, options: Options, card: Card) -> None:
    """Make a video, its bouts or its boxes; see :mod:`workflow_scripts.simulate`.

    ``videos/<animal>_<n>.mp4`` is a video, ``annotations/<same>.csv`` its bouts (`video,label,start,end`, frames, ends
    included), ``boxes/<same>.csv`` the exact box of every frame.
    """
    folder, name = Path(path).parent.name, Path(path).stem
    animal = name.split("_")[0]
    own = generator(options.seed, card.name, animal)
    size, fur = options.length * own.uniform(0.9, 1.1), float(own.uniform(45, 85))
    pose = perform(generator(options.seed, card.name, name, "pose"), options, size)
    if folder == "videos":
        _write_video(target, render(generator(options.seed, card.name, name, "look"), options, pose, fur), options)
    elif folder == "annotations":
        lines = ["video,label,start,end"]
        for start, stop, state in runs(pose.state).triples():
            label = CLASSES[state]
            if label != "idle":
                lines.append(f"{name}.mp4,{label},{start},{stop - 1}")
        _write_lines(target, lines)
    elif folder == "boxes":
        rows = [f"{t},{a:.2f},{b:.2f},{c:.2f},{d:.2f}" for t, (a, b, c, d) in enumerate(boxes(pose))]
        _write_lines(target, ["frame,x1,y1,x2,y2", *rows])
    else:
        raise ConfigError(f"config/datasets/{card.name}.yaml: {path!r} is in none of videos/, annotations/, boxes/.")


def _write_lines(target: Path, lines: list[str]) -> None:
    with atomic_path(target) as part:
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")
