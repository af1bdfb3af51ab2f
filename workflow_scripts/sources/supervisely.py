"""Supervisely video projects: tags with inclusive frame ranges, sparse box figures, nested datasets.

A project is a folder with `meta.json` and, in each dataset, `video/<name>`, `ann/<name>.json` and nested datasets below
`datasets/<child>/`. This reads and writes one annotation file.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from workflow_scripts.cards.card import Task
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.files import atomic_path, read_json, write_json
from workflow_scripts.formats.bouts import Bout
from workflow_scripts.formats.tracks import Labels
from workflow_scripts.sources.shared.bouts import BoutOptions, label_tasks
from workflow_scripts.sources.shared.found import Found, file_head

Boxes = npt.NDArray[np.float32]


class Options(BoutOptions):
    """Options of the source `supervisely`."""

    known: list[str] = Field(
        [], description="Tags to read; empty = those of the vocabulary. Others (confidence …) are passed over."
    )


def _annotation(path: Path) -> dict[str, Any]:
    value = read_json(path)
    if not isinstance(value, dict) or not isinstance(value.get("tags"), list):
        raise InputError(path, "has no list of tags, expected a Supervisely video annotation", "check the path")
    return value


def read_bouts(path: Path, n_frames: int, known: Sequence[str]) -> list[Bout]:
    """Read the tags of a video as bouts.

    Parameters
    ----------
    path : Path
    n_frames : int
        Length of the video: a tag without a range labels all of it.
    known : sequence of str
        Names of the tags that are behaviours; others are passed over.

    Raises
    ------
    InputError
        When a tag has no name, or a range that is none or is outside the video.
    """
    bouts = []
    for number, tag in enumerate(_annotation(path)["tags"]):
        name = tag.get("name") if isinstance(tag, dict) else None
        if not isinstance(name, str):
            raise InputError(path, f"tag {number} has no name", "export the project again")
        if name not in known:
            continue
        span = tag.get("frameRange", [0, n_frames - 1])
        if not (isinstance(span, list) and len(span) == 2 and all(isinstance(end, int) for end in span)):
            raise InputError(
                path, f"tag {number} ({name}): frameRange is {span}, expected two frame numbers", "correct it"
            )
        start, stop = span[0], span[1] + 1
        if not 0 <= start < stop:
            raise InputError(path, f"tag {number} ({name}): the range {span} is negative or reversed", "correct it")
        if start >= n_frames:
            raise InputError(
                path,
                f"tag {number} ({name}): frames {span[0]} to {span[1]} lie past the last frame, {n_frames - 1}",
                "check that annotation and video belong together",
            )
        bouts.append(Bout(start, stop, name, number))
    return _merged(bouts)


def _merged(bouts: list[Bout]) -> list[Bout]:
    """Join bouts of one behaviour that overlap or touch."""
    found: list[Bout] = []
    for bout in sorted(bouts, key=lambda b: (b.name, b.start, b.stop)):
        if found and found[-1].name == bout.name and bout.start <= found[-1].stop:
            last = found.pop()
            bout = Bout(last.start, max(last.stop, bout.stop), bout.name, last.line)
        found.append(bout)
    return sorted(found, key=lambda b: b.start)


def read_labels(
    path: Path, options: Options, *, n_frames: int, fps: float, tasks: dict[str, Task], warn: list[str]
) -> dict[str, Labels]:
    """Read one video's labels; see :func:`workflow_scripts.sources.read_labels`."""
    names = set(options.known) or {*options.rename, *options.binary}
    if not options.known and options.multiclass in tasks:
        names |= set(tasks[options.multiclass].vocabulary)
    bouts = read_bouts(path, n_frames, sorted(names))
    passed = {tag.get("name") for tag in _annotation(path)["tags"]} - names
    if passed:
        warn.append(f"{path.name}: tags that are no class of the card are passed over: {', '.join(map(str, passed))}")
    return label_tasks(path, bouts, options, n_frames=n_frames, tasks=tasks, warn=warn)


