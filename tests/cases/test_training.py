"""Cases 22 to 26: what odd recordings and labels do to training and evaluation, in every method."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from builders import videos
from builders.lab_toy import card, convert, dlc
from builders.small_methods import SMALL
from builders.tracks import walkers

from workflow_scripts import methods
from workflow_scripts.core.errors import EthoMakeError, InputError
from workflow_scripts.detectors import make
from workflow_scripts.evaluation.options import IntervalConfig, ProbeConfig
from workflow_scripts.evaluation.probe.probe import run_probe
from workflow_scripts.evaluation.scores.score import score_predictions
from workflow_scripts.formats.embeddings import open_embeddings
from workflow_scripts.formats.splits import Split
from workflow_scripts.formats.tracks import Labels, write_tracks
from workflow_scripts.methods import runs
from workflow_scripts.video.metadata import VideoInfo, probe
from workflow_scripts.views.tracks import TrackView

LENGTHS = {"long0": 260, "long1": 240, "ten": 10, "thirty": 31, "held": 250, "held_ten": 10, "held_thirty": 31}
LONGER: dict[str, dict[str, Any]] = {
    "lisbet": {"window_size": 40, "train_sample": 0.3},
    "daart": {"strong": "act", "sequences": {"sequence_length": 60, "batch_size": 2, "trial_splits": "1;0;0;0"}},
    "bams": {"crop": 60},
}
"""Windows longer than the short recordings."""
TAKEN = {"external", "joint"}
"""Methods that take what others have made."""
OF_TRACKS = [name for name in methods.names() if methods.config_model(name).kind == "tracks" and name not in TAKEN]


def rare(frames: int, labels: dict[str, Labels], *, mounts: bool) -> dict[str, Labels]:
    """A task with a class that one recording alone shows, and a task that nobody ever saw happen."""
    seen = np.ones(frames, bool)
    act = np.zeros(frames, np.int16)
    act[frames // 4 : frames // 2] = 1
    if mounts:
        act[frames // 2 : frames // 2 + 20] = 2
    never = Labels(np.zeros(frames, np.uint8), seen, "frame", "binary", ("other", "never"), "other")
    return {"act": Labels(act, seen, "frame", "multiclass", ("other", "sniff", "mount"), "other"), "never": never}


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> TrackView:
    """Two long recordings and two short ones on both sides; in one no tail is ever seen."""
    folder = tmp_path_factory.mktemp("odd")
    made = []
    for number, (name, frames) in enumerate(LENGTHS.items()):
        one = walkers(name, frames, seed=number, missing=0.02)
        if name == "long1":
            position, confidence = one.position.copy(), one.confidence.copy()
            position[:, :, -1], confidence[:, :, -1] = np.nan, np.nan
            one = replace(one, position=position, confidence=confidence)
        made.append(replace(one, labels=rare(frames, one.labels, mounts=name == "long0")))
    write_tracks(folder / "tracks.h5", made)
    test = [name for name in LENGTHS if name.startswith("held")]
    train = [name for name in LENGTHS if name not in test]
    return TrackView(folder / "tracks.h5", Split("toy", "one", "one", train, [], test, {i: i for i in LENGTHS}))


@pytest.mark.parametrize("name", OF_TRACKS)
def test_cases_23_and_24_every_method_takes_short_recordings_and_absent_points(
    name: str, view: TrackView, tmp_path: Path
) -> None:
    config = methods.parse(name, SMALL.get(name, {}) | LONGER.get(name, {}))
    settings = {"mode": "sound", "options": config.model_dump(mode="json")}
    runs.train(name, settings, view, folder=tmp_path, seed=0)
    metrics = pd.read_csv(tmp_path / "metrics.csv")
    losses = [column for column in metrics if "loss" in column]
    assert not losses or np.isfinite(metrics[losses].to_numpy(float)[~metrics[losses].isna().to_numpy()]).all()
    runs.export_embedder(tmp_path)
    runs.embed(tmp_path / "embedder", view, tmp_path / "embeddings.h5")
    with open_embeddings(tmp_path / "embeddings.h5") as reader:
        for recording, frames in LENGTHS.items():
            rows = reader.read(recording)
            assert len(rows) == frames and np.isfinite(rows).all(), recording


OWN: dict[str, dict[str, Any]] = {
    "boosting": {},
    "daart": {"strong": "act"},
    "lisbet": {"tasks": ["multiclass"], "labels": ["act"]},
}
"""Methods with a head of their own for labels, and how they are given them."""


@pytest.mark.parametrize("trained_on", ["long0", "long1"])
@pytest.mark.parametrize("name", ["probe", *OWN])
def test_case_22_a_class_of_one_recording_and_a_task_that_never_happens(
    name: str, trained_on: str, view: TrackView, tmp_path: Path
) -> None:
    """`mount` is on one side alone, `never` is 0 throughout: both get rows, and what is undefined is empty."""
    other = "long1" if trained_on == "long0" else "long0"
    split = Split("toy", "one", "one", [trained_on, "held"], [], [other], {i: i for i in (trained_on, "held", other)})
    made = TrackView(view.path, split)
    config = methods.parse("raw" if name == "probe" else name, {**SMALL.get(name, {}), **OWN.get(name, {})})
    settings = {"mode": "sound", "options": config.model_dump(mode="json")}
    runs.train("raw" if name == "probe" else name, settings, made, folder=tmp_path, seed=0)
    runs.export_embedder(tmp_path)
    out = tmp_path / "predictions.h5"
    if name == "probe":
        runs.embed(tmp_path / "embedder", made, tmp_path / "embeddings.h5")
        notes = run_probe(tmp_path / "embeddings.h5", view.path, split, ["act", "never"], ProbeConfig(), 0, out)
        assert any("never" in note for note in notes)
        assert any("mount" in note for note in notes) == (trained_on == "long1")
    else:
        runs.predict(tmp_path / "embedder", made, ["act", "never"], out, readout="native")
    table = score_predictions([out], IntervalConfig(resamples=50))
    value = table[table.task == "act"].set_index("metric")["value"]
    assert np.isfinite(value["macro_f1"]) and np.isfinite(value["f1/sniff"])
    assert np.isfinite(value["f1/mount"]) == (trained_on == "long1")  # undefined where no frame of the test is one
    if name == "probe":
        never = table[table.task == "never"].set_index("metric")["value"]
        assert never["accuracy"] == 1 if "accuracy" in never else np.isnan(never["f1/never"])


def test_case_25_a_table_two_rows_longer_than_its_video_is_said(tmp_path: Path) -> None:
    film = videos.write(tmp_path / "m.mp4", videos.frames(100), fps=Fraction(24000, 1001))
    info = probe(film)
    assert (info.n_frames, round(info.fps, 3)) == (100, 23.976)
    boxes, warnings = boxes_from(info, dlc(tmp_path / "m.csv", 102), {})
    assert warnings == [
        "m.csv has 102 frames and the video m.mp4 100; frames are taken by number, and the rows past "
        "its end are left out"
    ]
    assert boxes[99, 0] == boxes[0, 0] + 99
    with pytest.raises(InputError, match=r"m\.csv: has 104 frames and the video m\.mp4 100"):
        boxes_from(info, dlc(tmp_path / "m.csv", 104), {})


def test_case_25_irregular_time_stamps_are_followed(tmp_path: Path) -> None:
    """A camera dropped every tenth frame; its table was made of a copy that has all of them."""
    film = probe(videos.write(tmp_path / "m.mp4", videos.frames(90)))
    kept = np.setdiff1d(np.arange(100), np.arange(5, 100, 10))
    irregular = replace(film, times=kept / 30.0, variable=True)
    boxes, warnings = boxes_from(irregular, dlc(tmp_path / "m.csv", 100), {})
    assert "m.csv has 100 frames and the video m.mp4 90" in warnings[0] and "aligned by time" in warnings[0]
    np.testing.assert_allclose(boxes[:, 0] - boxes[0, 0], kept)
    same, none = boxes_from(irregular, dlc(tmp_path / "m.csv", 90), {})
    assert not none
    np.testing.assert_allclose(same[:, 0] - same[0, 0], np.arange(90))


def boxes_from(info: VideoInfo, table: Path, options: dict[str, Any]) -> tuple[np.ndarray, list[str]]:
    chosen = {"path": table.name, "source": "deeplabcut", "grow": 0, "options": options}
    detector = make("from_tracks", chosen, table.parent)
    detector.fit(info, [], None)
    return detector.detect([], list(range(info.n_frames))), detector.warnings


SEVEN = ("nose", "ear_l", "ear_r", "neck", "hip_l", "hip_r", "tail")


def test_case_26_a_table_of_fewer_points_than_the_model(tmp_path: Path) -> None:
    dlc(tmp_path / "files" / "m1.csv", 90, points=SEVEN)
    dlc(tmp_path / "files" / "m2.csv", 90, points=SEVEN[:-1])
    sheet = "recording file\nm1 m1.csv\nm2 m2.csv"
    listed = f"fps: 30\nkeypoints: [{', '.join(SEVEN)}]\nindividuals: [individual1]\n"
    with pytest.raises(InputError, match=r"m2\.csv.*tail.*absent: empty"):
        convert(card(tmp_path, listed, sheet), "m2", tmp_path)
    filled = convert(card(tmp_path, listed + "absent: empty\n", sheet), "m2", tmp_path)
    assert filled.keypoints == SEVEN and np.isnan(filled.position[:, 0, -1]).all()
    assert any("filled with NaN" in line and "tail" in line for line in filled.warnings)
    fewer = listed.replace(", tail]", "]")
    with pytest.raises(InputError, match=r"m1\.csv.*tail.*unlisted: leave_out"):
        convert(card(tmp_path, fewer, sheet), "m1", tmp_path)
    subset = convert(card(tmp_path, fewer + "unlisted: leave_out\n", sheet), "m1", tmp_path)
    assert subset.keypoints == SEVEN[:-1] and any("tail" in line for line in subset.warnings)


@pytest.mark.parametrize("name", ["features", "raw"])
def test_case_26_a_model_of_seven_points_embeds_a_recording_whose_absent_point_is_empty(
    name: str, view: TrackView, tmp_path: Path
) -> None:
    runs.train(name, {"mode": "sound", "options": {}}, view, folder=tmp_path, seed=0)
    runs.export_embedder(tmp_path)
    model, config = runs.load_embedder(tmp_path / "embedder")
    whole = next(iter(view.test()))
    with pytest.raises(EthoMakeError, match="tail"):
        runs.spec_of(config).check(replace(whole, keypoints=whole.keypoints[:-1], position=whole.position[:, :, :-1]))
    position = whole.position.copy()
    position[:, :, -1] = np.nan
    empty = replace(whole, position=position)
    runs.spec_of(config).check(empty)
    rows = methods.load(name).embed(model, empty)
    assert rows.shape[0] == whole.n_frames and np.isfinite(rows).all()
