"""Files of the user's own folder are read where they are, and an edit of one plans what is made from it, no more."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from builders.lab_toy import dlc
from builders.videos import frames, write

from workflow_scripts.formats.tracks import open_tracks

FOLDERS = ("config", "envs", "rules", "workflow_scripts", "profiles")
DATA = ["data/lab/splits/fold0.json", "data/lab/leaks.csv", "data/movies/quality.csv"]

LAB = {
    "name": "lab",
    "title": "Three mice",
    "description": "Made up.",
    "licence": "none",
    "citation": ["none"],
    "fps": 30,
    "individuals": ["individual1"],
    "keypoints": ["nose", "tail"],
    "source": "deeplabcut",
    "recordings": "lab.recordings.tsv",
    "labels": [{"source": "bouts_csv", "options": {"multiclass": "behaviour"}}],
    "tasks": {"behaviour": {"vocabulary": ["other", "groom"], "background": "other"}},
    "splits": {"fold": {"folds": [["a"], ["b"], ["c"]]}},
}
MOVIES = {
    **{key: LAB[key] for key in ("title", "description", "licence", "citation", "labels", "tasks")},
    "name": "movies",
    "kind": "clips",
    "source": "videos",
    "options": {"size": 32},
    "recordings": "movies.recordings.tsv",
    "splits": {"official": {"test": ["b"]}},
}
EXPERIMENT = {
    "experiment": "local",
    "datasets": {"lab": {"splits": ["fold"]}, "movies": {"splits": ["official"]}},
    "methods": {"features": {}, "motion_energy": {}},
    "seeds": [0],
}


def bouts(path: Path, stop: int) -> None:
    path.write_text(f"video,label,start,end\nrec,groom,5,{stop}\n")


def rows(condition: str = "control") -> str:
    lines = [f"{name}\t{name}.{{suffix}}\t{name}.labels.csv\t{name}\t{condition}" for name in "abc"]
    return "\n".join(["recording\tfile\tlabels\tanimal\tcondition", *lines]) + "\n"


def snakemake(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "local.yaml", *arguments, "--", *DATA]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=folder, env=os.environ | {"PYTHONPATH": ""}
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout + done.stderr


def plan(folder: Path) -> dict[str, list[str]]:
    """Outputs of each rule of a dry run."""
    found: dict[str, list[str]] = {}
    rule = ""
    for line in snakemake(folder, "-n").splitlines():
        if start := re.match(r"(?:local)?rule (\w+):$", line):
            rule = start[1]
        elif outputs := re.match(r"    output: (.*)$", line):
            found.setdefault(rule, []).append(outputs[1].split(", ")[0])
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose two local datasets are converted."""
    root, folder = Path(__file__).parents[2], tmp_path_factory.mktemp("local")
    for name in FOLDERS:
        shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "requirements.lock"):
        shutil.copy(root / name, folder)
    cards = folder / "config" / "datasets"
    for card, suffix in ((LAB, "csv"), (MOVIES, "mp4")):
        files = folder / "files" / str(card["name"])
        files.mkdir(parents=True)
        for name in "abc":
            bouts(files / f"{name}.labels.csv", 12)
            if suffix == "csv":
                dlc(files / f"{name}.csv", 30, add=ord(name))
            else:
                write(files / f"{name}.mp4", frames(20))
        (cards / f"{card['name']}.yaml").write_text(yaml.safe_dump(card | {"local": str(files)}))
        (cards / f"{card['name']}.recordings.tsv").write_text(rows().format(suffix=suffix))
    (folder / "local.yaml").write_text(yaml.safe_dump(EXPERIMENT))
    snakemake(folder, "--quiet", "all")
    return folder


def test_files_are_read_in_place_and_nothing_is_left_to_do(made: Path) -> None:
    assert not (made / "resources").exists()
    with open_tracks(made / "data/lab/tracks.h5") as reader:
        assert [reader.row(name)["condition"] for name in reader.ids] == ["control"] * 3
    assert plan(made) == {}


def test_a_touched_file_plans_nothing(made: Path) -> None:
    (made / "files/lab/a.csv").touch()
    (made / "files/movies/a.labels.csv").touch()
    assert plan(made) == {}


def test_an_edited_label_file_converts_its_recording_alone(made: Path) -> None:
    path = made / "files/lab/b.labels.csv"
    before = path.read_text()
    bouts(path, 14)
    try:
        found = plan(made)
    finally:
        path.write_text(before)
    assert found.pop("convert") == ["data/lab/recordings/b.h5"]
    assert set(found) == {"tracks", "split", "audit"}


def test_an_edited_annotation_crops_no_video(made: Path) -> None:
    path = made / "files/movies/b.labels.csv"
    before = path.read_text()
    bouts(path, 14)
    try:
        found = plan(made)
    finally:
        path.write_text(before)
    assert set(found) == {"clips"}


def test_an_edited_cell_of_the_sheet_crops_no_video(made: Path) -> None:
    path = made / "config/datasets/movies.recordings.tsv"
    before = path.read_text()
    lines = before.splitlines()
    lines[2] = "b\tb.mp4\tb.labels.csv\tb2\tdrug"
    path.write_text("\n".join(lines) + "\n")
    try:
        found = plan(made)
    finally:
        path.write_text(before)
    assert set(found) == {"clips"}


def test_another_video_is_cropped(made: Path) -> None:
    path = made / "files/movies/c.mp4"
    before = path.read_bytes()
    write(path, frames(22))
    try:
        found = plan(made)
    finally:
        path.write_bytes(before)
    assert found.pop("locate") == ["data/movies/clips/c.mp4"]
    assert set(found) == {"clips"}
