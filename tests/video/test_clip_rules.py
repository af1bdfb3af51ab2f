"""What makes a clip: overlapping bouts, the background by any name, several tasks, many videos in one csv."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from workflow_scripts.cards.card import Task
from workflow_scripts.convert.clips import faithful_clips, sound_clips
from workflow_scripts.convert.labels import with_background
from workflow_scripts.core.errors import InputError
from workflow_scripts.formats.clips import Clip, ClipRecording, open_clips, write_clips
from workflow_scripts.formats.tracks import Labels
from workflow_scripts.sources import read_labels
from workflow_scripts.sources.videos import BalanceOptions


def video(labels: dict[str, Labels], name: str = "v", length: int = 600) -> ClipRecording:
    boxes = np.zeros((length, 4), np.float32)
    return ClipRecording(
        id=name,
        group=name,
        fps=10.0,
        path=Path("v.mp4"),
        size=64,
        boxes=boxes,
        windows=boxes,
        scores=np.ones(length, np.float32),
        origin=np.ones(length, np.uint8),
        times=np.arange(length) / 10,
        motion=np.zeros(length, np.float32),
        image_size=(64, 64),
        labels=labels,
    )


def read(path: Path, tasks: dict[str, Task], length: int = 600, **options: object) -> dict[str, Labels]:
    return read_labels("bouts_csv", path, options, n_frames=length, fps=10.0, tasks=tasks, warn=[])


def test_a_twitch_within_grooming_makes_a_clip_of_each(tmp_path: Path) -> None:
    path = tmp_path / "b.csv"
    path.write_text("video,label,start,end\nv,groom,100,139\nv,twitch,120,124\n")
    tasks = {"action": Task(vocabulary=["idle", "groom", "twitch"], background="idle")}
    chosen = {"multiclass": "action", "background": "idle"}
    with pytest.raises(InputError, match=r"overlap by 5 frames; correct them, set overlaps: shorter"):
        read(path, tasks, **chosen)
    labels = read(path, tasks, **chosen, overlaps="shorter")
    codes = labels["action"].values
    assert (codes[100:120] == 1).all() and (codes[120:125] == 2).all() and (codes[125:140] == 1).all()
    for clips in (
        faithful_clips([video(labels)], BalanceOptions()),
        sound_clips([video(labels)], BalanceOptions(context=0)),
    ):
        positive = [(clip.start, clip.stop, clip.label) for clip in clips if clip.kind == "positive"]
        assert positive == [(100, 140, "groom"), (120, 125, "twitch")]


def test_frames_of_a_background_named_other_are_no_positive_clips(tmp_path: Path) -> None:
    path = tmp_path / "b.csv"
    path.write_text("video,label,start,end\nv,groom,100,139\n")
    task = Task(vocabulary=["other", "groom"], background="other")
    labels = read(path, {"action": task}, multiclass="action", background="other")
    found = [video(with_background(labels, {"action": task}))]
    for clips in (faithful_clips(found, BalanceOptions()), sound_clips(found, BalanceOptions())):
        assert {clip.label for clip in clips if clip.kind == "positive"} == {"groom"}
        assert {clip.label for clip in clips if clip.kind != "positive"} == {"other"}


def test_a_task_of_another_name_and_binary_tasks_make_clips(tmp_path: Path) -> None:
    path = tmp_path / "b.csv"
    path.write_text("video,label,start,end\nv,groom,100,139\nv,twitch,120,124\n")
    tasks = {"grooms": Task(kind="binary"), "twitches": Task(kind="binary")}
    labels = read(path, tasks, binary={"groom": "grooms", "twitch": "twitches"})
    clips = faithful_clips([video(labels)], BalanceOptions())
    positive = [(clip.task, clip.start, clip.stop, clip.label) for clip in clips if clip.kind == "positive"]
    assert positive == [("grooms", 100, 140, "groom"), ("twitches", 120, 125, "twitch")]
    assert {(clip.task, clip.label) for clip in clips if clip.kind == "idle"} == {
        ("grooms", "no groom"),
        ("twitches", "no twitch"),
    }
    whole = read(
        path,
        {"behaviour": Task(vocabulary=["idle", "groom", "twitch"])},
        multiclass="behaviour",
        background="idle",
        overlaps="shorter",
    )
    assert {clip.task for clip in sound_clips([video(whole)], BalanceOptions())} == {"behaviour"}


def test_the_task_of_a_clip_is_kept_in_the_file(tmp_path: Path) -> None:
    one = dataclasses.replace(video({}), path=tmp_path / "v.mp4")
    clips = [Clip("v", 0, 9, "groom", "positive", "grooms")]
    write_clips(tmp_path / "index.h5", [one], {"sound": clips})
    with open_clips(tmp_path / "index.h5") as reader:
        assert reader.clips("sound") == clips


def test_one_csv_serves_videos_in_which_nothing_happens(tmp_path: Path) -> None:
    path = tmp_path / "all.csv"
    path.write_text("video,label,start,end\na.mp4,groom,10,19\n")
    tasks = {"action": Task(vocabulary=["idle", "groom"])}
    chosen = {"multiclass": "action", "background": "idle", "video": "b.mp4"}
    with pytest.raises(InputError, match="set absent: no_bouts"):
        read(path, tasks, **chosen)
    quiet = read(path, tasks, **chosen, absent="no_bouts")["action"]
    assert not quiet.values.any() and quiet.mask.all()
