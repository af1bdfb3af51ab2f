"""Videos to crops: what comes out, and what is said about videos that cannot be used."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest
from builders import videos as toy
from scipy import ndimage

from workflow_scripts.convert.crop_video import preprocess
from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.detectors.background import _opened
from workflow_scripts.formats.clips import ClipVideo, open_clips, write_clips
from workflow_scripts.metrics.detection import containment
from workflow_scripts.sources.videos import DetectorUse, Options
from workflow_scripts.video.frames import decode, samples
from workflow_scripts.video.metadata import probe

OPTIONS = Options(size=64)


def made(path: Path, tmp_path: Path, options: Options = OPTIONS, name: str = "crop.mp4"):
    return preprocess(path, options, tmp_path / name, recording="one")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy.write(tmp_path_factory.mktemp("video") / "mouse.mp4", toy.frames(120))


def test_boxes_and_windows_hold_the_animal(video: Path, tmp_path: Path) -> None:
    found = made(video, tmp_path)
    assert found.n_frames == 120
    corners = np.array([toy.place(t) for t in range(120)])
    sides = found.boxes[:, 2:] - found.boxes[:, :2]
    assert not np.isnan(found.boxes).any()
    near = np.abs(found.boxes[:, :2] - corners).max(axis=1)
    assert np.median(near) <= 4
    assert (np.median(sides, axis=0) < (34, 30)).all()
    inside = (found.windows[:, :2] <= corners) & (found.windows[:, 2:] >= corners + np.array([24, 20]))
    assert inside.all(axis=1).mean() > 0.95
    square = found.windows[:, 2:] - found.windows[:, :2]
    assert (square == square[0, 0]).all()


@pytest.mark.parametrize(("count", "codec"), [(120, "h264"), (300, "h264"), (60, "raw")])
def test_samples_are_the_frames_of_their_numbers(tmp_path: Path, count: int, codec: str) -> None:
    images = toy.frames(count)
    path = toy.write(tmp_path / "plain.mp4", images)
    # Frames between frames, and frames on which those are built in turn: what a camera's file looks like.
    end, encoder = (".mp4", ["-x264-params", "bframes=3:b-pyramid=normal:keyint=25:scenecut=0"])
    if codec == "raw":
        end, encoder = ".h264", ["-bf", "2"]
    toy.ffmpeg("-i", str(path), "-c:v", "libx264", *encoder, str(tmp_path / f"pyramid{end}"))
    info = probe(tmp_path / f"pyramid{end}")
    whole = [planes.y.copy() for planes in decode(info)]
    found = [(number, planes.y.copy()) for number, planes in samples(info, 20)]
    assert 10 <= len(found) <= 40 and found[0][0] == 0
    for number, y in found:
        np.testing.assert_array_equal(y, whole[number])


def test_an_animal_that_sits_still_is_found(tmp_path: Path) -> None:
    path = toy.write(tmp_path / "still.mp4", toy.frames(60, still=True))
    found = made(path, tmp_path)
    middle = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    assert np.abs(np.nanmedian(middle, axis=0) - (72, 60)).max() < 4


def test_one_box_holds_animals_that_rest_and_animals_that_move(tmp_path: Path) -> None:
    images = toy.frames(100)
    corners = np.array([[toy.place(t), (126, 4) if t < 85 else (20, 90)] for t in range(100)])
    for t, (_, (x, y)) in enumerate(corners):  # the second one rests most of the time
        images[t, y : y + 20, x : x + 24] = 50
    path = toy.write(tmp_path / "two.mp4", images)
    group = {"polarity": "dark", "animals": 2, "level": 0.9}
    found = made(path, tmp_path, Options(size=64, every=1, detector=DetectorUse(options=group)))
    points = np.concatenate([corners + 3, corners + np.array([20, 16])], axis=1)
    assert containment(found.boxes, points) == (1.0, 100)
    one = made(path, tmp_path)
    assert containment(one.boxes, points)[0] < 0.5
    with pytest.raises(ConfigError, match=r"a level above 0\.5 needs a polarity"):
        made(path, tmp_path, Options(detector=DetectorUse(options={"level": 0.9})))


def test_opening_is_scipys() -> None:
    rng = np.random.default_rng(0)
    for shape in ((40, 31), (3, 3), (2, 5), (1, 1)):
        mask = rng.random(shape) < 0.8
        assert np.array_equal(_opened(mask), ndimage.binary_opening(mask))


def test_random_reads_equal_sequential_ones(video: Path, tmp_path: Path) -> None:
    found = made(video, tmp_path)
    with found.open() as reader:
        whole = np.stack([image for _, image in reader.iterate()])
        assert whole.shape == (120, 64, 64, 3)
        for wanted in ([5, 3, 90, 3, 119], [0], list(range(40, 60, 2)), [-4, 500]):
            clipped = np.clip(wanted, 0, 119)
            assert np.array_equal(reader.frames(wanted), whole[clipped])
        assert [number for number, _ in reader.iterate(10, 30, 7)] == [10, 17, 24]


def test_the_crop_shows_what_the_window_says(video: Path, tmp_path: Path) -> None:
    found = made(video, tmp_path)
    with found.open() as reader:
        image = reader.frames([40])[0].mean(axis=2)
    scale = 64 / (found.windows[40, 2] - found.windows[40, 0])
    x, y = (np.array(toy.place(40)) + np.array([12, 10]) - found.windows[40, :2]) * scale
    assert image[int(y), int(x)] < 90
    assert image[2, 2] > 130


def test_the_same_video_gives_the_same_bytes(video: Path, tmp_path: Path) -> None:
    first, second = made(video, tmp_path, name="a.mp4"), made(video, tmp_path, name="b.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert np.array_equal(first.boxes, second.boxes)


def test_pieces_do_not_matter(video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = made(video, tmp_path, name="a.mp4")
    monkeypatch.setattr("workflow_scripts.convert.crop_video.CHUNK", 7)
    second = made(video, tmp_path, name="b.mp4")
    assert np.array_equal(first.windows, second.windows)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_it_survives_the_file(video: Path, tmp_path: Path) -> None:
    found = made(video, tmp_path)
    write_clips(tmp_path / "one.h5", [found])
    with open_clips(tmp_path / "one.h5") as reader:
        back = reader.read("one")
    assert back.path.samefile(found.path)
    assert np.array_equal(back.boxes, found.boxes, equal_nan=True)
    assert back.image_size == (160, 120)


def test_a_held_last_picture_is_cut(tmp_path: Path) -> None:
    images = np.where(toy.frames(50) < 100, 40, 180).astype(np.uint8)  # noise would be refined while the picture is
    path = toy.write(tmp_path / "held.mp4", np.concatenate([images, np.repeat(images[-1:], 30, axis=0)]))
    found = made(path, tmp_path, Options(size=64, cut_held=True))
    assert abs(found.n_frames - 50) <= 1
    assert "is still" in found.warnings[0]


def test_a_region_is_one_animals_picture(tmp_path: Path) -> None:
    images = toy.frames(50, still=True)
    path = toy.write(tmp_path / "two.mp4", np.concatenate([images, images], axis=2))
    found = made(path, tmp_path, Options(size=64, region=(160, 0, 160, 120)))
    middle = np.nanmedian((found.boxes[:, :2] + found.boxes[:, 2:]) / 2, axis=0)
    assert np.abs(middle - (232, 60)).max() < 4
    assert found.image_size == (320, 120)
    with pytest.raises(InputError, match="reaches over its border"):
        made(path, tmp_path, Options(size=64, region=(200, 0, 160, 120)))


@pytest.mark.parametrize("size", [(161, 121), (159, 120), (97, 301)])
def test_odd_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    images = toy.frames(30, *size)
    path = toy.write(tmp_path / "odd.mkv", images, codec="ffv1", pix="yuv444p")
    found = made(path, tmp_path)
    assert found.image_size == size
    assert found.n_frames == 30
    small = toy.write(tmp_path / "odd420.mkv", images, codec="ffv1", pix="yuv420p")
    assert made(small, tmp_path).image_size == size


def test_a_rotated_video_stands_upright(video: Path, tmp_path: Path) -> None:
    for degrees in (90, 180, 270):
        turned = tmp_path / f"turned{degrees}.mp4"
        toy.ffmpeg("-display_rotation", str(degrees), "-i", str(video), "-c", "copy", str(turned))
        found = made(turned, tmp_path)
        assert found.rotation == degrees
        assert found.image_size == ((120, 160) if degrees != 180 else (160, 120))
        x, y = np.array(toy.place(40)) + np.array([12, 10])
        upright = {90: (y, 160 - x), 180: (160 - x, 120 - y), 270: (120 - y, x)}[degrees]
        middle = (found.boxes[40, :2] + found.boxes[40, 2:]) / 2
        assert np.abs(middle - upright).max() < 5


def test_a_varying_frame_rate_is_detected_by_time_stamps(tmp_path: Path) -> None:
    source = toy.write(tmp_path / "even.mp4", toy.frames(90))
    path = tmp_path / "uneven.mkv"
    toy.ffmpeg("-i", str(source), "-vf", "select='lt(n,30)+gte(n,60)'", "-fps_mode", "vfr", str(path))
    info = probe(path)
    assert info.variable
    assert info.fps == pytest.approx(30, rel=0.02)
    found = made(path, tmp_path)
    assert found.n_frames == 60
    assert found.times[30] - found.times[29] == pytest.approx(31 / 30, abs=0.01)
    assert any("frame rate varies" in text for text in found.warnings)


def test_four_frames_are_enough(tmp_path: Path) -> None:
    found = made(toy.write(tmp_path / "four.mp4", toy.frames(4)), tmp_path)
    assert found.n_frames == 4
    with found.open() as reader:
        assert reader.frames([0, 3]).shape == (2, 64, 64, 3)


def test_the_name_does_not_matter(video: Path, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(video.read_bytes())
    assert made(path, tmp_path).n_frames == 120


def _sound(path: Path) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        frame.rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def test_unusable_videos_are_one_sentence(video: Path, tmp_path: Path) -> None:
    whole = video.read_bytes()
    cases = {
        "absent.mp4": (None, "does not exist"),
        "empty.mp4": (b"", "is empty"),
        "text.mp4": (b"not a video at all\n" * 50, "is no readable video"),
        "half.mp4": (whole[: len(whole) // 2], "is no readable video|breaks off|cannot be decoded"),
    }
    for name, (content, says) in cases.items():
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(InputError, match=says) as caught:
            made(path, tmp_path)
        assert str(caught.value).startswith(str(path))
        assert str(caught.value).count("\n") == 0
    _sound(tmp_path / "sound.mp4")
    with pytest.raises(InputError, match="holds no picture, only audio"):
        made(tmp_path / "sound.mp4", tmp_path)
    assert not (tmp_path / "crop.mp4").exists()


def test_a_damaged_middle_leaves_no_file(tmp_path: Path) -> None:
    content = bytearray(toy.write(tmp_path / "good.mkv", toy.frames(80), codec="ffv1", pix="yuv444p").read_bytes())
    (tmp_path / "cut.mkv").write_bytes(content[: len(content) * 2 // 3])
    found = made(tmp_path / "cut.mkv", tmp_path)
    assert 40 <= found.n_frames < 80  # what is there is used: a recording may end with the battery


def test_a_killed_job_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    from workflow_scripts.cards.card import Card, RemoteFile, Shard

    toy.write(tmp_path / "mouse.mp4", toy.frames(400))
    card = Card(
        name="toy",
        title="Toy",
        kind="clips",
        description="-",
        licence="-",
        citation=["-"],
        source="videos",
        options={"size": 64},
        files=[RemoteFile(path="mouse.mp4", urls=["-"])],
        shards=[Shard(id="mouse", tracks="mouse.mp4")],
    )

    def command(folder: str) -> list[str]:
        out = tmp_path / folder
        (tmp_path / "card.json").write_text(card.model_dump_json(exclude_defaults=True))
        stage = [sys.executable, "-m", "workflow_scripts.stages.detect", "--card", str(tmp_path / "card.json")]
        stage += ["--shard", "mouse"]
        return [*stage, "--resources", str(tmp_path), "--video", str(out / "m.mp4"), "--output", str(out / "m.h5")]

    subprocess.run(command("whole"), check=True)
    job = subprocess.Popen(command("killed"))
    part = tmp_path / "killed"
    waited = time.monotonic() + 60
    while not list(part.glob(".*")) and time.monotonic() < waited:
        time.sleep(0.005)
    os.kill(job.pid, signal.SIGKILL)
    job.wait()
    assert not (part / "m.mp4").exists()
    subprocess.run(command("killed"), check=True)
    assert (part / "m.mp4").read_bytes() == (tmp_path / "whole/m.mp4").read_bytes()
    assert (part / "m.h5").read_bytes() == (tmp_path / "whole/m.h5").read_bytes()


def test_metadata_in_another_encoding(tmp_path: Path) -> None:
    """Found by the fuzzer; cameras and editors write titles in the encoding of their country."""
    path = toy.write(tmp_path / "x.mp4", toy.frames(10))
    titled = tmp_path / "titled.mp4"
    toy.ffmpeg("-i", str(path), "-c", "copy", "-metadata", "title=Xaefig", str(titled))
    whole = titled.read_bytes()
    assert whole.count(b"Xaefig") == 1
    titled.write_bytes(whole.replace(b"Xaefig", b"K\xe4fig "))
    assert probe(titled).n_frames == 10
    with ClipVideo(titled, 30.0, 10) as video:
        assert video.n_frames == 10
