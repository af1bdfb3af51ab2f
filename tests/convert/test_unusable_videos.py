"""Videos and annotations that cannot be used, through what reads them: one sentence, nothing half-made."""

from __future__ import annotations

import argparse
from pathlib import Path

import av
import numpy as np
import pytest
from builders import videos as toy

from workflow_scripts.cards.card import Card, RemoteFile, Shard, Task
from workflow_scripts.cards.patterns import LabelSource
from workflow_scripts.convert.clips import index_clips
from workflow_scripts.core.errors import ConfigError, EthoMakeError, InputError
from workflow_scripts.formats.clips import open_clips
from workflow_scripts.stages import detect


@pytest.fixture(scope="module")
def resources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of videos, all but one of which cannot be used."""
    folder = tmp_path_factory.mktemp("resources")
    whole = toy.write(folder / "good.mp4", toy.frames(60)).read_bytes()
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("bouts follow\n" * 40)
    (folder / "half.mp4").write_bytes(whole[: len(whole) // 2])
    with av.open(str(folder / "sound.mp4"), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        frame.rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    # A file that began and holds not one frame: the camera was switched off at once.
    with av.open(str(folder / "frameless.mkv"), "w", format="matroska") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    return folder


def card(*videos: str, label: str | None = None, labels: list[LabelSource] | None = None) -> Card:
    options = {} if label is None else {"label": label}
    return Card(
        name="toy",
        title="Toy",
        kind="clips",
        description="-",
        licence="-",
        citation=["-"],
        source="videos",
        options={"size": 64},
        tasks={"action": Task(vocabulary=["idle", "groom", "twitch"], background="idle")},
        files=[RemoteFile(path=path, urls=["-"]) for path in (*videos, *(source.file for source in labels or []))],
        shards=[Shard(id=Path(video).stem, tracks=video, options=options, labels=labels or []) for video in videos],
    )


def find(made: Card, resources: Path, out: Path, *, keep_going: bool = False) -> Path:
    """Run the stage on the card's one shard."""
    (shard,) = made.shards
    target, path = out / f"{shard.id}.h5", resources.parent / f"{shard.id}.json"
    path.write_text(made.model_dump_json(exclude_defaults=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(resources.parent)  # where failures are noted
        patch.setenv("ETHOMAKE_KEEP_GOING", str(int(keep_going)))
        detect.work(
            argparse.Namespace(
                card=path,
                shard=shard.id,
                resources=resources,
                video=out / f"{shard.id}.mp4",
                output=target,
            )
        )
    return target


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("absent.mp4", "does not exist"),
        ("empty.mp4", "is empty"),
        ("text.mp4", "is no readable video"),
        ("half.mp4", "is no readable video|breaks off|cannot be decoded"),
        ("sound.mp4", "holds no picture, only audio"),
        ("frameless.mkv", "has not one frame|is no readable video"),
    ],
)
def test_a_video_that_cannot_be_used_stops_its_job_or_is_quarantined(
    resources: Path, tmp_path: Path, name: str, says: str
) -> None:
    with pytest.raises(InputError, match=says) as caught:
        find(card(name), resources, tmp_path)
    assert str(caught.value).startswith(str(resources / name)) and "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())
    bad = find(card(name), resources, tmp_path, keep_going=True)
    with pytest.raises(InputError, match=f"not one video is usable.*({says})"):
        index_clips(card(name, label="groom"), [bad], resources, tmp_path / "index.h5")
    both = card(name, "good.mp4", label="groom")
    index_clips(both, [bad, find(card("good.mp4"), resources, tmp_path)], resources, tmp_path / "index.h5")
    with open_clips(tmp_path / "index.h5") as reader:
        assert list(reader.ids) == ["good"] and list(reader.quarantined) == [Path(name).stem]


@pytest.fixture(scope="module")
def good(resources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return find(card("good.mp4"), resources, tmp_path_factory.mktemp("good"))


def csv(path: Path, text: str) -> list[LabelSource]:
    path.write_text(text)
    options = {"multiclass": "action", "background": "idle"}
    return [LabelSource(source="bouts_csv", file=path.name, options=options)]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("good.mp4,groom,30,400", "the labels of action cover 401 frames and the tracks have 60, a difference over"),
        ("good.mp4,grooom,3,9", "'grooom' is not in the card's vocabulary; did you mean 'groom'"),
        ("other.mp4,groom,3,9", "has no row of the video 'good'"),
    ],
)
def test_annotations_that_do_not_fit_the_video_are_one_sentence(
    good: Path, resources: Path, tmp_path: Path, row: str, says: str
) -> None:
    labels = csv(tmp_path / "b.csv", f"video,label,start,end\n{row}\n")
    labels[0].options["video"] = "good"
    with pytest.raises((InputError, ConfigError), match=says) as caught:
        index_clips(card("good.mp4", labels=labels), [good], tmp_path, tmp_path / "index.h5")
    assert "\n" not in str(caught.value) and not (tmp_path / "index.h5").exists()


def test_a_bout_that_ends_a_little_past_the_video_is_cut_and_reported(good: Path, tmp_path: Path) -> None:
    labels = csv(tmp_path / "b.csv", "video,label,start,end\ngood.mp4,groom,50,60\n")
    index_clips(card("good.mp4", labels=labels), [good], tmp_path, tmp_path / "index.h5")
    with open_clips(tmp_path / "index.h5") as reader:
        (found,) = list(reader)
    assert np.flatnonzero(found.labels["action"].values == 1).tolist() == list(range(50, 60))
    assert any("1 labels past the end are cut" in warning for warning in found.warnings)


def test_a_class_of_whole_videos_that_the_card_does_not_know(good: Path, resources: Path, tmp_path: Path) -> None:
    with pytest.raises(
        EthoMakeError, match=r"the class 'grom' is not in the vocabulary; did you mean 'groom'"
    ) as caught:
        index_clips(card("good.mp4", label="grom"), [good], resources, tmp_path / "index.h5")
    assert "\n" not in str(caught.value) and not (tmp_path / "index.h5").exists()
