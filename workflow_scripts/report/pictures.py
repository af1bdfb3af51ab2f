"""Pictures of the data on the page: trajectories and skeletons as SVG, films and snippets as data for its script."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

import pandas as pd

from workflow_scripts.plotting.style import colour

Pose = tuple[tuple[tuple[int, int] | None, ...], ...]
"""Keypoints of every individual, None where missing."""
LONGEST_PATH = 300
"""Points of a trajectory that are drawn."""


@dataclass(frozen=True)
class Scene:
    """One picture of a dataset: SVG made here, or thumbnails; and what it shows in words."""

    dataset: str
    caption: str
    svg: str = ""
    images: tuple[str, ...] = ()


@dataclass(frozen=True)
class DataPictures:
    """The pictures of one dataset, read from `pictures.csv`."""

    bones: dict[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    boxes: dict[str, tuple[int, int]] = field(default_factory=dict)
    films: dict[str, list[tuple[int, str, str]]] = field(default_factory=dict)
    maps: dict[str, list[tuple[int, str, str]]] = field(default_factory=dict)
    crops: list[tuple[str, str]] = field(default_factory=list)


def read_pictures(table: pd.DataFrame) -> dict[str, DataPictures]:
    """Sort the rows of `pictures.csv` by dataset, use and recording."""
    found: dict[str, DataPictures] = {}
    if table.empty:
        return found
    table = table.fillna({"recording": "", "pose": "", "image": ""})
    for row in table.to_dict("records"):
        mine = found.setdefault(str(row["dataset"]), DataPictures())
        recording, pose, image = str(row["recording"]), str(row["pose"]), str(row["image"])
        if row["use"] == "bones":
            pairs = (pair.split("-") for pair in pose.split())
            mine.bones[recording] = tuple((int(a), int(b)) for a, b in pairs)
        elif row["use"] == "box":
            width, height = pose.split(",")
            mine.boxes[recording] = (int(width), int(height))
        elif row["use"] == "crop":
            mine.crops.append((pose, image))
        else:
            place = mine.films if row["use"] == "film" else mine.maps
            place.setdefault(recording, []).append((int(row["frame"]), pose, image))
    return found


def read_pose(text: str) -> Pose:
    """Read a pose of `pictures.csv`."""
    return tuple(
        tuple(
            None if point == "-" else (int(point.split(",")[0]), int(point.split(",")[1])) for point in animal.split()
        )
        for animal in text.split(";")
    )


def centre(animal: tuple[tuple[int, int] | None, ...]) -> tuple[float, float] | None:
    """Return the mean of the keypoints that are there."""
    seen = [point for point in animal if point is not None]
    if not seen:
        return None
    return sum(x for x, _ in seen) / len(seen), sum(y for _, y in seen) / len(seen)


def scene(dataset: str, pictures: DataPictures) -> Scene | None:
    """Draw a dataset: trajectories with one pose, thumbnails of a video, or crops; None where there is nothing."""
    if pictures.crops:
        images = tuple(image for _, image in pictures.crops)
        return Scene(dataset, f"{len(images)} images of {dataset}", images=images)
    for recording, film in pictures.films.items():
        if film and film[0][2]:
            shown = [film[round(k * (len(film) - 1) / 7)][2] for k in range(8)]
            return Scene(
                dataset, f"Frames of {recording}, {dataset}, evenly spread", images=tuple(dict.fromkeys(shown))
            )
        poses = [read_pose(pose) for _, pose, _ in film]
        if poses:
            who = f"{len(poses[0])} animal{'s' if len(poses[0]) > 1 else ''}"
            box = pictures.boxes.get(recording, (999, 999))
            svg = _paths(poses, pictures.bones.get(recording, ()), box, dataset)
            return Scene(dataset, f"Paths of {who} in {recording} of {dataset}, and one pose", svg=svg)
    return None


def _paths(poses: list[Pose], bones: tuple[tuple[int, int], ...], box: tuple[int, int], dataset: str) -> str:
    step = max(1, len(poses) // LONGEST_PATH)
    parts = []
    for number in range(len(poses[0])):
        places = [centre(pose[number]) for pose in poses[::step]]
        text, pen = "", False
        for place in places:
            if place is None:
                pen = False
                continue
            text += f"{'L' if pen else 'M'}{place[0]:.0f} {place[1]:.0f}"
            pen = True
        if text:
            parts.append(f'<path class="path" stroke="{colour(number)}" d="{text}"/>')
    for number, animal in enumerate(_complete(poses)):
        ink = colour(number)
        lines = "".join(
            f"M{a[0]} {a[1]}L{b[0]} {b[1]}"
            for a, b in ((animal[i], animal[j]) for i, j in bones if max(i, j) < len(animal))
            if a is not None and b is not None
        )
        if lines:
            parts.append(f'<path class="halo" d="{lines}"/><path class="bone" stroke="{ink}" d="{lines}"/>')
        parts += [f'<circle fill="{ink}" cx="{p[0]}" cy="{p[1]}" r="8"/>' for p in animal if p is not None]
    label = escape(f"Trajectories and one pose of {dataset}", quote=True)
    return f'<svg class="scene" viewBox="0 0 {box[0]} {box[1]}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def _complete(poses: list[Pose]) -> Pose:
    """Return the pose nearest the middle of the film with the most keypoints."""
    middle = len(poses) / 2
    return max(
        enumerate(poses), key=lambda item: (sum(p is not None for a in item[1] for p in a), -abs(item[0] - middle))
    )[1]


def page_data(pictures: Mapping[str, DataPictures]) -> str:
    """Return films and snippets as JSON for the page's script; "" where there are none."""
    data: dict[str, Any] = {}
    for name, mine in pictures.items():
        films = {
            recording: {
                "box": mine.boxes.get(recording, ()),
                "bones": mine.bones.get(recording, ()),
                "frames": [frame for frame, _, _ in rows],
                "pictures": [image or pose for _, pose, image in rows],
            }
            for recording, rows in mine.films.items()
        }
        maps = {
            recording: {str(frame): image or pose for frame, pose, image in rows}
            for recording, rows in mine.maps.items()
        }
        bones = next(iter(mine.bones.values()), ())
        data[name] = {"films": films, "maps": maps, "bones": bones, "inks": [colour(k) for k in range(8)]}
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")) if data else ""
