"""`ethomake check`: what used to be called valid and died later on (findings: fault 9; cases 21 to 24, 26)."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from builders.lab_toy import boris, card, convert, dlc

from workflow_scripts.cards.card import Task
from workflow_scripts.cli import main
from workflow_scripts.cli.check import experiment_problems
from workflow_scripts.convert.check import check_dataset
from workflow_scripts.convert.check.picture import label_colours
from workflow_scripts.convert.quality import quality_tables
from workflow_scripts.convert.splits import make_splits
from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.experiment.experiment import named_experiment
from workflow_scripts.formats.track_index import index_tracks
from workflow_scripts.plotting.style import QUIET
from workflow_scripts.stages.convert import work as convert_stage

ROOT = Path(__file__).parents[2]
LABELS = (
    "labels: [{source: boris, options: {binary: {groom: groom}}}]\n"
    "tasks: {groom: {kind: binary, vocabulary: [other, groom]}}\n"
)
REAR = LABELS.replace("{groom: {kind", "{rear: {kind: binary, vocabulary: [other, rear]}, groom: {kind")
SHEET = "recording file labels group\nm1 m1.csv m1_b.csv g1\nm2 m2.csv m2_b.csv g2\nm3 m3.csv - g3"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Three recordings, two of them labelled."""
    for number in (1, 2, 3):
        dlc(tmp_path / "files" / f"m{number}.csv", 300, add=number)
        if number < 3:
            boris(tmp_path / "files" / f"m{number}_b.csv", [("groom", 1.0, 3.0)], duration=10, media=f"m{number}.mp4")
    return tmp_path


def problems(files: Path, text: str, sheet: str = SHEET, labels: str = LABELS) -> str:
    return "\n".join(check_dataset(card(files, labels + text, sheet), files).problems)


def test_a_valid_dataset_is_drawn(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card(files, LABELS + "fps: 30\nsplits: {fold: {folds: [[g1], [g2]]}}\n", SHEET)
    assert main(["--root", str(files), "check", "lab"]) == 0
    out = capsys.readouterr().out
    assert "is valid (3 recordings of 3 files opened)" in out
    assert "1 recordings have no label and are never held out by folds: m3" in out
    assert (files / "data" / "lab" / "check.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "states no fps, and neither does the card"),
        ("fps: 30\nsplits: {fold: {folds: [[g1], [g22]]}}\n", "no recording is of group 'g22'"),
        ("fps: 30\nsplits: {fold: {folds: [[g1], [g2, g1]]}}\n", "'g1' is held out in two folds"),
        ("fps: 30\nsplits: {fold: {folds: [[g1], [g3]]}}\n", "holds out groups without a label (g3)"),
        ("fps: 30\nsplits: {s: {train: [g1], test: [g1]}}\n", "on both sides"),
        ("fps: 30\noptions: {likelyhood: false}\n", "did you mean 'likelihood'"),
        ("fps: 30\nindividuals: [a, b]\n", "has the individuals individual1"),
        ("fps: 30\nspace: 3\n", "2 coordinates a point"),
        ("fps: 25\n", "states 30 frames a second, and the recording has 25"),
        ("fps: 30\nrename: {keypoints: {nose: snout}}\nkeypoints: [nose, tail]\n", "rename gives a keypoint 'snout'"),
    ],
)
def test_what_the_card_says_wrong(files: Path, text: str, words: str) -> None:
    assert words in problems(files, text)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (LABELS.replace("binary: {groom", "binray: {groom"), "did you mean 'binary'"),
        (LABELS.replace("{groom: groom}}}", "{groom: grom}}}"), "'grom' is not in the card; did you mean 'groom'"),
        (LABELS.replace("source: boris", "source: BORIS"), "There is no label source 'BORIS'"),
        (REAR, "'rear' is labelled in no recording"),
    ],
)  # fmt: skip
def test_what_the_label_options_say_wrong(files: Path, labels: str, words: str) -> None:
    assert words in problems(files, "fps: 30\n", labels=labels)


def test_absent_files_and_folders(files: Path) -> None:
    (files / "files" / "m2.csv").unlink()
    assert "1 files are not below" in problems(files, "fps: 30\n")
    shutil.rmtree(files / "files")
    assert "does not exist; correct local" in problems(files, "fps: 30\n")


def test_two_groups_of_one_file(files: Path) -> None:
    sheet = "recording file group\nm1 m1.csv g1\nagain m1.csv g2"
    assert "are of one file, m1.csv, and of two groups" in problems(files, "fps: 30\n", sheet, "")


