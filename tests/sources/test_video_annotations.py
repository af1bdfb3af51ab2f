"""Annotations of videos, the clips that are drawn from them, and how found boxes are measured."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from workflow_scripts.cards.card import Task
from workflow_scripts.convert.clips import faithful_clips, sound_clips
from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.formats.bouts import Bout
from workflow_scripts.formats.clips import ClipRecording
from workflow_scripts.formats.tracks import Labels
from workflow_scripts.metrics.detection import average_precision, containment, iou, mean_average_precision
from workflow_scripts.sources import read_labels
from workflow_scripts.sources.supervisely import read_boxes, videos, write_annotation
from workflow_scripts.sources.videos import BalanceOptions

TASKS = {"action": Task(vocabulary=["idle", "groom", "twitch"], background="idle")}
OPTIONS = {"multiclass": "action", "background": "idle"}


def labels(
    source: str, path: Path, n_frames: int = 100, warn: list[str] | None = None, **options: object
) -> np.ndarray:
    given = OPTIONS | options
    return read_labels(source, path, given, n_frames=n_frames, fps=10.0, tasks=TASKS, warn=warn)["action"].values


def test_bouts_csv(tmp_path: Path) -> None:
    path = tmp_path / "bouts.csv"
    path.write_text("video,label,start,end\na.mp4,groom,10,19\nsub/b.mp4,twitch,0,4\na.mp4,twitch,30,30\n")
    found = labels("bouts_csv", path, video="a")
    assert np.flatnonzero(found == 1).tolist() == list(range(10, 20))
    assert np.flatnonzero(found == 2).tolist() == [30]
    assert (labels("bouts_csv", path, video="b.mp4")[:5] == 2).all()
    path.write_text("video,label,start,end\na.mp4,groom,1.0,1.95\n")
    assert np.flatnonzero(labels("bouts_csv", path, unit="second")).tolist() == list(range(10, 20))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("video,label,begin,end\n", "'start' is missing"),
        ("video,label,start,end\na,groom,5,2\n", "line 2: the bout ends at 2 before it starts at 5"),
        ("video,label,start,end\na,groom,x,2\n", "expected a number under start, found 'x'"),
        ("video,label,start,end\na,grom,1,2\n", "'grom' is not in the card's vocabulary; did you mean 'groom'"),
        ("video,label,start,end\na,groom,1,400\n", "cover 401 frames and the tracks have 100"),
        ("video,label,start,end\nb,groom,1,2\n", "has no row of the video 'a'"),
        ("video,label,start,end\na,groom,1\n", "line 2: has 3 cells"),
    ],
)
def test_bad_bouts_are_one_sentence(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "bouts.csv"
    path.write_text(text)
    with pytest.raises((InputError, ConfigError), match=says):
        labels("bouts_csv", path, video="a")


def test_deepethogram_and_simba(tmp_path: Path) -> None:
    one_hot = np.zeros((100, 3), int)
    one_hot[:, 0] = 1
    one_hot[20:30] = (0, 1, 0)
    one_hot[90:] = -1
    path = tmp_path / "v_labels.csv"
    rows = [f"{t},{','.join(map(str, row))}" for t, row in enumerate(one_hot)]
    path.write_text("\n".join([",background,groom,twitch", *rows]))
    found = read_labels("deepethogram", path, OPTIONS, n_frames=100, fps=10.0, tasks=TASKS)["action"]
    assert np.flatnonzero(found.values == 1).tolist() == list(range(20, 30))
    assert found.mask.tolist() == [True] * 90 + [False] * 10
    path.write_text("\n".join(["frame,Nose_x,groom", *(f"{t},3.5,{int(5 <= t < 8)}" for t in range(100))]))
    assert np.flatnonzero(labels("simba", path, behaviours=["groom"])).tolist() == [5, 6, 7]
    with pytest.raises(InputError, match=r"expected 0, 1 or -1 under Nose_x, found '3\.5'"):
        labels("simba", path, behaviours=["Nose_x"])


def test_supervisely(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4.json"
    boxes = np.full((100, 4), np.nan, np.float32)
    boxes[[7, 50]] = (10, 20, 30, 45)
    bouts = [Bout(10, 20, "groom"), Bout(30, 31, "twitch")]
    write_annotation(path, bouts, size=(160, 120), n_frames=100, confidences=[0.9, 0.5], boxes=boxes)
    warn: list[str] = []
    found = labels("supervisely", path, warn=warn)
    assert np.flatnonzero(found == 1).tolist() == list(range(10, 20))
    assert np.flatnonzero(found == 2).tolist() == [30]
    assert np.array_equal(read_boxes(path, 100, "mouse"), boxes, equal_nan=True)
    value = json.loads(path.read_text())
    assert [frame["index"] for frame in value["frames"]] == [7, 50]
    value["tags"] = [{"name": "groom"}, {"name": "confidence", "value": 0.3}]
    path.write_text(json.dumps(value))
    assert (labels("supervisely", path, warn=warn) == 1).all()
    assert "confidence" in warn[-1]
    value["tags"] = [{"name": "groom", "frameRange": [100, 110]}]
    path.write_text(json.dumps(value))
    with pytest.raises(InputError, match="frames 100 to 110 lie past the last frame, 99"):
        labels("supervisely", path)


def test_a_supervisely_project_is_walked_with_its_nested_datasets(tmp_path: Path) -> None:
    for dataset in ("mice", "mice/datasets/day 12"):
        for kind, name in (("video", "GL1.MP4"), ("ann", "GL1.MP4.json")):
            (tmp_path / dataset / kind).mkdir(parents=True, exist_ok=True)
            (tmp_path / dataset / kind / name).write_text("x")
    with pytest.raises(InputError, match=r"no meta\.json"):
        videos(tmp_path)
    (tmp_path / "meta.json").write_text("{}")
    assert list(videos(tmp_path)) == ["mice/day 12/GL1", "mice/GL1"]
    (tmp_path / "mice/ann/GL1.MP4.json").unlink()
    with pytest.raises(InputError, match="has no annotation beside it"):
        videos(tmp_path)


def recording(name: str, codes: np.ndarray, motion: np.ndarray | None = None) -> ClipRecording:
    n = len(codes)
    nothing = np.full((n, 4), np.nan, np.float32)
    made = Labels(codes.astype(np.int16), np.ones(n, bool), "frame", "multiclass", ("idle", "groom", "twitch"))
    return ClipRecording(
        id=name,
        group=name,
        fps=10.0,
        path=Path("x.mp4"),
        size=64,
        boxes=nothing,
        windows=nothing,
        scores=nothing[:, 0],
        origin=np.zeros(n, np.uint8),
        times=np.arange(n) / 10,
        motion=np.zeros(n, np.float32) if motion is None else motion,
        image_size=(64, 64),
        labels={"action": made},
    )


@pytest.fixture
def two() -> list[ClipRecording]:
    codes = np.zeros(2000, int)
    codes[300:400], codes[700], codes[900:1020] = 1, 2, 1
    motion = np.zeros(2000, np.float32)
    motion[1500:1560] = 9
    return [recording("a", codes), recording("b", np.zeros(2000, int), motion)]


def test_sound_clips_have_context_and_idle_from_every_video(two: list[ClipRecording]) -> None:
    table = sound_clips(two, BalanceOptions(idle="idle", context=1.0))
    positive = [(clip.start, clip.stop, clip.label) for clip in table if clip.kind == "positive"]
    assert positive == [(290, 410, "groom"), (690, 711, "twitch"), (890, 1030, "groom")]
    idle = [clip for clip in table if clip.kind != "positive"]
    assert {clip.video for clip in idle} == {"a", "b"}
    assert sum(clip.stop - clip.start for clip in idle) == pytest.approx(221, abs=60)
    codes = two[0].labels["action"].values
    assert all((codes[clip.start : clip.stop] == 0).all() for clip in idle if clip.video == "a")
    hard = [clip for clip in idle if clip.kind == "hard_negative" and clip.video == "b"]
    assert any(clip.start < 1560 and clip.stop > 1500 for clip in hard)
    assert table == sound_clips(two, BalanceOptions(idle="idle", context=1.0))
    alone = [clip for clip in sound_clips(two, BalanceOptions(idle="idle", seed=1)) if clip.kind != "positive"]
    assert alone != idle


def test_faithful_clips_follow_the_seeds_rules(two: list[ClipRecording]) -> None:
    table = faithful_clips(two, BalanceOptions(idle="idle"))
    positive = [(clip.start, clip.stop) for clip in table if clip.kind == "positive"]
    # 10 s make two parts of 5 s, one frame makes a second, 12 s make three parts.
    assert positive == [(300, 350), (350, 400), (695, 705), (900, 940), (940, 980), (980, 1020)]
    idle = [clip for clip in table if clip.kind == "idle"]
    assert {clip.video for clip in idle} == {"a"}
    assert idle[0].start == 0
    assert all(30 <= clip.stop - clip.start <= 50 for clip in idle)
    assert 221 <= sum(clip.stop - clip.start for clip in idle) < 221 + 50


def test_overlap_and_average_precision() -> None:
    assert iou(np.array([[0, 0, 10, 10]]), np.array([[5, 0, 15, 10], [20, 20, 30, 30]]))[0].tolist() == [1 / 3, 0]
    truth = [np.array([[0, 0, 10, 10.0]]), np.array([[0, 0, 10, 10.0]]), np.zeros((0, 4))]
    found = [np.array([[0, 0, 10, 10.0]]), np.array([[50, 50, 60, 60.0]]), np.array([[1, 1, 5, 5.0]])]
    scores = [np.array([0.9]), np.array([0.8]), np.array([0.1])]
    # One of two is found, at full precision: 51 of the 101 recalls (0 to 0.5).
    assert average_precision(found, scores, truth) == pytest.approx(51 / 101)
    assert mean_average_precision(truth, [np.ones(len(t)) for t in truth], truth) == 1.0
    assert np.isnan(average_precision([np.zeros((0, 4))], [np.zeros(0)], [np.zeros((0, 4))]))


def test_containment() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [np.nan] * 4, [0, 0, 10, 10]])
    points = np.array([[[1, 1], [9, 9]], [[1, 1], [11, 9]], [[1, 1], [2, 2]], [[np.nan] * 2] * 2])
    assert containment(boxes, points) == (pytest.approx(1 / 3), 3)
