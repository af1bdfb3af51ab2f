"""Silently wrong inputs of people who do this job: cases 1 to 6."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.lab_toy import BV9, boris, card, convert, dlc, spans
from builders.slp import Instance, write_project

from workflow_scripts.cards.card import Task, load_card
from workflow_scripts.cli import main
from workflow_scripts.convert.check import check_dataset
from workflow_scripts.convert.propose import Wishes, propose
from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.sources import read_labels, read_tracks

TASKS = {"groom": Task(kind="binary", vocabulary=["other", "groom"])}
GROOM = {"binary": {"groom": "groom"}}


def groomed(path: Path, n_frames: int = 1800, fps: float = 30.0, **options):
    warn: list[str] = []
    found = read_labels("boris", path, GROOM | options, n_frames=n_frames, fps=fps, tasks=TASKS, warn=warn)["groom"]
    return found, warn


def proposed(tmp_path: Path, folder: Path, *more: str):
    """Write a proposal and load it."""
    assert main(["--root", str(tmp_path), "new-dataset", str(folder), "--name", "lab", *more, "--write"]) == 0
    return load_card(tmp_path / "config" / "datasets" / "lab.yaml")


OFFSET = "o1,40,2.5,60.000,30.000,,groom,START,12.500,m1.mp4,{}\no1,40,2.5,60.000,30.000,,groom,STOP,14.500,m1.mp4,{}\n"


def test_case_1_the_time_offset_is_part_of_the_event_times(tmp_path: Path) -> None:
    path = tmp_path / "m1.csv"
    path.write_text(BV9.replace("Observation duration", "x") + OFFSET.format(300, 360))
    found, warn = groomed(path)
    assert spans(found.values == 1) == [(300, 360)]
    assert any("2.5 s" in line for line in warn)
    path.write_text(
        "Observation id,o1,,,,,,,\nTime offset (s),2.5,,,,,,,\n"
        "Time,Media file path,Total length,FPS,Subject,Behavior,Behavioral category,Comment,Status\n"
        "12.500,m1.mp4,60.000,30.000,,groom,,,START\n14.500,m1.mp4,60.000,30.000,,groom,,,STOP\n"
    )
    assert spans(groomed(path)[0].values == 1) == [(300, 360)]


def test_case_1_image_indices_decide_and_contradictions_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m1.csv"
    path.write_text(BV9 + OFFSET.format(375, 435))
    found, warn = groomed(path, coded="media")
    assert spans(found.values == 1) == [(375, 435)]
    assert any("hold no offset" in line for line in warn)
    path.write_text(BV9 + OFFSET.format(100, 160))
    with pytest.raises(InputError, match="neither with nor without the time offset"):
        groomed(path)


def test_case_2_filtered_tables_are_the_same_recording(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    for number in (1, 2):
        for kind, add in (("", 0.0), ("_filtered", 0.01)):
            dlc(folder / f"m{number}DLC_resnet50_pJan1shuffle1_100{kind}.csv", 60, add=add)
        boris(folder / f"m{number}.csv", [("groom", 0.5, 1.0)], duration=2.0, media=f"m{number}.mp4")
    made = proposed(tmp_path, folder)
    assert [(s.id, s.group, len(s.labels)) for s in made.shards] == [("m1", "m1", 1), ("m2", "m2", 1)]
    assert all(s.file.endswith("_filtered.csv") for s in made.shards)
    assert any("filtered one is used" in line for line in propose([folder]).guessed)


def test_case_3_what_nobody_watched_is_unlabelled(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    dlc(folder / "m1DLC_x.csv", 1800)
    path = boris(folder / "m1.csv", [("groom", 2.0, 4.0), ("groom", 8.0, 9.0)], coded=20)
    found, warn = groomed(path)
    assert spans(found.mask) == [(0, 600)]
    assert any("only 20 s of 60 s" in line and "scored" in line for line in warn)
    assert groomed(path, coded="media")[0].mask.all()
    made = proposed(tmp_path, folder)
    assert made.shards[0].scored == "0-20s"


def test_case_4_a_contradicting_frame_rate_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    dlc(folder / "m1DLC_x.csv", 1800)
    dlc(folder / "m2DLC_x.csv", 1500)
    boris(folder / "m1.csv", [("groom", 10.0, 12.0)], media="m1.mp4")
    boris(folder / "m2.csv", [("groom", 10.0, 12.0)], fps=25, media="m2.mp4", observation="o2")
    made = card(
        tmp_path,
        "fps: 30\nlabels: [{source: boris, options: {binary: {groom: groom}}}]\n"
        "tasks: {groom: {kind: binary, vocabulary: [other, groom]}}\n",
        "recording file labels\nm1 m1DLC_x.csv m1.csv\nm2 m2DLC_x.csv m2.csv",
    )
    assert convert(made, "m1", tmp_path).labels["groom"].values.sum() == 60
    with pytest.raises(InputError, match="states 25 frames a second, and the recording has 30"):
        convert(made, "m2", tmp_path)
    guess = propose([folder])
    assert [(row["recording"], row.get("fps")) for row in guess.rows] == [("m1", None), ("m2", "25")]
    assert (guess.card["fps"], guess.card["resample"]) == (30, 25)
    assert any("resample" in line for line in guess.guessed)


def swapped(path: Path, tracks: int) -> Path:
    """Two instances a frame, at x = 10 and 20, swapped on odd frames; with `tracks` = 2 they have identities."""
    both = [Instance(k, 10.0 + 10 * ((j + k) % 2), (j + k) % 2 if tracks else -1) for k in range(10) for j in range(2)]
    return write_project(path, both, [f"t{k}" for k in range(tracks)])


def test_case_5_instances_without_identity_are_refused(tmp_path: Path) -> None:
    path = swapped(tmp_path / "m1.slp", 0)
    with pytest.raises(InputError, match=r"belong to no track.*untracked: order"):
        next(read_tracks("sleap", path, {}, recording="m1"))
    assert any("belong to no track" in line for line in propose([path]).unknown)
    by_order = next(read_tracks("sleap", path, {"untracked": "order"}, recording="m1"))
    assert by_order.position[:2, 0, 0, 0].tolist() == [10, 20] and "order is taken" in by_order.warnings[0]
    made = next(read_tracks("sleap", swapped(tmp_path / "m2.slp", 2), {}, recording="m2"))
    assert (made.individuals, made.keypoints) == (("t0", "t1"), ("nose", "tail"))
    assert (made.position[:, 0, :, 0] == 10).all() and (made.position[:, 1, :, 0] == 20).all()


def test_case_6_subjects_are_kept_apart(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    dlc(folder / "m1DLC_x.csv", 1800)
    path = boris(folder / "m1.csv", [("sniff", 1.0, 3.0, "r1"), ("sniff", 2.0, 4.0, "r2")])
    tasks = {"sniff": Task(kind="binary", vocabulary=["other", "sniff"])}
    with pytest.raises(InputError, match="'r1', 'r2'"):
        read_labels("boris", path, {"binary": {"sniff": "sniff"}}, n_frames=1800, fps=30, tasks=tasks)
    made = proposed(tmp_path, folder)
    assert list(made.tasks) == ["r1_sniff", "r2_sniff"]
    found = check_dataset(made, tmp_path)
    assert not found.problems
    labelled = {
        task: sum(brief.counts.get(task, {}).get(task, 0) for brief in found.briefs)
        for task in ("r1_sniff", "r2_sniff")
    }
    assert labelled == {"r1_sniff": 60, "r2_sniff": 60}


def test_frame_rate_wishes_do_not_override_what_files_state(tmp_path: Path) -> None:
    dlc(tmp_path / "m1DLC_x.csv", 1800)
    boris(tmp_path / "m1.csv", [("groom", 1.0, 2.0)])
    guess = propose([tmp_path], Wishes(fps=25))
    assert guess.rows[0]["fps"] == "30"
    assert any("--fps 25 contradicts m1 (30)" in line for line in guess.unknown)
    with pytest.raises(ConfigError, match="resample"):
        card(tmp_path, "fps: 25\n", "recording file fps\nm1 m1.csv 30\nm2 m2.csv 25")
