"""Small pictures of the data: extracted from each kind of file, and drawn on the page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from workflow_scripts.evaluation.extracts.pictures import PICTURES, SIDE, picture_table, thumbnail
from workflow_scripts.formats.images import ImageSet, write_images
from workflow_scripts.formats.tracks import Recording, write_tracks
from workflow_scripts.kinematics.skeleton import bones
from workflow_scripts.plotting.style import class_colours
from workflow_scripts.report.packed import packed, unpacked
from workflow_scripts.report.pictures import page_data, read_pictures, read_pose, scene
from workflow_scripts.video.overlay import colours


def _walk(frames: int = 40) -> np.ndarray:
    rng = np.random.default_rng(0)
    centre = np.cumsum(rng.normal(0, 8, (frames, 2, 1, 2)), axis=0) + [[[[300, 200]], [[500, 260]]]][0]
    body = np.array([[0, 0], [10, 0], [20, 0], [30, 0]], dtype=float)
    return (centre + body).astype(np.float32)


def _tracks(path: Path) -> Path:
    position = _walk()
    position[3, 0, 2] = np.nan
    confidence = np.where(np.isfinite(position[..., 0]), 1, np.nan).astype(np.float32)
    names = ("one", "two"), ("nose", "neck", "hip", "tail")
    write_tracks(path, [Recording(name, position, confidence, 30.0, *names, group=name) for name in ("a", "b")])
    return path


def test_bones_follow_the_body() -> None:
    assert bones(_walk()) == [(0, 1), (1, 2), (2, 3)]
    alone = _walk()
    alone[:, :, 3] = np.nan
    assert bones(alone) == [(0, 1), (1, 2)]


def test_pictures_of_tracks(tmp_path: Path) -> None:
    ethograms = pd.DataFrame({"dataset": ["d"], "recording": ["b"]})
    maps = pd.DataFrame({"dataset": ["d"] * 3, "recording": ["a", "a", "b"], "frame": [0, 0, 9]})
    table = picture_table({"d": _tracks(tmp_path / "tracks.h5")}, ethograms, maps)
    assert list(table.columns) == PICTURES
    assert table.groupby("use").size().to_dict() == {"bones": 1, "box": 1, "film": 40, "map": 2}
    assert set(table[table["use"] == "film"]["recording"]) == {"b"}
    pose = read_pose(table[table["use"] == "film"].iloc[3]["pose"])
    assert pose[0][2] is None and len(pose) == 2 and len(pose[0]) == 4
    assert all(-SIDE / 2 <= value <= 1.5 * SIDE for animal in pose for point in animal if point for value in point)
    read = read_pictures(table)
    drawn = scene("d", read["d"])
    assert drawn is not None and drawn.svg.count('class="path"') == 2 and drawn.svg.count('class="bone"') == 2
    assert '"d"' in page_data(read) and unpacked(packed(page_data(read))) == page_data(read)
    # Without an ethogram the first recording is shown.
    nothing = pd.DataFrame()
    alone = picture_table({"d": tmp_path / "tracks.h5"}, nothing, nothing)
    assert set(alone["recording"]) == {"a"}


def test_pictures_of_images(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 255, (20, 30, 40), dtype=np.uint8)
    names = np.array(["x"] * 20)
    found = ImageSet(images, np.full((20, 2, 2), 5, np.float32), ("a", "b"), np.arange(20), names, names)
    write_images(tmp_path / "images.h5", [found])
    table = picture_table({"d": tmp_path / "images.h5"}, pd.DataFrame(), pd.DataFrame())
    assert table.groupby("use").size().to_dict() == {"box": 1, "crop": 8}
    drawn = scene("d", read_pictures(table)["d"])
    assert drawn is not None and len(drawn.images) == 8 and all(i.startswith("data:image/webp") for i in drawn.images)
    assert len(thumbnail(images[0])) < 4000


def test_films_paint_classes_as_figures_do() -> None:
    names = ["attack", "other", "mount"]
    painted = ["#" + "".join(f"{value:02x}" for value in ink) for ink in colours(3, 1)]
    assert painted == class_colours(names, "other")
