"""Labels and predictions in the files of other programs, read back by our readers of those files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workflow_scripts.cards.card import Task
from workflow_scripts.cli import main
from workflow_scripts.formats.predictions import Prediction, create_predictions
from workflow_scripts.formats.tracks import Labels, Recording, open_tracks, write_tracks
from workflow_scripts.sources import read_labels
from workflow_scripts.sources.boris import Options, read_bouts

FPS = 25.0
TRUTH = np.repeat([0, 1, 2, 1, 0], [10, 5, 20, 1, 14])
NAMES = ("other", "chase", "rear, <high> & fast")


def recording(name: str, individuals: tuple[str, ...], known: int = 50) -> Recording:
    position = np.random.default_rng(0).random((50, len(individuals), 3, 2), dtype=np.float32)
    seen = np.arange(50) < known
    labels = {
        "act": Labels(TRUTH.astype(np.int16), seen, "frame", "multiclass", NAMES, "other"),
        "near": Labels((TRUTH == 2).astype(np.uint8), seen, "frame", "binary", ("far", "near")),
        "speed": Labels(TRUTH.astype(np.float32), seen, "frame", "continuous"),
    }
    points = ("nose", "neck", "tail")
    return Recording(
        name, position, np.ones(position.shape[:3], np.float32), FPS, individuals, points, name, labels=labels
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    blank = recording("s/3", ("one",), known=0)
    write_tracks(tmp_path / "tracks.h5", [recording("s/1", ("one",)), recording("s/2", ("one", "two"), 30), blank])
    return tmp_path / "tracks.h5"


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    scores = np.full((50, 3), 0.1, np.float32)
    scores[np.arange(50), TRUTH] = 0.8
    with create_predictions(tmp_path / "predictions.h5") as writer:
        whole = np.ones(50, bool)
        writer.task("act", kind="multiclass", level="frame", vocabulary=NAMES, readout="probe", background="other")
        writer.add("act", Prediction("s/1", "g", TRUTH, whole, TRUTH, scores))
        writer.task("near", kind="binary", level="frame", vocabulary=(), readout="probe")
        writer.add("near", Prediction("s/1", "g", TRUTH == 2, whole, (TRUTH == 2).astype(int), (TRUTH - 1.0)))
    return tmp_path / "predictions.h5"


def export(command: str, *arguments: str | Path) -> None:
    assert main([command, *map(str, arguments)]) == 0


def test_one_table_of_all_labels(data: Path, tmp_path: Path) -> None:
    export("export-labels", data, "--output", tmp_path / "out")
    table = pd.read_csv(tmp_path / "out/labels.csv", keep_default_na=False)
    assert table.columns[:7].tolist() == ["recording", "animal", "class", "start", "end", "duration", "confidence"]
    first = table[(table.recording == "s/1") & (table.task == "act")]
    assert first["class"].tolist() == ["chase", NAMES[2], "chase"]
    assert first.start.tolist() == [0.4, 0.6, 1.4] and first.duration.tolist() == [0.2, 0.8, 0.04]
    assert set(table[table.recording == "s/1"].animal) == {"one"}
    assert set(table[table.recording == "s/2"].animal) == {""}  # of two animals together
    assert "s/3" not in set(table.recording)
    cut = table[(table.recording == "s/2") & (table.task == "near")]
    assert (cut.start_frame.tolist(), cut.end_frame.tolist()) == ([15], [30])  # nobody labelled what follows
    assert set(table[table.task == "near"]["class"]) == {"near"}


def test_confidence_is_the_mean_probability(data: Path, predictions: Path, tmp_path: Path) -> None:
    export("export-bouts", predictions, "--tracks", data, "--output", tmp_path / "out")
    table = pd.read_csv(tmp_path / "out/bouts.csv")
    assert table[table.task == "act"].confidence.tolist() == [0.8, 0.8, 0.8]
    assert table[table.task == "near"].confidence.isna().all()  # decision values are none


def test_a_behaviour_of_one_subject_names_its_animal(tmp_path: Path) -> None:
    made = recording("s/1", ("r1", "r10"))
    labels = {f"{who}_near": made.labels["near"] for who in ("r1", "r10")} | {"near": made.labels["near"]}
    classes = ("other", "r10_chase", "chase")
    labels["act"] = replace(made.labels["act"], vocabulary=classes)
    write_tracks(tmp_path / "tracks.h5", [replace(made, labels=labels)])
    export("export-labels", tmp_path / "tracks.h5", "--output", tmp_path)
    table = pd.read_csv(tmp_path / "labels.csv", keep_default_na=False)
    named = set(zip(table["task"], table["class"], table["animal"], strict=True))
    assert named == {
        ("r1_near", "r1_near", "r1"),
        ("r10_near", "r10_near", "r10"),
        ("near", "near", ""),
        ("act", "r10_chase", "r10"),
        ("act", "chase", ""),
    }


def test_bouts_of_a_low_confidence_are_left_out(data: Path, predictions: Path, tmp_path: Path) -> None:
    for form, left in (("csv", 0), ("boris", 0), ("simba", 0)):
        given = ["--format", form, "--task", "act", "--confidence", "0.85", "--output", tmp_path / form]
        export("export-bouts", predictions, "--tracks", data, *given)
        (path,) = (tmp_path / form).glob("*.csv")
        table = pd.read_csv(path)
        assert (table["chase"].sum() if form == "simba" else len(table)) == left


def test_the_table_of_labels_is_read_as_labels(data: Path, tmp_path: Path) -> None:
    export("export-labels", data, "--task", "act", "--output", tmp_path)
    tasks = {"act": Task(vocabulary=list(NAMES), background="other")}
    chosen = {"video": "s/1", "multiclass": "act"}
    made = read_labels("csv_events", tmp_path / "labels.csv", chosen, fps=FPS, n_frames=50, tasks=tasks, warn=[])
    assert made["act"].values.tolist() == TRUTH.tolist()


def test_nwb_contains_pose_and_every_class(data: Path, predictions: Path, tmp_path: Path) -> None:
    pynwb = pytest.importorskip("pynwb", reason="pynwb is not installed")
    pytest.importorskip("ndx_ethogram", reason="ndx-ethogram is not installed")
    export("export-bouts", predictions, "--tracks", data, "--format", "nwb", "--output", tmp_path)
    (path,) = tmp_path.glob("*.nwb")
    assert not pynwb.validate(path=path)
    with pynwb.NWBHDF5IO(path, "r") as handle:
        module = handle.read().processing["behavior"]
        table = module["act_bouts"].to_dataframe()
        assert table["label"].tolist() == ["chase", NAMES[2], "chase"]
        assert table["stop_time"].iloc[-1] == 36 / FPS
        assert module["act_ethogram"].to_dataframe()["behavior"].tolist() == list(NAMES)
        assert module["pose_one"]["tail"].data.shape == (50, 2)


def test_boris_names_the_medium_and_comes_back(data: Path, predictions: Path, tmp_path: Path) -> None:
    media = ["--format", "boris", "--task", "act", "--media", "{recording}.mp4"]
    export("export-labels", data, *media, "--output", tmp_path / "labels")
    export("export-bouts", predictions, "--tracks", data, *media, "--output", tmp_path / "bouts")
    for path in (*sorted((tmp_path / "labels").glob("*.csv"))[:1], *(tmp_path / "bouts").glob("*.csv")):
        found = read_bouts(path, FPS, Options(observation="s/1.mp4", multiclass="act"))
        bouts = found.bouts
        assert (bouts[0].start, bouts[0].stop, bouts[0].name) == (10, 15, "chase")
        assert (len(bouts), found.fps) == (3, FPS)


def test_simba_has_no_place_for_unlabelled_frames(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export-labels", str(data), "--format", "simba", "--output", str(tmp_path / "out")]) == 1
    assert "20 of 50 frames of 's/2' have no label" in capsys.readouterr().err
    (path,) = (tmp_path / "out").glob("*.csv")  # what came before is whole
    table = pd.read_csv(path, index_col=0)
    assert table.columns.tolist() == ["act_chase", f"act_{NAMES[2]}", "near"]
    assert table.near.tolist() == (TRUTH == 2).astype(int).tolist()


def test_simba_comes_back_frame_by_frame(data: Path, predictions: Path, tmp_path: Path) -> None:
    options = ["--tracks", data, "--format", "simba", "--task", "act", "--output", tmp_path / "out"]
    export("export-bouts", predictions, *options)
    (path,) = (tmp_path / "out").glob("*.csv")
    assert pd.read_csv(path)["Probability_chase"][10] == 0.8
    tasks = {"act": Task(vocabulary=list(NAMES), background="other")}
    chosen = {"behaviours": ["chase", NAMES[2]], "multiclass": "act"}
    made = read_labels("simba", path, chosen, fps=FPS, n_frames=50, tasks=tasks, warn=[])
    assert made["act"].values.tolist() == TRUTH.tolist()


def test_elan_and_nwb_of_labels(data: Path, tmp_path: Path) -> None:
    elan = pytest.importorskip("pympi.Elan", reason="pympi-ling is not installed")
    export("export-labels", data, "--format", "elan", "--media", "{recording}.mp4", "--output", tmp_path / "elan")
    document = elan.Eaf(min((tmp_path / "elan").glob("*.eaf")))
    assert [row[:2] for row in document.get_annotation_data_for_tier("near")] == [(600, 1400)]
    assert document.get_linked_files()[0]["MEDIA_URL"] == "s/1.mp4"
    pynwb = pytest.importorskip("pynwb", reason="pynwb is not installed")
    export("export-labels", data, "--format", "nwb", "--output", tmp_path / "nwb")
    with pynwb.NWBHDF5IO(min((tmp_path / "nwb").glob("*.nwb")), "r") as handle:
        table = handle.read().processing["behavior"]["near_bouts"].to_dataframe()
        assert table["label"].tolist() == ["near"]


def test_what_cannot_be_exported_is_named(
    data: Path, predictions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for given, said in (
        (["--task", "actt"], "did you mean 'act'"),
        (["--task", "speed"], "has no classes by frame"),
        (["--format", "supervisely"], "is of videos"),
    ):
        assert main(["export-labels", str(data), *given, "--output", str(tmp_path / "x")]) == 1
        assert said in capsys.readouterr().err
    assert (
        main(["export-bouts", str(predictions), "--data", str(data), "--task", "nearr", "--output", str(tmp_path)]) == 1
    )
    assert "did you mean 'near'" in capsys.readouterr().err
    with open_tracks(data) as reader:
        assert reader.ids  # the file is closed again
