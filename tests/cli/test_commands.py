import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from workflow_scripts.cards.card import load_card
from workflow_scripts.cards.page import human_size, markdown_card, markdown_table
from workflow_scripts.cli import main
from workflow_scripts.convert.propose import Wishes, card_yaml, propose
from workflow_scripts.convert.propose.files import list_files, recording_name
from workflow_scripts.convert.tracks import convert_shard
from workflow_scripts.core.files import read_yaml
from workflow_scripts.simulate import make_file

ROOT = Path(__file__).parents[2]


def twin(name):
    return load_card(ROOT / "config" / "datasets" / f"{name}.yaml")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A user's folder: two sessions tracked and labelled, and things that are neither."""
    folder = tmp_path_factory.mktemp("My Lab 2")
    card = twin("rats_pairs_twin")
    for file in card.files[:4]:
        make_file("rats_pairs", file.path, folder / file.path, {"frames": 500, "long_labels": ["8"]}, card)
    (folder / "notes.txt").write_text("Tuesday: fed late.\n")
    (folder / "dlc_csv" / "CollectedData_me.csv").write_text("scorer,me\nbodyparts,nose\ncoords,x\nimg0.png,1\n")
    return folder


def test_datasets_lists_every_card(capsys):
    assert main(["--root", str(ROOT), "datasets"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.split()[0] for line in lines[1:]]
    assert names == sorted(path.stem for path in (ROOT / "config" / "datasets").glob("*.yaml"))
    assert "twin" in next(line for line in lines if line.startswith("rats_pairs_twin"))
    assert "169 MB" in next(line for line in lines if line.startswith("rats_pairs "))


def test_a_broken_card_does_not_hide_the_others(tmp_path, capsys):
    shutil.copytree(ROOT / "config" / "datasets", tmp_path / "config" / "datasets")
    (tmp_path / "config" / "datasets" / "bad.yaml").write_text("name: bad\nfsp: 3\n")
    assert main(["--root", str(tmp_path), "datasets"]) == 1
    out, err = capsys.readouterr()
    assert "rats_pairs" in out
    assert "'fsp'; did you mean 'fps'?" in err


def test_card_says_what_the_card_says(capsys):
    assert main(["--root", str(ROOT), "card", "calms21_task1"]) == 0
    text = capsys.readouterr().out
    for part in ("8a02654fddae28614ee24a6a082261b8", "NeurIPS", "attack, investigation, mount, other", "## Splits"):
        assert part in text
    assert text == markdown_card(twin("calms21_task1"))
    assert main(["--root", str(ROOT), "card", "mabe22_mouse"]) == 0
    assert "| BAMS | strain | f1/yes | 0.8823 |" in capsys.readouterr().out


def test_an_unknown_name_is_one_sentence_and_status_1():
    done = subprocess.run(
        [sys.executable, "-m", "workflow_scripts.cli", "card", "rats_pair"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr == "There is no dataset 'rats_pair' in config/datasets; did you mean 'rats_pairs'?\n"
    assert not done.stdout


def test_outside_the_project(tmp_path, capsys):
    assert main(["--root", str(tmp_path), "datasets"]) == 1
    assert "--root" in capsys.readouterr().err


def test_sizes_and_cells():
    assert [human_size(n) for n in (None, 12, 3405, 21_494_000)] == ["unknown", "12 bytes", "3.4 kB", "21.5 MB"]
    assert markdown_table(["a"], [["x|y\nz"]]).splitlines()[-1] == "| x\\|y z |"


def test_new_dataset_only_shows_without_write(lab, tmp_path, capsys):
    (tmp_path / "config" / "datasets").mkdir(parents=True)
    root = ["--root", str(tmp_path), "new-dataset", str(lab)]
    assert main(root) == 0
    out = capsys.readouterr().out
    assert "Frames per second" in out.split("Left to you:")[1]
    assert "notes.txt" in out.split("Left out:")[1]
    assert not list((tmp_path / "config" / "datasets").iterdir())
    assert main([*root, "--name", "my lab", "--fps", "30", "--write"]) == 0
    path = tmp_path / "config" / "datasets" / "my_lab.yaml"
    card = load_card(path)
    assert card.local == str(lab.resolve())
    assert [shard.id for shard in card.shards] == ["1", "8"]
    assert card.tasks["S1"].vocabulary[0] == "base"
    assert all((lab / file.path).is_file() for file in card.files)
    before = path.read_bytes()
    assert main([*root, "--name", "my lab", "--write"]) == 1
    assert "exists already" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_folders_beside_the_workspace_are_named_as_they_are(lab, tmp_path, monkeypatch):
    for name in ("RECORDINGS", "LAB"):
        (tmp_path / name).mkdir()
    one = tmp_path / "RECORDINGS" / "a.csv"
    one.write_text("scorer,me,me,me\nbodyparts,nose,nose,nose\ncoords,x,y,likelihood\n" + "0,1.5,2.5,0.9\n" * 50)
    monkeypatch.chdir(tmp_path / "LAB")
    made = propose([Path("../RECORDINGS")], Wishes(fps=30))
    assert made.card["local"] == str((tmp_path / "RECORDINGS").resolve())
    assert made.card["title"] == "Recordings in RECORDINGS"
    assert any(line.startswith("1 individual (") and "1 keypoint (nose)" in line for line in made.found)


def test_the_proposed_card_converts_once_fps_is_given(lab, tmp_path):
    assert main(["--root", str(tmp_path), "new-dataset", str(lab), "--name", "lab", "--fps", "30", "--write"]) == 0
    card = load_card(tmp_path / "config" / "datasets" / "lab.yaml")
    (recording,) = convert_shard(card, card.shard("8"), lab)
    assert recording.position.shape == (500, 2, 5, 2)
    assert recording.labels["S1"].mask.all()


def test_new_dataset_reads_calms21_json(tmp_path):
    card = twin("calms21_twin")
    for file in card.files:
        make_file("calms21", file.path, tmp_path / file.path, {"train": 1, "test": 1, "frames": 20}, card)
    made = propose([tmp_path], Wishes(name="mice")).card
    assert made["source"] == "calms21"
    assert made["tasks"]["behaviour"]["vocabulary"] == ["attack", "investigation", "mount", "other"]
    assert made["fps"] == 30


@pytest.mark.parametrize(
    ("name", "content", "source"),
    [
        ("a.csv", "scorer,n,n,n\nbodyparts,p,p,p\ncoords,x,y,likelihood\n0,1,2,1\n", "deeplabcut"),
        (
            "b.txt",
            "Caltech Behavior Annotator - Annotation File\n\nS1: start end type\n 1 2 base\n",
            "caltech_annotator",
        ),
        ("c2.json", '{"a": 1}', None),
        ("d.csv", "Observation id,x\n\nTime,Media file path,Behavior,Status\n1,m,groom,POINT\n", "boris"),
        ("e.csv", "behavior,start_time,end_time\ngroom,1,2\n", "csv_events"),
        ("e2.csv", "behaviour,start,end\ngroom,1,2\n", "csv_events"),
        ("f.csv", "a,b\n1,2\n", None),
        ("g.h5", "<html>", None),
        ("empty.csv", "", None),
    ],
)
def test_formats_are_recognised_by_content(tmp_path, name, content, source):
    (tmp_path / name).write_text(content)
    recognised = list_files([tmp_path]).recognised
    assert [one.found.source for one in recognised] == ([source] if source else [])


DLC = "scorer,n,n,n\nbodyparts,p,p,p\ncoords,x,y,likelihood\n" + "".join(f"{k},1,2,1\n" for k in range(90))


@pytest.mark.parametrize(
    ("rows", "task"),
    [
        ("groom,0,1\nrear,2,3\n", {"behaviour": ["other", "groom", "rear"]}),
        ("groom,0,2\nrear,1,3\n", {"groom": ["other", "groom"], "rear": ["other", "rear"]}),
    ],
)
def test_overlapping_behaviours_become_tasks_of_their_own(tmp_path, rows, task):
    (tmp_path / "m1DLC_net.csv").write_text(DLC)
    (tmp_path / "m1_events.csv").write_text(f"behavior,start_time,end_time\n{rows}")
    made = propose([tmp_path])
    assert {name: value["vocabulary"] for name, value in made.card["tasks"].items()} == task
    assert made.rows[0]["labels"] == "m1_events.csv"
    overlaps = [line for line in made.guessed if "overlap" in line and "line 2 (groom) and line 3 (rear)" in line]
    assert bool(overlaps) == ("groom" in task)


def test_a_label_file_nobody_matches_is_said(tmp_path):
    for name in ("m1", "m2"):
        (tmp_path / f"{name}DLC_net.csv").write_text(DLC)
    (tmp_path / "zebra.csv").write_text("behavior,start_time,end_time\ngroom,0,1\n")
    made = propose([tmp_path])
    assert any("zebra.csv" in line for line in made.left_out)
    assert "zebra.csv" not in str(made.rows)


def test_a_folder_without_recordings_is_refused(tmp_path, capsys):
    assert main(["new-dataset", str(tmp_path)]) == 1
    assert "holds no tracks, videos or labelled images that EthoMake knows" in capsys.readouterr().err
    assert main(["new-dataset", str(tmp_path / "nowhere")]) == 1
    assert "does not exist" in capsys.readouterr().err


def test_recording_names():
    names = ["12DLC_dlcrnetms5_x.csv", "12_annot.txt", "e3_reencode.csv", "s1.analysis.h5", "DLC_x.csv"]
    assert [recording_name(Path(name)) for name in names] == ["12", "12", "e3", "s1", "DLC_x"]


def test_the_written_yaml_reads_back_as_the_proposal(lab, tmp_path):
    made = propose([lab])
    path = tmp_path / "c.yaml"
    path.write_text(card_yaml(made))
    assert read_yaml(path) == made.card
