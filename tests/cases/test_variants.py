"""More inputs of the same kinds: other layouts, names and wishes of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import videos
from builders.lab_toy import BV9, boris, dlc, spans

from workflow_scripts.cards.card import Task, load_card
from workflow_scripts.cli import main
from workflow_scripts.convert.check import check_dataset
from workflow_scripts.convert.propose import Wishes, propose
from workflow_scripts.convert.splits import divide
from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.sources import read_labels

GROOM = {"groom": Task(kind="binary", vocabulary=["other", "groom"])}
OPTIONS = {"binary": {"groom": "groom"}}


def groomed(path: Path, n_frames: int = 1800, **options) -> list[tuple[int, int]]:
    found = read_labels("boris", path, OPTIONS | options, n_frames=n_frames, fps=30, tasks=GROOM)["groom"]
    return spans(found.values == 1)


AGGREGATED = (
    "Observation id{0}Observation date{0}Media file{0}Total length{0}FPS{0}Subject{0}Behavior{0}Behavior type{0}"
    "Start (s){0}Stop (s)\n"
)


@pytest.mark.parametrize(("sign", "comma"), [(",", False), ("\t", False), (";", True)])
def test_one_aggregated_export_of_all_sessions(tmp_path: Path, sign: str, comma: bool) -> None:
    folder = tmp_path / "lab"
    rows = ""
    for number in (1, 2, 10):
        dlc(folder / f"m{number}DLC_resnet_x_el_filtered.csv", 1800, add=number)
        cells = [
            f"obs {number}",
            "2024",
            rf"C:\videos\m{number}.mp4",
            "60.000",
            "30.0",
            "",
            "groom",
            "STATE",
            f"{number}.5",
            f"{number + 1}.5",
        ]
        rows += sign.join(cell.replace(".", ",") if comma and cell[:1].isdigit() else cell for cell in cells) + "\n"
    (folder / "all sessions.csv").write_text(AGGREGATED.format(sign) + rows)
    assert main(["--root", str(tmp_path), "new-dataset", str(folder), "--name", "lab", "--write"]) == 0
    made = load_card(tmp_path / "config" / "datasets" / "lab.yaml")
    assert [(s.id, s.labels[0].observation) for s in made.shards] == [
        ("m1", "obs 1"),
        ("m2", "obs 2"),
        ("m10", "obs 10"),
    ]
    assert made.fps == 30
    found = check_dataset(made, tmp_path)
    assert not found.problems
    assert [brief.counts["groom"]["groom"] for brief in found.briefs] == [30, 30, 30]


def test_image_indices_may_be_absent_or_na(tmp_path: Path) -> None:
    rows = "o,60,2.5,60.0,30.0,,groom,START,12.5,m.mp4,NA\no,60,2.5,60.0,30.0,,groom,STOP,14.5,m.mp4,\n"
    (tmp_path / "m.csv").write_text(BV9 + rows)
    assert groomed(tmp_path / "m.csv") == [(300, 360)]


def test_two_cameras_at_one_time_are_not_one_after_the_other(tmp_path: Path) -> None:
    rows = "".join(
        f"o,60,0,60.0;60.0,30.0;30.0,,groom,{status},{time},{media},\n"
        for status, time, media in (
            ("START", 5, "a.mp4"),
            ("STOP", 8, "a.mp4"),
            ("START", 20, "b.mp4"),
            ("STOP", 21, "b.mp4"),
        )
    )
    (tmp_path / "s.csv").write_text(BV9.replace("Observation duration", "x") + rows)
    assert groomed(tmp_path / "s.csv") == [(150, 240), (600, 630)]


def test_a_bout_over_the_border_of_two_media_is_in_both(tmp_path: Path) -> None:
    rows = "".join(
        f"o,120,0,60.0;60.0,30.0;30.0,,groom,{status},{time},{media},\n"
        for status, time, media in (("START", 58, "a.mp4"), ("STOP", 61, "b.mp4"))
    )
    (tmp_path / "s.csv").write_text(BV9 + rows)
    assert groomed(tmp_path / "s.csv", observation="a.mp4") == [(1740, 1800)]
    assert groomed(tmp_path / "s.csv", observation="b") == [(0, 30)]


def test_bouts_past_the_end_are_cut_and_said(tmp_path: Path) -> None:
    warn: list[str] = []
    path = boris(tmp_path / "m.csv", [("groom", 58.0, 70.0)])
    read_labels("boris", path, OPTIONS, n_frames=1800, fps=30, tasks=GROOM, warn=warn)
    assert any("1 bouts run past the last of 1800 frames and are cut" in line for line in warn)


def test_a_second_person_does_not_stop_the_conversion(tmp_path: Path) -> None:
    dlc(tmp_path / "m1DLC_x.csv", 60)
    for name in ("anna", "ben"):
        boris(tmp_path / f"m1_{name}.csv", [("groom", 0.1, 0.5)], duration=2)
    made = propose([tmp_path])
    assert made.rows[0]["labels"] == "m1_anna.csv"
    assert any("two people" in line and "m1_ben.csv" in line for line in made.left_out)


def test_events_of_many_videos_in_one_csv(tmp_path: Path) -> None:
    for name in ("m1", "m12"):
        dlc(tmp_path / f"{name}DLC_x.csv", 90)
    (tmp_path / "annotations.csv").write_text(
        "recording,behaviour,start,stop\nm1.mp4,groom,0.5,1.0\nm12.mp4,groom,1.0,2.0\nm12.mp4,rear,2.2,2.5\n"
    )
    made = propose([tmp_path], Wishes(fps=30))
    assert [(row["recording"], row["observation"]) for row in made.rows] == [("m1", "m1.mp4"), ("m12", "m12.mp4")]
    assert made.card["labels"][0]["options"] == {"unit": "second", "multiclass": "behaviour"}


def test_pattern_and_conditions_fill_the_sheet(tmp_path: Path) -> None:
    for name in ("r1_drug_day1", "r2_veh_day1", "r1_drug_day2", "odd"):
        dlc(tmp_path / "t" / f"{name}.csv", 60)
    table = tmp_path / "animals.csv"
    table.write_text("animal;sex;condition\nr1;f;cno\nr2;m;saline\nr9;m;cno\n")
    made = propose([tmp_path / "t"], Wishes(fps=30, pattern="{animal}_{condition}_day{day}", conditions=table))
    rows = {row["recording"]: row for row in made.rows}
    assert rows["r1_drug_day2"] | {"file": ""} == {
        "recording": "r1_drug_day2", "file": "", "labels": "", "observation": "", "group": "r1", "animal": "r1",
        "condition": "cno", "day": "2", "sex": "f",
    }  # fmt: skip
    assert any("odd.csv" in line for line in made.left_out)
    assert any("r9" in line for line in made.unknown)
    with pytest.raises(ConfigError, match="No file fits"):
        propose([tmp_path / "t"], Wishes(pattern="{animal}-{day}"))
    table.write_text("mouse,condition\nr1,x\n")
    with pytest.raises(InputError, match="has no column recording, animal or group"):
        propose([tmp_path / "t"], Wishes(conditions=table))


def test_case_21_recordings_without_labels_train_and_are_never_held_out(tmp_path: Path) -> None:
    """Ten tables and four label files: every fold holds out a labelled recording, and all the others train."""
    folder = tmp_path / "lab"
    for number in range(10):
        dlc(folder / f"m{number}DLC_x.csv", 300, add=number)
        if number < 4:
            boris(folder / f"m{number}.csv", [("groom", 1.0, 3.0)], duration=10, media=f"m{number}.mp4")
    assert main(["--root", str(tmp_path), "new-dataset", str(folder), "--name", "lab", "--write"]) == 0
    made = load_card(tmp_path / "config" / "datasets" / "lab.yaml")
    found = check_dataset(made, tmp_path)
    assert not found.problems
    assert any("6 recordings have no label and are never held out by folds" in line for line in found.notes)
    groups = {f"m{number}": f"m{number}" for number in range(10)}
    labelled = {f"m{number}" for number in range(4)}
    sides = [divide(made, name, groups, labelled, set()) for name in made.split_names("fold")]
    assert sorted(name for side in sides for name in side["test"]) == sorted(labelled)
    assert all(set(side["train"]) == set(groups) - set(side["test"]) for side in sides)


def test_every_proposed_fold_has_labels_of_every_channel(tmp_path: Path) -> None:
    """A channel that few sessions have is held out in each fold, in fewer folds where need be."""
    head = "Caltech Behavior Annotator - Annotation File\n\nConfiguration file:\nbase\tb\nrun\tr\nbite\ti\n\n"
    table = "{}:\tstart\tend\ttype\n-----------------------------\n\t1\t30\tbase\n\t31\t60\t{}\n\n"
    for number in range(9):
        dlc(tmp_path / "t" / f"{number}DLC_x.csv", 60)
        both = table.format("S1", "run") + (table.format("S2", "bite") if number < 3 else "")
        (tmp_path / "t" / f"{number}_annot.txt").write_text(head + both)
    made = propose([tmp_path / "t"], Wishes(fps=30))
    folds = made.card["splits"]["fold"]["folds"]
    assert len(folds) == 3
    assert sorted(name for fold in folds for name in fold) == [str(k) for k in range(9)]
    assert all(set(fold) & {"0", "1", "2"} for fold in folds)
    assert any("spread over the folds" in line for line in made.guessed)


def test_classes_of_whole_videos_are_spread_over_the_folds(tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    for name in ("itch", "groom", "rear"):
        for animal in range(8):
            videos.write(tmp_path / "v" / f"{name}_{animal}.mp4", videos.frames(4))
    made = propose([tmp_path / "v"], Wishes(pattern="{label}_{day}"))
    folds = made.card["splits"]["fold"]["folds"]
    assert [len({name.split("_")[0] for name in fold}) for fold in folds] == [3] * 5
    panels = propose([tmp_path / "v"], Wishes(panels=2, pattern="{label}_{day}"))
    assert len(panels.rows) == 48
    assert any("--option cut_held=true" in line for line in panels.unknown)
    said = propose([tmp_path / "v"], Wishes(panels=2, pattern="{label}_{day}", options={"cut_held": True}))
    assert said.card["options"] == {"cut_held": True}
    assert not any("cut_held" in line for line in said.unknown)


def test_several_places_and_wrong_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dlc(tmp_path / "tracks" / "m1DLC_x.csv", 60)
    boris(tmp_path / "scores" / "m1.csv", [("groom", 0.1, 0.5)], duration=2)
    made = propose([tmp_path / "tracks", tmp_path / "scores"])
    assert (made.rows[0]["file"], made.rows[0]["labels"]) == ("tracks/m1DLC_x.csv", "scores/m1.csv")
    assert main(["new-dataset", str(tmp_path), "--option", "fullest"]) == 1
    assert "expected KEY=VALUE" in capsys.readouterr().err
    assert main(["new-dataset", str(tmp_path), "--fps", "-3"]) == 1
    assert "--fps must be positive" in capsys.readouterr().err
    assert main(["new-dataset", str(tmp_path), "--option", "likelyhood=false"]) == 1
    assert "did you mean 'likelihood'" in capsys.readouterr().err


def test_one_csv_header_is_nobodys_by_accident(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("mouse,weight,genotype\nr1,22.5,wt\n")
    dlc(tmp_path / "m1DLC_x.csv", 60)
    assert any("table.csv" in line for line in propose([tmp_path]).left_out)
