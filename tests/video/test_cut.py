"""Training clips as files of their own, by ffmpeg."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import av
import numpy as np
import pytest
from builders import videos as toy

from workflow_scripts.behaviour.clip_export import export_clips
from workflow_scripts.cli import main
from workflow_scripts.convert.crop_video import preprocess
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.names import slugify
from workflow_scripts.formats.clips import Clip, write_clips
from workflow_scripts.formats.splits import Split, write_split
from workflow_scripts.formats.tracks import Labels
from workflow_scripts.sources.supervisely import read_bouts, read_boxes
from workflow_scripts.sources.videos import Options
from workflow_scripts.video.cut import cut_clip, scaled_size
from workflow_scripts.video.metadata import probe


def stairs(count: int, width: int = 160, height: int = 120) -> np.ndarray:
    """Frames as bright as their number says."""
    return np.tile((20 + 3 * np.arange(count)).astype(np.uint8)[:, None, None], (1, height, width))


def read(path: Path) -> tuple[np.ndarray, list[bool]]:
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        assert not container.streams.audio
    return np.stack([frame.to_ndarray(format="gray") for frame in frames]), [frame.key_frame for frame in frames]


def test_sizes_are_even_with_the_short_edge_given() -> None:
    assert scaled_size(1280, 720) == (854, 480)
    assert scaled_size(720, 1280) == (480, 854)
    assert scaled_size(161, 121, 121) == (162, 122)


def test_a_clip_holds_the_frames_asked_for(tmp_path: Path) -> None:
    info = probe(toy.write(tmp_path / "-a b'$(x).mp4", stairs(60)))  # a name no shell would leave alone
    with av.open(str(info.path)) as container:
        truth = [frame.to_ndarray(format="gray").mean() for frame in container.decode(video=0)]
    for start, stop in ((0, 5), (7, 8), (31, 60)):
        cut_clip(info, start, stop, tmp_path / "clip.mp4")
        frames, keys = read(tmp_path / "clip.mp4")
        assert frames.shape == (stop - start, 480, 640) and keys[0]
        assert frames.mean(axis=(1, 2)) == pytest.approx(truth[start:stop], abs=1.5)


def test_clips_count_frames_where_the_rate_varies(tmp_path: Path) -> None:
    toy.write(tmp_path / "even.mp4", stairs(60))
    path = tmp_path / "uneven.mkv"
    toy.ffmpeg("-i", str(tmp_path / "even.mp4"), "-vf", "select='lt(n,20)+gte(n,40)'", "-fps_mode", "vfr", str(path))
    cut_clip(probe(path), 18, 24, tmp_path / "clip.mp4", short_edge=60)
    frames, _ = read(tmp_path / "clip.mp4")
    steps = np.diff(frames.mean(axis=(1, 2)))
    assert len(frames) == 6 and steps.argmax() == 1 and steps[1] > 30  # frames 18, 19, 40, 41 …


def test_a_video_that_points_elsewhere_or_is_damaged_is_one_sentence(tmp_path: Path) -> None:
    info = probe(toy.write(tmp_path / "a.mp4", stairs(30)))
    for content in (b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/secret.ts\n", b"no video"):
        info.path.write_bytes(content)
        with pytest.raises(InputError, match="frames 2 to 8 could not be cut") as caught:
            cut_clip(info, 2, 9, tmp_path / "clip.mp4")
        assert "\n" not in str(caught.value) and not list(tmp_path.glob("*clip*"))


def test_the_seeds_folder_of_clips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    videos = tmp_path / "videos" / "day 12"
    videos.mkdir(parents=True)
    toy.write(videos / "m.mp4", toy.frames(60))
    made = preprocess(videos / "m.mp4", Options(size=64), tmp_path / "crop.mp4", recording="day 12/m")
    clips = [Clip("day 12/m", 3, 12, "Head/Body TWITCH", "positive"), Clip("day 12/m", 20, 50, "idle", "idle")]
    write_clips(tmp_path / "index.h5", [made], {"faithful": clips, "sound": clips[:1]})
    arguments = ["export-clips", str(tmp_path / "index.h5"), "--videos", str(tmp_path / "videos")]
    assert main([*arguments, "--output", str(tmp_path / "out")]) in (0, None)
    printed = capsys.readouterr().out.split("\n")[:-1]
    with (tmp_path / "out/clips.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert [row["label"] for row in rows] == ["Head/Body TWITCH", "idle"]
    assert rows[0]["clip_file"].startswith("Head-Body_TWITCH/video/") and (rows[0]["start"], rows[0]["end"]) == (
        "3",
        "11",
    )
    cut = [tmp_path / "out" / row["clip_file"] for row in rows]
    beside = [path.parent.parent / "ann" / f"{path.name}.json" for path in cut]
    every = [str(path) for pair in zip(cut, beside, strict=True) for path in pair]
    assert printed == [*every, str(tmp_path / "out/clips.csv"), str(tmp_path / "out/meta.json")]
    # The clip is larger than the video, and its boxes with it.
    boxes = read_boxes(beside[1], 30)
    assert boxes[10] == pytest.approx(4 * made.boxes[30], abs=1)
    assert [(b.start, b.stop, b.name) for b in read_bouts(beside[0], 9, ["Head/Body TWITCH"])] == [
        (0, 9, "Head/Body TWITCH")
    ]
    assert [len(read(tmp_path / "out" / row["clip_file"])[0]) for row in rows] == [9, 30]
    (videos / "m.mp4").write_bytes(b"other")
    with pytest.raises(InputError, match=r"m\.mp4: is another file than the one that was cropped"):
        list(export_clips(tmp_path / "index.h5", tmp_path / "videos", tmp_path / "out2"))
    with pytest.raises(InputError, match="is not there"):
        list(export_clips(tmp_path / "index.h5", tmp_path / "out", tmp_path / "out2"))


def test_test_videos_stay_whole_and_equal_names_apart(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    made, clips = [], []
    for number, name in enumerate(("a b", "a-b", "A-B", "t")):
        toy.write(tmp_path / "videos" / f"{number}.mp4", toy.frames(40))
        one = preprocess(
            tmp_path / "videos" / f"{number}.mp4", Options(size=64), tmp_path / f"{number}.mp4", recording=name
        )
        codes = np.repeat([0, 1, 0], [10, 20, 10]).astype(np.int16)
        labels = Labels(codes, np.ones(40, bool), "frame", "multiclass", ("idle", "groom"), background="idle")
        made.append(dataclasses.replace(one, labels={"action": labels}))
        clips.append(Clip(name, 10, 30, "groom", "positive"))
    write_clips(tmp_path / "index.h5", made, {"faithful": clips})
    groups = {name: name for name in ("a b", "a-b", "A-B", "t")}
    write_split(tmp_path / "split.json", Split("d", "one", "one", ["A-B", "a b"], ["a-b"], ["t"], groups))
    list(export_clips(tmp_path / "index.h5", tmp_path / "videos", tmp_path / "out", split=tmp_path / "split.json"))
    found = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.mp4"))
    assert found == [
        "test/video/t.mp4",
        "train/groom/video/A-B_clip_000.mp4",
        f"train/groom/video/{slugify('a b')}_clip_000.mp4",
        "validation/groom/video/a-b-2_clip_000.mp4",
    ]
    assert (tmp_path / "out/test/video/t.mp4").read_bytes() == (tmp_path / "videos/3.mp4").read_bytes()
    annotation = tmp_path / "out/test/ann/t.mp4.json"
    assert [(b.start, b.stop, b.name) for b in read_bouts(annotation, 40, ["groom"])] == [(10, 30, "groom")]
    assert read_boxes(annotation, 40)[20] == pytest.approx(made[3].boxes[20], abs=1)
    assert not list((tmp_path / "out" / "test").rglob("*clip*"))
