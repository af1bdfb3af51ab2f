"""Ordinary files that were refused: cases 7 to 20, 29 and 30."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from builders.lab_toy import BV9, boris, card, convert, dlc, spans
from builders.readers import BENTO, ethovision

from workflow_scripts.cards.card import Task, load_card
from workflow_scripts.cli import main
from workflow_scripts.convert.check import check_dataset
from workflow_scripts.convert.propose import Wishes, propose
from workflow_scripts.core.errors import InputError
from workflow_scripts.sources import read_labels, read_tracks

MULTI = {"behaviour": Task(kind="multiclass", vocabulary=["other", "groom", "rear"], background="other")}
BOTH = {"multiclass": "behaviour"}
GROOM = {"groom": Task(kind="binary", vocabulary=["other", "groom"])}


def labels(source: str, path: Path, options, tasks, n_frames: int = 1800, fps: float = 30.0):
    warn: list[str] = []
    return read_labels(source, path, options, n_frames=n_frames, fps=fps, tasks=tasks, warn=warn), warn


def proposed(tmp_path: Path, folder: Path, *more: str):
    assert main(["--root", str(tmp_path), "new-dataset", str(folder), "--name", "lab", *more, "--write"]) == 0
    return load_card(tmp_path / "config" / "datasets" / "lab.yaml")


def events(observation: str, media: str, bouts, durations: str = "60.000", fps: str = "30.000") -> str:
    return "".join(
        f"{observation},60,0,{durations},{fps},,{name},{status},{time:.3f},{media},\n"
        for name, start, stop in bouts
        for time, status in ((start, "START"), (stop, "STOP"))
    )


def test_case_7_one_export_of_several_observations(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    for name in ("m1", "m2"):
        dlc(folder / f"{name}DLC_x.csv", 1800)
    rows = events("o1", "m1.mp4", [("groom", 1, 2)]) + events("o2", "m2.mp4", [("groom", 3, 5), ("rear", 6, 7)])
    (folder / "all.csv").write_text(BV9 + rows)
    made = proposed(tmp_path, folder)
    assert [(s.id, s.labels[0].observation) for s in made.shards] == [("m1", "o1"), ("m2", "o2")]
    found = check_dataset(made, tmp_path)
    assert not found.problems
    assert [brief.counts["behaviour"] for brief in found.briefs] == [
        {"other": 1770, "groom": 30},
        {"other": 1710, "groom": 60, "rear": 30},
    ]


@pytest.mark.parametrize(
    ("rows", "border"),
    [
        ("groom,0,10.01\nrear,10.01,12\n", 300),  # frame 300 is groom's for 0.3 and rear's for 0.7 of its length
        ("groom,0,10.023\nrear,10.023,12\n", 301),
        ("groom,0,10.009\nrear,10.010,12\n", 300),  # stops a millisecond before the next start
        ("groom,0,10.02\nrear,10.01,12\n", 300),  # overlaps by less than a frame
    ],
)
def test_case_8_the_frame_at_a_border_goes_to_whoever_holds_most_of_it(tmp_path: Path, rows: str, border: int) -> None:
    path = tmp_path / "m1.csv"
    path.write_text(f"behavior,start_time,end_time\n{rows}")
    found, _ = labels("csv_events", path, BOTH, MULTI)
    assert spans(found["behaviour"].values == 1) == [(0, border)]
    assert spans(found["behaviour"].values == 2) == [(border, 360)]


def test_case_8_an_overlap_of_frames_is_still_refused(tmp_path: Path) -> None:
    path = tmp_path / "m1.csv"
    path.write_text("behavior,start_time,end_time\ngroom,0,10.2\nrear,10.01,12\n")
    with pytest.raises(InputError, match=r"lines 2 and 3.*overlap by 5\.7 frames"):
        labels("csv_events", path, BOTH, MULTI)


def test_case_9_open_bouts(tmp_path: Path) -> None:
    path = tmp_path / "m1.csv"
    path.write_text(
        BV9 + events("o1", "m1.mp4", [("groom", 1, 2)]) + "o1,60,0,60.000,30.000,,groom,START,50.0,m1.mp4,\n"
    )
    options = {"binary": {"groom": "groom"}}
    with pytest.raises(InputError, match="open_bouts to close or drop"):
        labels("boris", path, options, GROOM)
    closed, warn = labels("boris", path, options | {"open_bouts": "close"}, GROOM)
    assert spans(closed["groom"].values == 1) == [(30, 60), (1500, 1800)]
    assert any("closed at the end" in line for line in warn)
    dropped, warn = labels("boris", path, options | {"open_bouts": "drop"}, GROOM)
    assert spans(dropped["groom"].values == 1) == [(30, 60)]
    assert any("dropped" in line for line in warn)


def test_case_10_times_run_through_the_media_of_an_observation(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    for name in ("a", "b"):
        dlc(folder / f"{name}DLC_x.csv", 1800)
    media = {"durations": "60.000;60.000", "fps": "30.000;30.000"}
    rows = events("o1", "a.mp4", [("groom", 5, 8)], **media) + events("o1", "b.mp4", [("groom", 65, 70)], **media)
    (folder / "session.csv").write_text(BV9.replace("Observation duration", "x") + rows)
    made = proposed(tmp_path, folder)
    assert [(s.id, s.labels[0].observation) for s in made.shards] == [("a", "a.mp4"), ("b", "b.mp4")]
    options = {"binary": {"groom": "groom"}}
    found = {n: labels("boris", folder / "session.csv", options | {"observation": f"{n}.mp4"}, GROOM)[0] for n in "ab"}
    assert spans(found["a"]["groom"].values == 1) == [(150, 240)]
    assert spans(found["b"]["groom"].values == 1) == [(150, 300)]
    with pytest.raises(InputError, match="runs over 2 media"):
        labels("boris", folder / "session.csv", options, GROOM)


def test_case_11_binary_tables_with_a_time_step(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    dlc(folder / "m1DLC_x.csv", 150)
    path = folder / "m1_binary.csv"
    path.write_text(
        "time,groom,rear\n" + "".join(f"{k / 10:g},{int(10 <= k < 20)},{int(k >= 40)}\n" for k in range(50))
    )
    found, _ = labels("binary_table", path, BOTH, MULTI, n_frames=150)
    assert spans(found["behaviour"].values == 1) == [(30, 60)]
    assert spans(found["behaviour"].values == 2) == [(120, 150)]
    same, _ = labels("binary_table", path, BOTH | {"step_s": 0.1}, MULTI, n_frames=150)
    assert (same["behaviour"].values == found["behaviour"].values).all()
    made = proposed(tmp_path, folder, "--fps", "30")
    assert made.tasks["behaviour"].vocabulary == ["other", "groom", "rear"]
    path.write_text("time,groom\n0,0\n0.1,1\n0.2,1\n0.7,0\n")
    with pytest.raises(InputError, match="line 5: the times are not evenly spaced"):
        labels("binary_table", path, {"binary": {"groom": "groom"}}, GROOM, n_frames=20)


def multi_animal(path: Path, frames: int = 40) -> Path:
    """Four header rows: a and b with nose and tail, `single` with cup."""
    owners = [("a", "nose"), ("a", "tail"), ("b", "nose"), ("b", "tail"), ("single", "cup")]
    rows = [
        ["scorer", *["net"] * 15],
        ["individuals", *(who for who, _ in owners for _ in range(3))],
        ["bodyparts", *(part for _, part in owners for _ in range(3))],
        ["coords", *["x", "y", "likelihood"] * 5],
    ]
    rows += [[str(k), *(["5", "6", "0.9"] * 5)] for k in range(frames)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(",".join(row) for row in rows) + "\n")
    return path


def test_case_12_points_of_no_animal_are_left_out_and_said(tmp_path: Path) -> None:
    path = multi_animal(tmp_path / "lab" / "m1DLC_x.csv")
    found = next(read_tracks("deeplabcut", path, {}, recording="m1"))
    assert (found.individuals, found.keypoints) == (("a", "b"), ("nose", "tail"))
    assert "single: cup" in found.warnings[0]
    guess = propose([path.parent])
    assert guess.card["keypoints"] == ["nose", "tail"]
    assert any("single: cup" in line for line in guess.guessed)
    assert propose([path.parent], Wishes(options={"individuals": ["b"]})).card["options"] == {"individuals": ["b"]}


def test_case_13_rows_left_out(tmp_path: Path) -> None:
    path = dlc(tmp_path / "lab" / "m1DLC_x.csv", 100, first=10)
    text = path.read_text().splitlines()
    text[3] = "10,,,,,,"
    path.write_text("\n".join(text) + "\n")
    with pytest.raises(InputError, match="missing_rows: empty"):
        next(read_tracks("deeplabcut", path, {}, recording="m1"))
    found = next(read_tracks("deeplabcut", path, {"missing_rows": "empty"}, recording="m1"))
    assert found.n_frames == 110
    assert np.isnan(found.position[:11]).all()
    assert found.position[11, 0, 0, 0] == 2
    assert "10 of 110 frames have no row" in found.warnings[0]
    guess = propose([path.parent])
    assert guess.card["options"] == {"missing_rows": "empty"}
    assert any("leaves frames out" in line for line in guess.unknown)


def analysis(path: Path, frames: int, tracks=("track_0",), filled=None) -> Path:
    """A SLEAP analysis h5 of two nodes; a track is there in its share of frames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(0).uniform(1, 90, (len(tracks), 2, 2, frames))
    for k, share in enumerate(filled or [1] * len(tracks)):
        values[k, :, :, round(share * frames) :] = np.nan
    with h5py.File(path, "w") as handle:
        handle["tracks"] = values
        handle["node_names"] = [b"nose", b"tail"]
        handle["track_names"] = [name.encode() for name in tracks]
        handle["point_scores"] = np.ones((len(tracks), 2, frames))
        handle["track_occupancy"] = np.ones((frames, len(tracks)))
    return path