def test_what_is_odd_is_noted(files: Path) -> None:
    dlc(files / "files" / "m4.csv", 10)
    boris(files / "files" / "m1_b.csv", [("groom", 1.0, 3.0), ("mount", 4.0, 5.0)], duration=10)
    labels = LABELS.replace("{groom: groom}", "{groom: groom, mount: mount}").replace(
        "{groom: {kind", "{mount: {kind: binary, vocabulary: [other, mount]}, groom: {kind"
    )
    text = "fps: 30\nsplits: {fold: {folds: [[g1], [g2]]}}\n"
    found = check_dataset(card(files, labels + text, SHEET + "\nm4 m4.csv - g4"), files)
    notes = "\n".join(found.notes)
    assert not found.problems
    assert "mount: 'mount' occurs in one recording only" in notes  # case 22
    assert "fold0: mount/mount is held out and in no training recording" in notes
    assert "m4 has only 10 frames" in notes  # case 24


@pytest.mark.parametrize(
    ("names", "background", "grey"),
    [(["other", "groom"], "other", True), (["no Freezing", "Freezing"], None, True), (["other", "groom"], None, False)],
)
def test_the_background_is_grey_in_the_picture(names: list[str], background: str | None, grey: bool) -> None:
    task = Task(kind="multiclass", vocabulary=names, background=background)
    assert (QUIET in label_colours(task, names)) == grey


def test_a_fold_without_a_label_of_a_task_is_named(files: Path) -> None:
    """Runs stop on such a fold, minutes after they began."""
    boris(files / "files" / "m3_b.csv", [("rear", 1.0, 3.0)], duration=10, media="m3.mp4")
    labels = (
        "labels: [{source: boris, match: 'm[12]_b.csv', options: {binary: {groom: groom}}}, "
        "{source: boris, match: m3_b.csv, options: {binary: {rear: rear}}}]\n"
        "tasks: {groom: {kind: binary, vocabulary: [other, groom]}, rear: {kind: binary, vocabulary: [other, rear]}}\n"
    )
    text = "fps: 30\nsplits: {fold: {folds: [[g1], [g2], [g3]]}}\n"
    found = check_dataset(card(files, labels + text, SHEET.replace("m3.csv -", "m3.csv m3_b.csv")), files)
    notes = "\n".join(found.notes)
    assert not found.problems
    assert "fold0: no test recording (m1) has a label of rear, so runs on it stop; name other groups" in notes
    assert "fold2: no test recording (m3) has a label of groom" in notes
    assert "fold2: no train recording (m1, m2) has a label of rear" in notes
    assert "fold0: no test recording (m1) has a label of groom" not in notes


def test_case_23_a_recording_without_a_point_is_said_and_one_without_a_tail_kept(files: Path) -> None:
    for name, column in (("m2", ("nose",)), ("m3", ())):
        lines = (files / "files" / f"{name}.csv").read_text().splitlines()
        body = [
            ",".join([line.split(",")[0], *(line.split(",")[1:4] if "nose" in column else [""] * 3), "", "", ""])
            for line in lines[3:]
        ]
        (files / "files" / f"{name}.csv").write_text("\n".join(lines[:3] + body) + "\n")
    made = card(files, LABELS + "fps: 30\n", SHEET)
    kept = convert(made, "m2", files)
    assert np.isnan(kept.position[:, 0, 1]).all()
    assert not np.isnan(kept.position[:, 0, 0]).any()
    with pytest.raises(InputError, match="has not one point"):
        convert(made, "m3", files)
    left_out = "m3.csv: the recording 'm3' has not one point; track it again to use it. It is left out."
    splits = "splits: {fold: {folds: [[g1, g3], [g2]]}}\n"
    found = check_dataset(card(files, LABELS + "fps: 30\n" + splits, SHEET), files)
    assert not found.problems
    assert any(note.endswith(left_out) for note in found.notes)
    alone = problems(files, "fps: 30\nsplits: {mine: {train: [g1, g2], test: [g3]}}\n")
    assert (
        "has no test recording; the recordings of g3 are quarantined, as they cannot be used: name other groups"
        in alone
    )
    (files / "files" / "m1.csv").write_text((files / "files" / "m3.csv").read_text())
    (files / "files" / "m2.csv").write_text((files / "files" / "m3.csv").read_text())
    assert "Not one recording has a point" in problems(files, "fps: 30\n")