def read_boxes(path: Path, n_frames: int, title: str | None = None) -> Boxes:
    """Read the rectangle figures of one kind of object.

    Parameters
    ----------
    path : Path
    n_frames : int
    title : str or None
        Class of the objects (`mouse`); None takes all. Of several figures in a frame the largest counts.

    Returns
    -------
    ndarray, float32, shape (n_frames, 4)
        x1, y1, x2, y2; NaN in frames without a figure.
    """
    value = _annotation(path)
    wanted = {o.get("key") for o in value.get("objects", []) if title is None or o.get("classTitle") == title}
    boxes = np.full((n_frames, 4), np.nan, np.float32)
    for frame in value.get("frames", []):
        index = frame.get("index")  # only frames with a figure are listed: their place in the list says nothing
        for figure in frame.get("figures", []):
            if figure.get("objectKey") not in wanted or figure.get("geometryType") != "rectangle":
                continue
            corners = np.array(figure["geometry"]["points"]["exterior"], dtype=np.float32)
            if corners.shape != (2, 2) or not isinstance(index, int) or not 0 <= index < n_frames:
                raise InputError(path, f"frame {index} has a figure that is no rectangle in the video", "correct it")
            box = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
            old = boxes[index]
            if np.isnan(old[0]) or (box[2:] - box[:2]).prod() > (old[2:] - old[:2]).prod():
                boxes[index] = box
    return boxes


def write_annotation(
    path: Path,
    bouts: Sequence[Bout],
    *,
    size: tuple[int, int],
    n_frames: int,
    confidences: Sequence[float] | None = None,
    boxes: Boxes | None = None,
    title: str = "mouse",
) -> None:
    """Write the annotation of one video.

    Parameters
    ----------
    path : Path
        JSON file to make, whole or not at all.
    bouts : sequence of Bout
    size : (int, int)
        Width and height of the video.
    n_frames : int
    confidences : sequence of float or None
        One a bout; written as the tag's value.
    boxes : ndarray of shape (n_frames, 4), or None
        Figures of one object; NaN = none.
    title : str
        Class of that object.
    """
    tags = []
    for number, bout in enumerate(bouts):
        tag: dict[str, Any] = {"name": bout.name, "frameRange": [bout.start, bout.stop - 1]}
        if confidences is not None:
            tag["value"] = round(float(confidences[number]), 4)
        tags.append(tag)
    frames, objects = [], []
    if boxes is not None:
        objects = [{"key": "0" * 31 + "1", "classTitle": title, "tags": []}]
        for index in np.flatnonzero(~np.isnan(boxes[:, 0])):
            x1, y1, x2, y2 = (
                min(max(round(float(value)), 0), last)
                # The format counts pixels, and refuses corners past the last one.
                for value, last in zip(boxes[index], (size[0] - 1, size[1] - 1) * 2, strict=True)
            )
            points = {"exterior": [[x1, y1], [x2, y2]], "interior": []}
            figure = {
                "key": f"{int(index) + 2:032x}",
                "objectKey": objects[0]["key"],
                "geometryType": "rectangle",
                "geometry": {"points": points},
            }
            frames.append({"index": int(index), "figures": [figure]})
    write_json(
        path,
        {
            "size": {"height": size[1], "width": size[0]},
            "description": "",
            "key": "0" * 32,
            "tags": tags,
            "objects": objects,
            "frames": frames,
            "framesCount": n_frames,
        },
    )


def write_meta(project: Path, tags: Sequence[str], title: str = "mouse") -> None:
    """Write the `meta.json` that makes a folder a project: one class of boxes, and tags whose value is a number.

    Parameters
    ----------
    project : Path
    tags : sequence of str
        Names of the actions.
    title : str
        Class of the boxed objects.
    """
    classes = [{"title": title, "shape": "rectangle", "color": "#0072B2"}]
    named = [{"name": name, "value_type": "any_number", "color": "#D55E00"} for name in tags]
    write_json(project / "meta.json", {"classes": classes, "tags": named, "projectType": "videos"})


def place_video(video: Path, copy: Path) -> None:
    """Put a video into a project: as a second name of the same file where the disk allows it, else as a copy."""
    with atomic_path(copy) as part:
        try:
            os.link(video.resolve(), part)
        except OSError:  # another disk, or one without links
            shutil.copyfile(video, part)


