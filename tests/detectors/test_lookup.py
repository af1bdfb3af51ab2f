"""Detectors that look boxes up: a csv, a Supervisely annotation, tracked points."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import videos as toy

from workflow_scripts.convert.crop_video import preprocess
from workflow_scripts.core.errors import ConfigError, EthoMakeError, InputError
from workflow_scripts.detectors import make
from workflow_scripts.sources.supervisely import write_annotation
from workflow_scripts.sources.videos import DetectorUse, Options
from workflow_scripts.video.frames import Region
from workflow_scripts.video.metadata import VideoInfo, probe

FRAMES = 40
HEADER = "frame,x1,y1,x2,y2"


@pytest.fixture(scope="module")
def info(tmp_path_factory: pytest.TempPathFactory) -> VideoInfo:
    return probe(toy.write(tmp_path_factory.mktemp("video") / "mouse.mp4", toy.frames(FRAMES)))


def exact() -> np.ndarray:
    """Box of the toy's square in every frame."""
    corners = np.array([toy.place(t) for t in range(FRAMES)])
    return np.concatenate([corners, corners + np.array([24, 20])], axis=1).astype(np.float32)


def boxes_csv(path: Path, boxes: np.ndarray) -> Path:
    path.write_text("\n".join([HEADER, *(f"{t},{a},{b},{c},{d}" for t, (a, b, c, d) in enumerate(boxes))]) + "\n")
    return path


def tracks_csv(path: Path, frames: int = FRAMES) -> Path:
    """Two tracked corners of the square, as DeepLabCut writes them; `tail` is never sure."""
    points = ("nose", "rump", "tail")
    lines = [
        "scorer" + ",net" * 9,
        "bodyparts," + ",".join(name for point in points for name in [point] * 3),
        "coords" + ",x,y,likelihood" * 3,
    ]
    for t, (a, b, c, d) in enumerate(exact()[np.arange(frames) % FRAMES]):
        lines.append(f"{t},{a},{b},0.9,{c},{d},0.7,0,0,0.1")
    path.write_text("\n".join(lines) + "\n")
    return path


def found(
    name: str,
    options: dict[str, Any],
    info: VideoInfo,
    folder: Path,
    region: Region | None = None,
    numbers: Sequence[int] = (),
) -> np.ndarray:
    detector = make(name, options, folder)
    detector.fit(info, [], region)
    wanted = list(numbers) or list(range(info.n_frames))
    return detector.detect([], wanted)


def test_boxes_of_a_csv_and_of_an_annotation_are_those_written(info: VideoInfo, tmp_path: Path) -> None:
    boxes_csv(tmp_path / "b.csv", exact())
    said = found("boxes_file", {"path": "b.csv"}, info, tmp_path)
    assert said.dtype == np.float32 and np.array_equal(said[:, :4], exact()) and (said[:, 4] == 1).all()
    some = exact()
    some[5:9] = np.nan
    write_annotation(tmp_path / "b.json", [], size=(160, 120), n_frames=FRAMES, boxes=some)
    said = found("boxes_file", {"path": "b.json"}, info, tmp_path)
    assert np.isnan(said[5:9]).all() and np.array_equal(said[9:, :4], exact()[9:])
    moved = found("boxes_file", {"path": "b.csv"}, info, tmp_path, Region(20, 10, 100, 100), [7, 3])
    assert np.array_equal(moved[:, :4], exact()[[7, 3]] - [20, 10, 20, 10])