def test_case_14_a_table_that_ends_early_is_padded_to_a_stated_length(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    analysis(folder / "m1.analysis.h5", 900)
    boris(folder / "m1.csv", [("groom", 1.0, 2.0), ("rear", 50.0, 52.0)])
    made = proposed(tmp_path, folder)
    assert made.shards[0].frames == 1800
    found = check_dataset(made, tmp_path)
    assert not found.problems
    assert found.briefs[0].n_frames == 1800
    assert any("900 frames without a point are added" in line for line in found.notes)
    assert found.briefs[0].counts["behaviour"]["rear"] == 60
    bare = made.model_copy(update={"shards": [made.shards[0].model_copy(update={"frames": None})]})
    assert any("write frames and start in the sheet" in line for line in check_dataset(bare, tmp_path).problems)


def test_case_14_sleap_csv_without_a_frame(tmp_path: Path) -> None:
    path = tmp_path / "m1.csv"
    rows = [f"track_0,{k},0.9,{k + 1},2,0.8" for k in range(20) if k != 10]
    path.write_text("track,frame_idx,instance.score,nose.x,nose.y,nose.score\n" + "\n".join(rows) + "\n")
    found = next(read_tracks("sleap", path, {}, recording="m1"))
    assert found.n_frames == 20
    assert np.isnan(found.position[10]).all()
    assert found.position[11, 0, 0].tolist() == [12, 2]
    assert found.confidence[0, 0, 0] == np.float32(0.8)
    assert propose([path]).card["keypoints"] == ["nose"]


def test_case_15_tracks_of_other_names(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    analysis(folder / "m1.h5", 100, ("track_0", "track_1"))
    analysis(folder / "m2.h5", 100, ("track_3", "track_9", "track_12"), (0.9, 0.8, 0.05))
    text = "fps: 30\nsource: sleap\nindividuals: [resident, intruder]\n"
    sheet = (
        "recording file individuals\nm1 m1.h5 track_0=resident|track_1=intruder\n"
        "m2 m2.h5 track_3=resident|track_9=intruder"
    )
    made = card(tmp_path, text.replace("source: sleap\n", ""), sheet).model_copy(update={"source": "sleap"})
    assert convert(made, "m1", tmp_path).individuals == ("resident", "intruder")
    with pytest.raises(
        InputError, match=r"resident \(90% of frames\), intruder \(80% of frames\), track_12 \(5% of frames\)"
    ):
        convert(made, "m2", tmp_path)
    kept = convert(made.model_copy(update={"options": {"fullest": 2}}), "m2", tmp_path)
    assert kept.individuals == ("resident", "intruder")
    assert any("track_12 (5%)" in line for line in kept.warnings)
    loose = convert(made.model_copy(update={"unlisted": "leave_out"}), "m2", tmp_path)
    assert np.array_equal(loose.position, kept.position, equal_nan=True)


def test_case_16_three_axes(tmp_path: Path) -> None:
    path = tmp_path / "lab" / "m1DLC_3D.csv"
    path.parent.mkdir()
    head = "scorer,n,n,n,n,n,n\nbodyparts,nose,nose,nose,tail,tail,tail\ncoords,x,y,z,x,y,z\n"
    path.write_text(head + "".join(f"{k},1,2,3,4,5,{k}\n" for k in range(30)))
    guess = propose([path.parent])
    assert guess.card["options"] == {"likelihood": False}
    found = next(read_tracks("deeplabcut", path, {"likelihood": False}, recording="m1"))
    assert found.position.shape == (30, 1, 2, 3)
    assert found.position[7, 0, 1].tolist() == [4, 5, 7]
    made = proposed(tmp_path, path.parent, "--fps", "30")
    checked = check_dataset(made.model_copy(update={"image_size": (640.0, 480.0)}), tmp_path)
    assert (checked.problems, checked.briefs[0].space) == ([], 3)
    flat = check_dataset(made.model_copy(update={"space": 2}), tmp_path)
    assert any("3 coordinates a point" in line for line in flat.problems)


def test_case_16_anipose(tmp_path: Path) -> None:
    path = tmp_path / "m1.csv"
    cells = [f"{p}_{c}" for p in ("nose", "tail") for c in ("x", "y", "z", "error", "ncams", "score")]
    rows = [[str(k), "2", "3", "0.1", "2", "0.9", "4", "5", "6", "0.1", "2", "0.8", str(k)] for k in range(30)]
    path.write_text(",".join([*cells, "fnum"]) + "\n" + "\n".join(",".join(row) for row in rows) + "\n")
    guess = propose([path])
    assert (guess.card["source"], guess.card["keypoints"]) == ("wide_csv", ["nose", "tail"])
    found = next(read_tracks("wide_csv", path, {}, recording="m1"))
    assert found.position.shape == (30, 1, 2, 3)
    assert found.position[9, 0].tolist() == [[9, 2, 3], [4, 5, 6]]
    assert found.confidence[0, 0].tolist() == [np.float32(0.9), np.float32(0.8)]


def test_case_17_bento_in_frames_and_in_seconds(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    dlc(folder / "m1DLC_x.csv", 1800)
    tasks = {"attack": Task(kind="binary", vocabulary=["other", "attack"])}
    options = {"binary": {"attack": "attack"}}
    path = folder / "m1.annot"
    path.write_text(BENTO.format("31\t60\t29"))
    assert spans(labels("bento", path, options, tasks)[0]["attack"].values == 1) == [(30, 60)]
    path.write_text(BENTO.format("1.000\t2.000\t1.000"))
    assert spans(labels("bento", path, options, tasks)[0]["attack"].values == 1) == [(30, 60)]
    made = proposed(tmp_path, folder)
    assert (made.fps, list(made.tasks)) == (30, ["attack"])
    path.write_text(BENTO.format("31\tsixty\t29"))
    with pytest.raises(InputError, match="line 18: expected start, stop and duration"):
        labels("bento", path, options, tasks)


def test_case_18_names_of_sleap_and_chunks_of_a_session(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    for name in ("m1", "m2_00", "m2_01"):
        analysis(folder / f"labels.v001.000_{name}.analysis.h5", 900)
        boris(folder / f"{name}.csv", [("groom", 1.0, 2.0)], duration=30, media=f"{name}.mp4")
    made = proposed(tmp_path, folder)
    assert [(s.id, s.group, len(s.labels)) for s in made.shards] == [
        ("m1", "m1", 1),
        ("m2_00", "m2", 1),
        ("m2_01", "m2", 1),
    ]


def test_case_19_encodings_projects_and_decimal_commas(tmp_path: Path) -> None:
    tasks = {"bite": Task(kind="binary", vocabulary=["other", "bite"])}
    path = tmp_path / "m1.csv"
    path.write_bytes((BV9 + events("o1", "m1.mp4", [("Beißen", 1, 2)])).encode("cp1252"))
    options = {"binary": {"Beißen": "bite"}}
    with pytest.raises(InputError, match=r"line 2: is not UTF-8 text.*encoding: cp1252"):
        labels("boris", path, options, tasks)
    found, _ = labels("boris", path, options | {"encoding": "cp1252"}, tasks)
    assert spans(found["bite"].values == 1) == [(30, 60)]

    commas = tmp_path / "m2.csv"
    commas.write_text("behavior;start_time;end_time\ngroom;1,5;2,5\n")
    found, _ = labels("csv_events", commas, {"binary": {"groom": "groom"}}, GROOM)
    assert spans(found["groom"].values == 1) == [(45, 75)]

    project = tmp_path / "lab" / "study.boris"
    observations = {
        name: {
            "file": {"1": [f"/videos/{name}.mp4"]},
            "media_info": {"length": {f"/videos/{name}.mp4": 60.0}, "fps": {f"/videos/{name}.mp4": 30.0}},
            "time offset": offset,
            "events": [[start + offset, "", "groom", "", "", 0], [start + 1 + offset, "", "groom", "", "", 0],
                       [30.0 + offset, "", "look", "", "", 0]],
        }
        for name, start, offset in (("m1", 1.0, 0.0), ("m2", 5.0, 2.5))
    }  # fmt: skip
    kinds = {"0": {"code": "groom", "type": "State event"}, "1": {"code": "look", "type": "Point event"}}
    for name in observations:
        dlc(project.parent / f"{name}DLC_x.csv", 1800)
    project.write_text(
        json.dumps({"project_format_version": "7.0", "observations": observations, "behaviors_conf": kinds})
    )
    for observation in observations.values():
        for event in observation["events"]:
            event.pop()
    project.write_text(json.dumps({"observations": observations, "behaviors_conf": kinds}))
    made = proposed(tmp_path, project.parent)
    found_all = check_dataset(made, tmp_path)
    assert not found_all.problems
    two = {"multiclass": "t", "observation": "m2"}
    third = {"t": Task(kind="multiclass", vocabulary=["other", "groom", "look"], background="other")}
    values = labels("boris", project, two, third)[0]["t"].values
    assert (spans(values == 1), spans(values == 2)) == ([(150, 180)], [(900, 901)])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_case_20_ethovision(tmp_path: Path, encoding: str) -> None:
    folder = tmp_path / "lab"
    dlc(folder / "m1DLC_x.csv", 300)
    path = ethovision(folder / "Raw data-Trial 1.csv", encoding)
    tasks = {"grooming": Task(kind="binary", vocabulary=["other", "grooming"])}
    options = {"binary": {"grooming": "grooming"}, "encoding": encoding}
    found, _ = labels("ethovision", path, options | {"behaviours": ["grooming"]}, tasks, n_frames=300)
    assert spans(found["grooming"].values == 1) == [(60, 90)]
    both, _ = labels("ethovision", path, options, tasks, n_frames=300)
    assert spans(both["grooming"].mask) == [(30, 300)]  # the program had no value of rearing before 1 s
    made = proposed(tmp_path, folder, "--fps", "30")
    assert [label.source for label in made.shards[0].labels] == ["ethovision"]


def test_case_20_a_spreadsheet_is_refused_with_what_to_export(tmp_path: Path) -> None:
    path = tmp_path / "Raw data-Trial 1.xlsx"
    path.write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(InputError, match=r"is a spreadsheet; expected an EthoVision export of raw data as text"):
        labels("ethovision", path, {"binary": {"groom": "groom"}}, GROOM)


def test_case_29_odd_folders(tmp_path: Path) -> None:
    folder = tmp_path / "rat's data (1)" / "Ünïcode: #2"
    dlc(folder / "no.csv", 60)
    dlc(folder / "1e3DLC_x.csv", 60)
    boris(folder / "labels" / "no_boris.csv", [("groom", 0.5, 1.0)], duration=2, media="no.mp4")
    made = proposed(tmp_path, folder)
    assert [s.id for s in made.shards] == ["1e3", "no"]
    assert not check_dataset(made, tmp_path).problems


def test_case_30_linked_folders_are_searched(tmp_path: Path) -> None:
    dlc(tmp_path / "elsewhere" / "m2DLC_x.csv", 60)
    dlc(tmp_path / "lab" / "day1" / "m1DLC_x.csv", 60)
    (tmp_path / "lab" / "day2").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "lab" / "day1" / "loop").symlink_to(tmp_path / "lab")
    guess = propose([tmp_path / "lab"], Wishes(fps=30))
    assert [row["file"] for row in guess.rows] == ["day1/m1DLC_x.csv", "day2/m2DLC_x.csv"]


def test_long_tables_of_several_videos(tmp_path: Path) -> None:
    rows = [
        {"video_id": video, "video_frame": k, "mouse_id": mouse, "bodypart": part, "x": k, "y": mouse}
        for video in ("v1", "v2")
        for k in range(20)
        for mouse in (1, 2)
        for part in ("nose", "tail")
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "tracking.csv", index=False)
    found = list(read_tracks("long_table", tmp_path / "tracking.csv", {}, recording="x"))
    assert [(one.id, one.position.shape) for one in found] == [("v1", (20, 2, 2, 2)), ("v2", (20, 2, 2, 2))]
    assert found[1].position[7, 1, 0].tolist() == [7, 2]
    assert propose([tmp_path]).card["source"] == "long_table"
