"""Films with boxes and classes drawn in."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from builders import videos as toy

from workflow_scripts.core.errors import InputError
from workflow_scripts.video.metadata import probe
from workflow_scripts.video.overlay import colours, label, write_overlay

CLASSES = ("idle", "groom", "twitch")


def film(source: Path, target: Path, codes: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, list[float]]:
    chances = np.full((len(codes), 3), 0.25)
    chances[np.arange(len(codes)), codes] = 0.5
    write_overlay(target, probe(source), boxes, codes, chances, CLASSES, 0)
    with av.open(str(target)) as container:
        frames = list(container.decode(video=0))
    return np.stack([frame.to_ndarray(format="rgb24") for frame in frames]), [float(frame.time) for frame in frames]


def test_box_class_and_bar_are_those_of_the_frame(tmp_path: Path) -> None:
    source = toy.write(tmp_path / "a.mp4", toy.frames(30))
    codes = np.repeat([0, 1, 2], 10)
    boxes = np.tile(np.array([60.0, 50, 100, 90], np.float32), (30, 1))
    boxes[5] = np.nan
    made, times = film(source, tmp_path / "film.mp4", codes, boxes)
    assert made.shape == (30, 120, 160, 3) and times == pytest.approx(np.arange(30) / 30, abs=1e-3)
    ground = colours(3, 0)
    for t in (2, 12, 22):
        for y, x in ((51, 80), (89, 80), (70, 61), (70, 99), (13, 40)):  # the four sides, and the bar
            assert np.abs(made[t, y, x].astype(int) - ground[codes[t]]).max() < 60, (t, y, x)
        assert made[t, 13, 120].min() > 120  # half as probable, half as long
        name = label(CLASSES[codes[t]], 12, ground[codes[t]])
        seen = made[t, :12, : name.shape[1]].astype(float).mean(axis=2).ravel()
        other = label(CLASSES[(codes[t] + 1) % 3], 12, ground[codes[t]])[:, : name.shape[1]]
        other = np.pad(other, ((0, 0), (0, name.shape[1] - other.shape[1]), (0, 0)), mode="edge")
        alike = [np.corrcoef(seen, image.astype(float).mean(axis=2).ravel())[0, 1] for image in (name, other)]
        assert alike[0] > 0.8 > alike[1]
    assert made[5, 51, 80].min() > 120  # no box where none was found


def test_odd_sizes_rates_that_vary_and_boxes_over_the_border(tmp_path: Path) -> None:
    toy.write(tmp_path / "even.mkv", toy.frames(60, 161, 121), codec="ffv1", pix="yuv444p")
    source = tmp_path / "uneven.mkv"
    toy.ffmpeg(
        *("-i", str(tmp_path / "even.mkv"), "-vf", "select='lt(n,20)+gte(n,40)'", "-fps_mode", "vfr"),
        *("-c:v", "ffv1", str(source)),
    )
    boxes = np.tile(np.array([-20.0, -5, 500, 60], np.float32), (40, 1))
    made, times = film(source, tmp_path / "film.mp4", np.ones(40, int), boxes)
    assert made.shape == (40, 120, 160, 3)
    assert times[20] - times[19] == pytest.approx(21 / 30, abs=0.01)


def test_a_damaged_video_leaves_no_film(tmp_path: Path) -> None:
    source = toy.write(tmp_path / "a.mp4", toy.frames(30))
    info = probe(source)
    source.write_bytes(b"")
    with pytest.raises(InputError, match="empty"):
        write_overlay(
            tmp_path / "film.mp4", info, np.zeros((30, 4)), np.zeros(30, int), np.ones((30, 3)), CLASSES, None
        )
    assert not list(tmp_path.glob("*film*"))
