"""SLEAP projects (.slp): HDF5 with tables of frames, instances and points, and JSON of skeletons, tracks and videos.

The points of an instance are in the order of its skeleton, whose nodes are numbers into one list of names. An instance
that a person corrected (type 0) replaces the prediction (type 1) it was made from. Before format 1.1 the corner of the
first pixel was (0, 0), since then its centre is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import numpy.typing as npt

from workflow_scripts.core import limits
from workflow_scripts.core.documents import parse_json
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.typing import Float32Array
from workflow_scripts.formats.hdf5 import open_hdf5, read_values

EXPECTED = "a SLEAP project (.slp)"
REMEDY = "save it again in SLEAP, or export the analysis HDF5"
TABLES = {
    "frames": {"frame_id", "frame_idx"},
    "instances": {"instance_id", "instance_type", "frame_id", "track", "from_predicted", "point_id_start"},
    "points": {"x", "y", "visible"},
    "pred_points": {"x", "y", "visible", "score"},
}
CENTRED = 1.1
"""Format since which (0, 0) is the centre of a pixel."""
USER = 0

Table = npt.NDArray[Any]


@dataclass(frozen=True)
class Names:
    """What a project names: nodes in the order of the points, tracks, and videos."""

    nodes: list[str]
    tracks: list[str]
    videos: list[str]
    format: float


def read_names(path: Path, handle: h5py.File) -> Names:
    """Read the names of nodes, tracks and videos.

    Raises
    ------
    InputError
        When they are absent or damaged.
    """
    try:
        about = handle["metadata"].attrs
        meta = parse_json(about["json"])
        named = [str(node["name"]) for node in meta["nodes"]]
        skeletons = meta.get("skeletons") or []
        order = [node["id"] for node in skeletons[0]["nodes"]] if skeletons else range(len(named))
        nodes = [named[number] for number in order]
        tracks = [str(parse_json(row)[1]) for row in _rows(path, handle, "tracks_json")]
        videos = [_video_name(parse_json(row)) for row in _rows(path, handle, "videos_json")]
        version = float(about.get("format_id", CENTRED))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise InputError(path, f"has no names of nodes and tracks, expected {EXPECTED}", REMEDY) from error
    if len(skeletons) > 1:
        raise InputError(path, f"has {len(skeletons)} skeletons, expected one", "export one analysis HDF5 a video")
    return Names(nodes, tracks, videos, version)


def _rows(path: Path, handle: h5py.File, name: str) -> list[Any]:
    return list(read_values(path, handle, name, ndim=1)) if name in handle and handle[name].shape != (0,) else []


def _video_name(value: Any) -> str:
    name = value.get("filename") or value.get("backend", {}).get("filename", "")
    return str(name[0] if isinstance(name, list) else name)


def read_slp(
    path: Path, untracked: Literal["refuse", "order"], video: str | None, warnings: list[str]
) -> tuple[list[str], list[str], Float32Array, Float32Array]:
    """Read the tracks of one video of a project.

    Parameters
    ----------
    path : Path
    untracked : {"refuse", "order"}
        What to do with several instances a frame that belong to no track.
    video : str or None
        Name (or stem) of the video, where the project has several.
    warnings : list of str
        Takes sentences.

    Returns
    -------
    tracks, nodes : list of str
    position : ndarray, float32, shape (time, track, node, 2)
    confidence : ndarray, float32, shape (time, track, node)
        1 where a person placed the point.

    Raises
    ------
    InputError
        When the file is no project, has several videos and none is named, or instances without identity.
    """
    with open_hdf5(path, EXPECTED, REMEDY) as handle:
        names = read_names(path, handle)
        tables = {name: _table(path, handle, name, columns) for name, columns in TABLES.items()}
    frames, rows = tables["frames"], tables["instances"]
    number = _video_of(path, names.videos, video)
    if "video" in (frames.dtype.names or ()) and len(names.videos) > 1:
        frames = frames[frames["video"] == number]
    index = {int(frame): int(place) for frame, place in zip(frames["frame_id"], frames["frame_idx"], strict=True)}
    rows = rows[np.isin(rows["frame_id"], frames["frame_id"])]
    rows = _corrected(rows, bool(names.tracks))
    if not len(rows):
        raise InputError(path, "has no instance", "label or track the video in SLEAP first")
    at = np.array([index[int(frame)] for frame in rows["frame_id"]], np.int64)
    who, found = _identities(path, rows, at, names, untracked, warnings)
    length = int(at.max()) + 1
    if length > limits.FRAMES:
        raise InputError(path, f"frame {length - 1} is further than any recording goes", REMEDY)
    limits.require_shape(path, "its tracks", (length, len(found), len(names.nodes), 3), 4)
    position: Float32Array = np.full((length, len(found), len(names.nodes), 2), np.nan, np.float32)
    confidence: Float32Array = np.full(position.shape[:3], np.nan, np.float32)
    shift = 0.0 if names.format >= CENTRED else 0.5
    for user, name in ((True, "points"), (False, "pred_points")):
        chosen = (rows["instance_type"] == USER) == user
        places = rows["point_id_start"][chosen].astype(np.int64)[:, None] + np.arange(len(names.nodes))
        if places.size and (places.max() >= len(tables[name]) or places.min() < 0):
            raise InputError(path, f"an instance names points that {name} does not have", REMEDY)
        points = tables[name][places]
        seen = points["visible"] & np.isfinite(points["x"]) & np.isfinite(points["y"])
        for axis, key in enumerate(("x", "y")):
            position[at[chosen], who[chosen], :, axis] = np.where(seen, points[key] - shift, np.nan)
        sure = np.ones(points.shape) if user else points["score"]
        confidence[at[chosen], who[chosen]] = np.where(seen, sure, np.nan)
    return found, names.nodes, position, confidence


def _table(path: Path, handle: h5py.File, name: str, columns: set[str]) -> Table:
    values = read_values(path, handle, name, ndim=1)
    lacking = sorted(columns - set(values.dtype.names or ()))
    if lacking:
        raise InputError(path, f"{name} has no column {lacking[0]!r}, expected {EXPECTED}", REMEDY)
    return values


def _video_of(path: Path, videos: list[str], wanted: str | None) -> int:
    if wanted is None:
        if len(videos) > 1:
            shown = ", ".join(Path(name).name for name in videos[:4])
            raise InputError(
                path, f"has {len(videos)} videos ({shown})", "name one as `video` in the options of the recording"
            )
        return 0
    fitting = [k for k, name in enumerate(videos) if wanted in (name, Path(name).name, Path(name).stem)]
    if len(fitting) != 1:
        shown = ", ".join(Path(name).name for name in videos[:4])
        raise InputError(path, f"has {len(fitting)} videos called {wanted!r} among {shown}", "correct `video`")
    return fitting[0]


def _corrected(rows: Table, tracked: bool) -> Table:
    """Leave out predictions that a person replaced."""
    user = rows["instance_type"] == USER
    if user.all() or not user.any():
        return rows
    gone = np.isin(rows["instance_id"], rows["from_predicted"][user & (rows["from_predicted"] >= 0)])
    if tracked:
        own = {(int(row["frame_id"]), int(row["track"])) for row in rows[user] if row["track"] >= 0}
        gone |= np.array([(int(row["frame_id"]), int(row["track"])) in own for row in rows])
    else:
        gone |= np.isin(rows["frame_id"], rows["frame_id"][user])
    kept: Table = rows[user | ~gone]
    return kept


def _identities(
    path: Path,
    rows: Table,
    at: npt.NDArray[np.int64],
    names: Names,
    untracked: Literal["refuse", "order"],
    warnings: list[str],
) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Number the animal of each instance: its track, or its place in the frame where there is none."""
    who = rows["track"].astype(np.int64)
    loose = int((who < 0).sum())
    order = np.argsort(at, kind="stable")
    rank = np.empty(len(at), np.int64)
    ranked = at[order]
    rank[order] = np.arange(len(at)) - np.searchsorted(ranked, ranked, "left")
    if loose:
        several = int(rank.max()) + 1
        problem = f"{loose} of {len(rows)} instances belong to no track, with up to {several} in a frame"
        if several > 1 and untracked == "refuse":
            raise InputError(
                path,
                f"{problem}, so that nothing says which animal is which",
                "track identities in SLEAP, or set untracked: order in the source options to take their order for "
                "identity",
            )
        if several > 1:
            warnings.append(f"{path.name}: {problem}; their order is taken for identity")
        if loose == len(rows) or untracked == "order":
            return rank, [f"individual{k + 1}" for k in range(several)]
        who = np.where(who < 0, 0, who)  # one animal, which has a track in some frames
    found = names.tracks[: int(who.max()) + 1]
    if len(found) <= who.max():
        raise InputError(path, f"an instance belongs to track {int(who.max())}, which has no name", REMEDY)
    pairs = at * len(names.tracks) + who
    values, counts = np.unique(pairs, return_counts=True)
    if (counts > 1).any():
        frame, track = divmod(int(values[np.argmax(counts > 1)]), len(names.tracks))
        raise InputError(
            path,
            f"frame {frame}: the track {names.tracks[track]!r} is there twice",
            "correct the tracks in SLEAP",
        )
    return who, list(names.tracks)
