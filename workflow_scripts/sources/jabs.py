"""JABS pose files (`<video>_pose_est_v2.h5` … `v8`): twelve points of each mouse, stored as (y, x) in whole pixels.

From version 3 on a frame has several instances: `instance_embed_id` (version 4) or `instance_track_id` (version 3)
says which animal each is, 0 (version 4) meaning none; a point of confidence 0 is missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from workflow_scripts.core import limits
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.validation import Strict
from workflow_scripts.formats.hdf5 import open_hdf5, read_values
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.sources.shared.found import Found, file_head
from workflow_scripts.sources.shared.points import describe, made

POINTS = (
    *("nose", "left_ear", "right_ear", "base_neck", "left_front_paw", "right_front_paw", "center_spine"),
    *("left_rear_paw", "right_rear_paw", "base_tail", "mid_tail", "tip_tail"),
)
MOST_TRACKS = 64


class Options(Strict):
    """Options of the source `jabs`: none."""


def read(path: Path, options: Options, *, recording: str) -> Iterator[Recording]:
    """Read one recording; see :func:`workflow_scripts.sources.read_tracks`."""
    with open_hdf5(path, "a JABS pose file") as handle:
        if "poseest/points" not in handle or "poseest/confidence" not in handle:
            raise InputError(path, "has no poseest/points and poseest/confidence", "expected a JABS pose file")
        group = handle["poseest"]
        points = read_values(path, group, "points").astype(np.float32)
        confidence = read_values(path, group, "confidence").astype(np.float32)
        if points.ndim == 3:  # version 2: one mouse
            points, confidence = points[:, None], confidence[:, None]
        if points.ndim != 4 or points.shape[2:] != (len(POINTS), 2) or confidence.shape != points.shape[:3]:
            raise InputError(
                path, f"points has the shape {points.shape}, expected (frame, mouse, 12, 2)", "export it again"
            )
        count = read_values(path, group, "instance_count", ndim=1) if "instance_count" in group else None
        identity = None
        if "instance_embed_id" in group:
            identity = read_values(path, group, "instance_embed_id", ndim=2).astype(np.int64) - 1
        elif "instance_track_id" in group:
            identity = read_values(path, group, "instance_track_id", ndim=2).astype(np.int64)
    frames, slots = points.shape[:2]
    if identity is None and slots > 1:
        raise InputError(path, "has several mice and no identities", "use a JABS pose file of version 3 or later")
    if identity is None:
        identity = np.zeros((frames, 1), np.int64)
    there = confidence.max(-1) > 0
    if count is not None:
        there &= np.arange(slots) < np.asarray(count)[:, None]
    there &= identity >= 0
    used = sorted({int(k) for k in np.unique(identity[there])})
    if not used or len(used) > MOST_TRACKS:
        raise InputError(
            path, f"has {len(used)} identities", "link the short tracks into identities (version 4) before reading it"
        )
    limits.require_shape(path, "its positions", (frames, len(used), len(POINTS), 3), 4)
    position = np.full((frames, len(used), len(POINTS), 2), np.nan, np.float32)
    sure = np.full((frames, len(used), len(POINTS)), np.nan, np.float32)
    at, slot = np.nonzero(there)
    who = np.searchsorted(used, identity[at, slot])
    position[at, who] = points[at, slot][..., ::-1]
    sure[at, who] = confidence[at, slot]
    position[~(sure > 0)] = np.nan
    names = [f"mouse{k + 1}" for k in used]
    yield made(path, recording, position, sure, names, list(POINTS))


def sniff(path: Path) -> Found | None:
    """Tell a pose file by its group poseest."""
    if not file_head(path).hdf5:
        return None
    with open_hdf5(path, "a JABS pose file") as handle:
        if "poseest" not in handle or "points" not in handle["poseest"]:
            return None
    found = Found(source="jabs", kind="tracks")
    describe(found, next(read(path, Options(), recording=path.stem)))
    return found