def videos(project: Path) -> dict[str, tuple[Path, Path]]:
    """Find the videos of a project with their annotations, nested datasets included.

    Parameters
    ----------
    project : Path
        Folder with `meta.json`.

    Returns
    -------
    dict of str to (Path, Path)
        Id (path of the datasets and the name, so that equal names in two datasets stay apart) → video, annotation.

    Raises
    ------
    InputError
        When the folder is no project, or a video has no annotation.
    """
    if not (project / "meta.json").is_file():
        raise InputError(project, "has no meta.json, expected a Supervisely video project", "check the path")
    found = {}
    for video in sorted(project.rglob("video/*")):
        annotation = video.parent.parent / "ann" / f"{video.name}.json"
        if not annotation.is_file():
            raise InputError(video, "has no annotation beside it", f"expected {annotation.relative_to(project)}")
        parts = [part for part in video.parent.parent.relative_to(project).parts if part != "datasets"]
        found["/".join([*parts, video.stem])] = (video, annotation)
    if not found:
        raise InputError(project, "holds no video", "export the project with its videos")
    return found


def is_project(path: Path) -> bool:
    """Whether a path is the folder of a video project."""
    return (path / "meta.json").is_file() and next(path.rglob("video/*"), None) is not None


def mirror(project: Path, annotations: Mapping[Path, Sequence[Path]], output: Path) -> list[Path]:
    """Write a project of the same datasets, with other annotations.

    Parameters
    ----------
    project : Path
    annotations : mapping of Path to sequence of Path
        Resolved path of a video → annotations that take the place of its own, one an animal; videos without any are
        left out.
    output : Path
        Folder of the new project.

    Returns
    -------
    list of Path
        The files written.
    """
    written, tags = [], []
    for video in sorted(project.rglob("video/*")):
        found = annotations.get(video.resolve(), [])
        if not found:
            continue
        whole = _joined([read_json(path) for path in found])
        tags += [tag["name"] for tag in whole["tags"]]
        copy = output / video.relative_to(project)
        place_video(video, copy)
        written += [copy, copy.parent.parent / "ann" / f"{video.name}.json"]
        write_json(written[-1], whole)
    if written:
        # The project's own actions first: its tools match annotations with the project by these names.
        own = [tag.get("name") for tag in read_json(project / "meta.json").get("tags", []) if isinstance(tag, dict)]
        write_meta(output, list(dict.fromkeys([*filter(None, own), *tags])))
        written.append(output / "meta.json")
    return written


def _joined(annotations: Sequence[Any]) -> dict[str, Any]:
    """Join annotations of one video, each of one object, whose keys are made different."""
    whole = dict(annotations[0]) | {"tags": [tag for each in annotations for tag in each["tags"]], "objects": []}
    frames: dict[int, list[Any]] = {}
    for number, each in enumerate(annotations):
        for item in each["objects"]:
            whole["objects"].append(item | {"key": f"{number:08x}{item['key'][8:]}"})
        for frame in each["frames"]:
            for figure in frame["figures"]:
                keys = {name: f"{number:08x}{figure[name][8:]}" for name in ("key", "objectKey")}
                frames.setdefault(frame["index"], []).append(figure | keys)
    whole["frames"] = [{"index": index, "figures": frames[index]} for index in sorted(frames)]
    return whole


def sniff(path: Path) -> Found | None:
    """Tell the annotation of one video: JSON with tags and the number of frames."""
    text = file_head(path).text.lstrip()
    if path.suffix.lower() != ".json" or not text.startswith("{") or '"tags"' not in text:
        return None
    value = read_json(path)
    if not isinstance(value, dict) or not isinstance(value.get("tags"), list) or "framesCount" not in value:
        return None
    n_frames = int(value["framesCount"])
    ranged = {tag["name"] for tag in value["tags"] if isinstance(tag, dict) and "frameRange" in tag and "name" in tag}
    found = Found(source="supervisely", kind="labels", options={"known": sorted(ranged)})
    size = value.get("size") or {}
    if isinstance(size, dict) and {"width", "height"} <= set(size):
        found.image_size = (float(size["width"]), float(size["height"]))
    # The annotation of m1.mp4 is ann/m1.mp4.json.
    found.add_bouts(
        path.stem, read_bouts(path, n_frames, sorted(ranged)), float("nan"), media=[path.stem], n_frames=n_frames
    )
    return found