def test_the_best_of_several_boxes_counts_and_weak_ones_are_left_out(info: VideoInfo, tmp_path: Path) -> None:
    rows = ["0,1,2,3,4,0.4", "0,5,6,7,8,0.9", "0,9,9,10,10,0.1", "1,1,2,3,4,0.2"]
    (tmp_path / "b.csv").write_text("\n".join([HEADER + ",score", *rows]) + "\n")
    said = found("boxes_file", {"path": "b.csv", "min_score": 0.3}, info, tmp_path)
    assert said[0].tolist() == pytest.approx([5, 6, 7, 8, 0.9])
    assert np.isnan(said[1:]).all()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("frame,x1,y1,x2\n0,1,2,3\n", "line 1: the column 'y2' is missing"),
        (f"{HEADER}\n0,1,2,x,4\n", "line 2: expected numbers, found 0, 1, 2, x, 4"),
        (f"{HEADER}\n0,1,2,3,4\n40,1,2,3,4\n", "line 3: there is no frame 40 in a video of 40 frames"),
        (f"{HEADER}\n0,9,2,3,4\n", "line 2: the box is reversed"),
        (f"{HEADER}\n7,1,2,900,40\n", "frame 7 has a box far outside the picture of 160 × 120 pixels"),
        (None, "does not exist"),
    ],
)
def test_unfit_boxes_are_one_sentence(info: VideoInfo, tmp_path: Path, text: str | None, says: str) -> None:
    if text is not None:
        (tmp_path / "b.csv").write_text(text)
    with pytest.raises(InputError, match=says) as caught:
        found("boxes_file", {"path": "b.csv"}, info, tmp_path)
    assert "\n" not in str(caught.value) and str(tmp_path / "b.csv") in str(caught.value)


def test_boxes_around_tracked_points(info: VideoInfo, tmp_path: Path) -> None:
    tracks_csv(tmp_path / "t.csv")
    options = {"path": "t.csv", "source": "deeplabcut", "grow": 0.25}
    said = found("from_tracks", options, info, tmp_path)
    # Two sure points; a quarter of the longer side is added all around.
    assert np.allclose(said[:, :4], exact() + np.array([-6, -6, 6, 6])) and np.allclose(said[:, 4], 0.8)
    moved = found("from_tracks", options, info, tmp_path, Region(20, 10, 100, 100))
    assert np.allclose(moved[:, :4], said[:, :4] - [20, 10, 20, 10])
    one = options | {"keypoints": ["nose"]}
    assert np.isnan(found("from_tracks", one, info, tmp_path)).all()  # one point makes no box
    nose = found("from_tracks", one | {"min_points": 1, "grow": 0}, info, tmp_path)
    assert np.array_equal(nose[:, :2], exact()[:, :2]) and np.array_equal(nose[:, :2], nose[:, 2:4])


def test_unfit_tracks_are_one_sentence(info: VideoInfo, tmp_path: Path) -> None:
    options = {"path": "t.csv", "source": "deeplabcut"}
    cases: list[tuple[dict[str, Any], int, str]] = [
        ({}, 30, r"t\.csv: has 30 frames and the video mouse\.mp4 40"),
        ({"keypoints": ["nos"]}, FRAMES, "there is no keypoint 'nos'; did you mean 'nose'"),
        ({"individual": "Bob"}, FRAMES, "there is no individual 'Bob'"),
    ]
    for change, frames, says in cases:
        tracks_csv(tmp_path / "t.csv", frames)
        with pytest.raises(EthoMakeError, match=says) as caught:
            found("from_tracks", options | change, info, tmp_path)
        assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="mean 'deeplabcut'"):
        found("from_tracks", options | {"source": "deeplabcat"}, info, tmp_path)


@pytest.mark.parametrize("name", ["boxes_file", "from_tracks"])
def test_a_video_is_cropped_around_boxes_somebody_has(info: VideoInfo, tmp_path: Path, name: str) -> None:
    given: dict[str, Any]
    if name == "boxes_file":
        given = {"path": boxes_csv(tmp_path / "b.csv", exact()).name}
    else:
        given = {"path": tracks_csv(tmp_path / "t.csv").name, "source": "deeplabcut", "grow": 0}
    options = Options(size=64, every=1, detector=DetectorUse(name=name, options=given))
    made = preprocess(info.path, options, tmp_path / "crop.mp4", recording="one", folder=tmp_path)
    assert np.allclose(made.boxes, exact())
    inside = (made.windows[:, :2] <= exact()[:, :2]) & (made.windows[:, 2:] >= exact()[:, 2:])
    assert inside.all(axis=1).mean() > 0.9  # the window is steadier than the boxes
