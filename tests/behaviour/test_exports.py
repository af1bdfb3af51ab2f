"""Bouts handed to other programs, read back by those programs' own libraries or by our readers."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from workflow_scripts.behaviour.exports import export_bouts
from workflow_scripts.cards.card import Task
from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.formats.predictions import Prediction, create_predictions
from workflow_scripts.formats.tracks import Recording, write_tracks
from workflow_scripts.sources import read_labels

FPS = 25.0
TRUTH = np.repeat([0, 1, 2, 1, 0], [10, 5, 20, 1, 14])
NAMES = ("other", "chase", "a <b> & c")


@pytest.fixture
def run(tmp_path: Path) -> tuple[Path, Path]:
    rng = np.random.default_rng(0)
    position = rng.random((50, 2, 3, 2), dtype=np.float32)
    tracks = Recording(
        "s/1", position, np.ones(position.shape[:3], np.float32), FPS, ("one", "two"), ("nose", "neck", "tail"), "g"
    )
    write_tracks(tmp_path / "tracks.h5", [tracks])
    with create_predictions(tmp_path / "predictions.h5") as writer:
        whole = np.ones(50, bool)
        writer.task("act", kind="multiclass", level="frame", vocabulary=NAMES, readout="probe", background="other")
        writer.add("act", Prediction("s/1", "g", TRUTH, whole, TRUTH))
        writer.task("near", kind="binary", level="frame", vocabulary=(), readout="probe")
        writer.add("near", Prediction("s/1", "g", TRUTH == 2, whole, (TRUTH == 2).astype(int)))
        writer.task("speed", kind="continuous", level="frame", vocabulary=(), readout="probe")
        writer.add("speed", Prediction("s/1", "g", TRUTH / 2, whole, TRUTH / 2))
    return tmp_path / "predictions.h5", tmp_path / "tracks.h5"


def export(run: tuple[Path, Path], form: str, tasks: list[str] | None = None) -> Path:
    (path,) = export_bouts(*run, run[0].parent / form, form=form, tasks=tasks, method="features")
    return path


def test_csv_holds_frames_and_seconds(run: tuple[Path, Path]) -> None:
    with export(run, "csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert {row["task"] for row in rows} == {"act", "near"}
    assert [row["behavior"] for row in rows if row["task"] == "act"] == ["chase", NAMES[2], "chase"]
    (near,) = [row for row in rows if row["task"] == "near"]
    assert (near["start_frame"], near["end_frame"], near["start_time"]) == ("15", "35", "0.600000")


@pytest.mark.parametrize("form", ["boris", "csv"])
def test_tables_come_back_frame_by_frame(run: tuple[Path, Path], form: str) -> None:
    path = export(run, form, ["act"])
    warn: list[str] = []
    source = {"boris": "boris", "csv": "csv_events"}[form]
    tasks = {"act": Task(vocabulary=list(NAMES), background="other")}
    made = read_labels(source, path, {"multiclass": "act"}, fps=FPS, n_frames=50, tasks=tasks, warn=warn)
    assert made["act"].values.tolist() == TRUTH.tolist()


def test_elan_is_read_by_pympi(run: tuple[Path, Path]) -> None:
    elan = pytest.importorskip("pympi.Elan", reason="pympi-ling is not installed")
    document = elan.Eaf(export(run, "elan"))
    found = document.get_annotation_data_for_tier("act")
    assert found[0][:3] == (400, 600, "chase") and found[1][2] == NAMES[2]
    assert [row[:2] for row in document.get_annotation_data_for_tier("near")] == [(600, 1400)]


def test_nwb_is_read_by_pynwb(run: tuple[Path, Path]) -> None:
    pynwb = pytest.importorskip("pynwb", reason="pynwb is not installed")
    pytest.importorskip("ndx_ethogram", reason="ndx-ethogram is not installed")
    path = export(run, "nwb")
    assert not pynwb.validate(path=path)
    with pynwb.NWBHDF5IO(path, "r") as handle:
        module = handle.read().processing["behavior"]
        table = module["act_bouts"].to_dataframe()
        assert table["label"].tolist() == ["chase", NAMES[2], "chase"]
        assert table["stop_time"].iloc[-1] == 36 / FPS
        assert module["act_ethogram"].to_dataframe()["behavior"].tolist() == list(NAMES)
        assert module["pose_two"]["tail"].data.shape == (50, 2)


def test_what_cannot_be_exported_is_named(run: tuple[Path, Path]) -> None:
    with pytest.raises(ConfigError, match="did you mean 'act'"):
        export(run, "csv", ["actt"])
    with pytest.raises(InputError, match="no classes by frame"):
        export(run, "csv", ["speed"])