def test_case_23_a_recording_without_a_point_is_left_out_by_the_workflow(
    files: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The job ends well, says so, and what is made of the others is an index with a row for the report."""
    lines = (files / "files" / "m3.csv").read_text().splitlines()
    lines[3:] = [line.split(",")[0] + "," * 6 for line in lines[3:]]
    (files / "files" / "m3.csv").write_text("\n".join(lines) + "\n")
    made = card(files, LABELS + "fps: 30\nsplits: {fold: {folds: [[g1, g3], [g2]]}}\n", SHEET)
    shards = [files / f"{shard.id}.h5" for shard in made.shards]
    (files / "card.json").write_text(made.model_dump_json(exclude_defaults=True))
    for shard, output in zip(made.shards, shards, strict=True):
        convert_stage(
            argparse.Namespace(card=files / "card.json", shard=shard.id, resources=files / "files", output=output)
        )
    assert "m3" in caplog.text
    assert "It is left out." in caplog.text
    index_tracks(files / "tracks.h5", shards)
    quality, _ = quality_tables(files / "tracks.h5")
    (row,) = quality[quality["status"] == "quarantined"].to_dict("records")
    assert row["recording"] == "m3"
    assert "has not one point" in row["warnings"]
    assert [split.test for split in make_splits(files / "tracks.h5", made)] == [["m1"], ["m2"]]


def experiment(files: Path, **config: object) -> list[str]:
    card(
        files,
        LABELS + "fps: 30\nindividuals: [mouse]\nkeypoints: [nose, tail]\nsplits: {fold: {folds: [[g1], [g2]]}}\n",
        SHEET,
    )
    values = {"experiment": "e", "datasets": {"lab": {"splits": ["fold"]}}, "methods": {}} | config
    path = files / "e.yaml"
    path.write_text(yaml.safe_dump(values))
    shutil.copy(ROOT / "config" / "published.yaml", files / "config" / "published.yaml")
    return experiment_problems(named_experiment(files, str(path)))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"methods": {"daart": {"strong": "grom"}}}, "strong names the task 'grom'"),
        ({"methods": {"daart": {"weak": "heuristics"}}}, "weak names the task 'heuristics'"),
        ({"methods": {"lisbet": {"labels": ["rear"]}}}, "labels names the task 'rear'"),
        ({"methods": {"lisbet": {}}}, "cons and shift need two individuals"),
        ({"methods": {"features": {"roles": {"front": ["snout"]}}}}, "roles names the keypoint 'snout'"),
        ({"methods": {"mvd": {}}}, "The method 'mvd' reads clips"),
    ],
)
def test_experiments_that_would_die_later(files: Path, config: dict, words: str) -> None:
    assert any(words in line for line in experiment(files, **config))


def test_motifs_of_a_method_that_is_not_listed_are_refused(files: Path) -> None:
    with pytest.raises(ConfigError, match=r"motifs\.method: 'lisbet' is not listed under methods"):
        experiment(files, methods={"features": {}}, motifs={})


def test_a_file_that_options_name_is_looked_for(files: Path) -> None:
    named = {"lisbet": {"load_backbone": "weights/none.pt"}}
    assert any("there is no file weights/none.pt" in line for line in experiment(files, methods=named))


def test_an_experiment_that_is_right_has_no_problem(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert experiment(files, methods={"features": {}}) == []
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert any("umap-learn" in line for line in experiment(files, methods={"features": {}}, umap=True))


def test_an_experiment_of_final_models_alone_is_right_and_checked(files: Path) -> None:
    finals = {"datasets": {"lab": {"splits": ["all"]}}}
    assert experiment(files, methods={"features": {}}, **finals) == []
    assert any(
        "names the task 'grom'" in line for line in experiment(files, methods={"daart": {"strong": "grom"}}, **finals)
    )


def test_every_experiment_of_the_project_is_valid() -> None:
    for path in sorted((ROOT / "config" / "experiments").glob("*.yaml")):
        if not yaml.safe_load(path.read_text()).get("umap"):
            assert experiment_problems(named_experiment(ROOT, path.stem)) == [], path.stem


def test_an_unknown_name_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", str(ROOT), "check", "rats_pair"]) == 1
    said = capsys.readouterr().err
    assert "neither a dataset nor an experiment 'rats_pair'; did you mean 'rats_pairs'?" in said
    assert main(["--root", str(ROOT), "check", "mine"]) == 1
    said = capsys.readouterr().err
    assert "calms21_twin" in said and "real_full" in said
    with pytest.raises(ConfigError):
        named_experiment(ROOT, "rats_pair")
