"""What Supervisely's own SDK asks of a project (checked with supervisely 6.73 by hand): boxes inside, videos there."""

import json

import numpy as np
from builders.videos import frames, write

from workflow_scripts.formats.bouts import Bout
from workflow_scripts.sources.supervisely import place_video, read_boxes, videos, write_annotation, write_meta


def test_a_box_at_the_border_stays_inside_the_picture(tmp_path):
    boxes = np.array([[0, 0, 160, 120], [-3.2, -1, 20, 20], [150, 100, 170, 130], [np.nan] * 4], np.float32)
    path = tmp_path / "dataset" / "ann" / "v.mp4.json"
    write_annotation(path, [Bout(0, 2, "groom")], size=(160, 120), n_frames=4, boxes=boxes)
    corners = [
        point
        for frame in json.loads(path.read_text())["frames"]
        for point in frame["figures"][0]["geometry"]["points"]["exterior"]
    ]
    assert len(corners) == 6
    # The last pixel is one below the size; from_json of the SDK refuses figures that reach further.
    assert all(0 <= x <= 159 and 0 <= y <= 119 for x, y in corners)
    assert read_boxes(path, 4)[0].tolist() == [0, 0, 159, 119]


def test_a_project_holds_its_videos(tmp_path):
    video = write(tmp_path / "v.mp4", frames(4))
    project = tmp_path / "project"
    write_meta(project, ["groom"])
    write_annotation(project / "dataset" / "ann" / "v.mp4.json", [], size=(160, 120), n_frames=4)
    place_video(video, project / "dataset" / "video" / "v.mp4")
    assert list(videos(project)) == ["dataset/v"]
    assert (project / "dataset" / "video" / "v.mp4").read_bytes() == video.read_bytes()
