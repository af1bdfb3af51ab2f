"""A SLEAP project (.slp) of made-up instances."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

NODES = ("nose", "tail")
FRAME = [
    ("frame_id", "u8"),
    ("video", "u4"),
    ("frame_idx", "u8"),
    ("instance_id_start", "u8"),
    ("instance_id_end", "u8"),
]
INSTANCE = [
    *(("instance_id", "i8"), ("instance_type", "u1"), ("frame_id", "u8"), ("skeleton", "u4"), ("track", "i4")),
    *(("from_predicted", "i8"), ("score", "f4"), ("point_id_start", "u8"), ("point_id_end", "u8")),
]
POINT = [("x", "f8"), ("y", "f8"), ("visible", "?"), ("complete", "?")]


@dataclass(frozen=True)
class Instance:
    """One animal in one frame; its two points are (x, 1) and (x, 2)."""

    frame: int
    x: float
    track: int = -1
    user: bool = False
    replaces: int = -1
    video: int = 0


def write_project(
    path: Path,
    instances: Sequence[Instance],
    tracks: Sequence[str] = (),
    videos: Sequence[str] = ("m1.mp4",),
    format_id: float = 1.2,
) -> Path:
    """Write a project whose skeleton lists the nodes in another order than the list of names does."""
    frames = sorted({(one.video, one.frame) for one in instances})
    points: dict[bool, list[tuple[float, ...]]] = {True: [], False: []}
    rows = []
    for number, one in enumerate(instances):
        start = len(points[one.user])
        score = () if one.user else (0.5,)
        points[one.user] += [(one.x, y, True, True, *score) for y in (1.0, 2.0)]
        at = frames.index((one.video, one.frame))
        rows.append((number, 0 if one.user else 1, at, 0, one.track, one.replaces, 1.0, start, start + 2))
    with h5py.File(path, "w") as handle:
        handle["frames"] = np.array([(k, video, frame, 0, 0) for k, (video, frame) in enumerate(frames)], FRAME)
        handle["instances"] = np.array(rows, INSTANCE)
        handle["points"] = np.array(points[True], POINT)
        handle["pred_points"] = np.array(points[False], [*POINT, ("score", "f8")])
        meta = handle.create_group("metadata")
        meta.attrs["format_id"] = format_id
        names = [{"name": name} for name in NODES[::-1]]
        meta.attrs["json"] = json.dumps({"nodes": names, "skeletons": [{"nodes": [{"id": 1}, {"id": 0}]}]})
        handle["tracks_json"] = np.array([json.dumps([0, name]).encode() for name in tracks], "S40")
        handle["videos_json"] = np.array([json.dumps({"backend": {"filename": name}}).encode() for name in videos])
    return path
