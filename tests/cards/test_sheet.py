"""The sheet: what it says reaches the canonical file, and cards without one stay as they were."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from builders.lab_toy import boris, card, convert, dlc, spans

from workflow_scripts.cards.card import Card
from workflow_scripts.convert.naming import later
from workflow_scripts.convert.resample import mask_unscored, resample
from workflow_scripts.convert.splits import make_split
from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.core.validation import validate
from workflow_scripts.formats.track_index import index_tracks
from workflow_scripts.formats.tracks import Labels, Recording, open_tracks, write_tracks

LABELS = """
labels: [{source: boris, options: {binary: {groom: groom}}}]
tasks: {groom: {kind: binary, vocabulary: [other, groom]}}
"""


def test_every_column_reaches_the_canonical_file(tmp_path: Path) -> None:
    dlc(tmp_path / "files" / "a" / "m1.csv", 300)
    boris(tmp_path / "files" / "m1_boris.csv", [("groom", 12.0, 14.0)], fps=25, duration=20)
    made = card(
        tmp_path,
        LABELS,
        "recording file labels group animal condition fps width height start scored sex\n"
        "m1 a/m1.csv m1_boris.csv g1 r7 drug 25 640 480 200 10-13s f",
    )
    assert [file.path for file in made.files] == ["a/m1.csv", "m1_boris.csv"]
    shard = tmp_path / "m1.h5"
    write_tracks(shard, [convert(made, "m1", tmp_path)])
    with open_tracks(shard) as reader:
        recording = reader.read("m1")
        assert reader.row("m1") == {"animal": "r7", "condition": "drug", "covariates": {"sex": "f"}, "start": 200}
    assert (recording.fps, recording.image_size, recording.group) == (25.0, (640.0, 480.0), "g1")
    labels = recording.labels["groom"]
    # 12 s is frame 300 of the video and frame 100 of a table that begins at 200; 10–13 s are frames 50 to 125.
    assert spans(labels.values == 1) == [(100, 150)]
    assert spans(labels.mask) == [(50, 125)]


def test_the_card_of_one_job_needs_no_sheet(tmp_path: Path) -> None:
    dlc(tmp_path / "files" / "m1.csv", 10)
    made = card(tmp_path, "fps: 30\n", "recording file animal\nm1 m1.csv r1")
    again = validate(
        Card, json.loads(made.conversion_inputs("recording", "m1").model_dump_json(exclude_defaults=True)), where="card"
    )
    assert again.shards == made.shards
    assert again.shards[0].group == "r1"  # an animal filmed twice may not be on both sides of a split


def test_a_pattern_stands_for_every_file_that_fits(tmp_path: Path) -> None:
    for name in ("m1", "m2", "odd name"):
        dlc(tmp_path / "files" / "tracks" / f"{name}.csv", 10)
    boris(tmp_path / "files" / "labels" / "m2.csv", [("groom", 0.0, 0.1)], duration=10 / 30)
    made = card(
        tmp_path,
        "fps: 30\nrecordings: [{file: tracks/*.csv, labels: labels/*.csv, group: g*}]\n" + LABELS,
    )
    assert [(s.id, s.group, len(s.labels)) for s in made.shards] == [
        ("m1", "gm1", 0),
        ("m2", "gm2", 1),
        ("odd name", "godd name", 0),
    ]
    assert convert(made, "m2", tmp_path).labels["groom"].values.sum() == 3


@pytest.mark.parametrize(
    ("sheet", "words"),
    [
        ("recording path\nm1 m1.csv", "line 1: the column 'file' is missing"),
        ("recording file fps\nm1 m1.csv 30fps", "line 2: expected a number with a decimal point under fps"),
        ("recording file scale\nm1 m1.csv 0", "greater than 0"),
        ("recording file scale\nm1 m1.csv 0.1\nm2 m2.csv -", "'m1' has a scale and 'm2' has none"),
        ("recording file width\nm1 m1.csv 30", "a width or a height alone"),
        ("recording file labels\nm1 m1.csv m1.txt", "no entry under labels of the card fits 'm1.txt'"),
        ("recording file individuals\nm1 m1.csv a", "expected name in the file = name in the card"),
        ("recording file scored\nm1 m1.csv early", "expected a span such as 0-600"),
        ("recording file file\nm1 m1.csv m1.csv", "is there twice"),
        ("recording file\nm1 tracks/*.csv", "fits the pattern"),
        ("recording file\nm1 m1.csv\nm1 m2.csv", "two shards are called 'm1'"),
    ],
)
def test_a_bad_sheet_is_one_sentence(tmp_path: Path, sheet: str, words: str) -> None:
    (tmp_path / "files").mkdir()
    with pytest.raises((InputError, ConfigError)) as refused:
        card(tmp_path, "fps: 30\n", sheet)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_frame_rates_may_differ_once_the_rate_of_all_is_stated(tmp_path: Path) -> None:
    dlc(tmp_path / "files" / "m1.csv", 1800)
    dlc(tmp_path / "files" / "m2.csv", 1500)
    boris(tmp_path / "files" / "m2_b.csv", [("groom", 10.0, 12.0)], fps=25)
    sheet = "recording file labels fps\nm1 m1.csv - 30\nm2 m2.csv m2_b.csv 25"
    with pytest.raises(ConfigError, match="add resample: 25"):
        card(tmp_path, LABELS, sheet)
    made = card(tmp_path, "resample: 30\n" + LABELS, sheet)
    slow = convert(made, "m2", tmp_path)
    assert (slow.n_frames, slow.fps, slow.source_fps) == (1800, 30.0, 25.0)
    assert spans(slow.labels["groom"].values == 1) == [(300, 360)]  # 10 to 12 s, as in a video of 30 frames a second
    assert any("resampled from 25 to 30" in line for line in slow.warnings)
    fast = convert(made, "m1", tmp_path)
    assert fast.n_frames == 1800
    assert np.isnan(fast.source_fps)


def test_a_scale_of_the_sheet_is_of_its_recording_and_empty_cells_take_the_cards(tmp_path: Path) -> None:
    for name in ("m1", "m2"):
        dlc(tmp_path / "files" / f"{name}.csv", 30)
    plain = convert(card(tmp_path, "fps: 30\n", "recording file\nm1 m1.csv\nm2 m2.csv"), "m1", tmp_path)
    sheet = "recording file scale width height\nm1 m1.csv 0.05 640 480\nm2 m2.csv - 640 480"
    made = card(tmp_path, "fps: 30\nscale: {per_unit: 0.1}\n", sheet)
    own, usual = (convert(made, name, tmp_path) for name in ("m1", "m2"))
    assert (own.unit, own.image_size, own.scale) == ("cm", (32.0, 24.0), 0.05)
    assert (usual.unit, usual.image_size) == ("cm", (64.0, 48.0))
    np.testing.assert_allclose(own.position, 0.05 * plain.position, rtol=1e-6)
    np.testing.assert_allclose(usual.position, 2 * own.position, rtol=1e-6)
    write_tracks(tmp_path / "m1.h5", [own])
    with open_tracks(tmp_path / "m1.h5") as reader:
        assert reader.read("m1").scale == 0.05


def test_every_recording_may_have_a_scale_where_the_card_has_none(tmp_path: Path) -> None:
    dlc(tmp_path / "files" / "m1.csv", 30)
    found = convert(card(tmp_path, "fps: 30\n", "recording file scale\nm1 m1.csv 0.5"), "m1", tmp_path)
    assert found.unit == "cm"


def test_resampling_interpolates_between_seen_points_only() -> None:
    position = np.arange(6, dtype=np.float32).reshape(6, 1, 1, 1).repeat(2, axis=3)
    position[3] = np.nan
    labels = {"x": Labels(np.arange(6, dtype=np.int16), np.ones(6, bool), "frame", "multiclass", tuple("abcdef"))}
    made = Recording("r", position, np.ones((6, 1, 1), np.float32), 10.0, ("a",), ("n",), "g", labels=labels)
    double = resample(made, 20.0)
    expected = [0, 0.5, 1, 1.5, 2, np.nan, np.nan, np.nan, 4, 4.5, 5, 5]
    np.testing.assert_allclose(double.position[:, 0, 0, 0], expected)
    assert double.labels["x"].values.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert resample(made, 10.0) is made


def test_names_of_a_file_become_those_of_the_card(tmp_path: Path) -> None:
    dlc(tmp_path / "files" / "m1.csv", 5, points=("Snout", "tail", "cup"))
    text = "fps: 30\nkeypoints: [tail, nose, ear]\nindividuals: [mouse]\n"
    sheet = "recording file\nm1 m1.csv"
    made = card(tmp_path, text + "rename: {keypoints: {Snout: nose}}\n", sheet)
    with pytest.raises(InputError, match=r"unlisted: leave_out.*absent: empty"):
        convert(made, "m1", tmp_path)
    made = card(tmp_path, text + "rename: {keypoints: {Snout: nose}}\nunlisted: leave_out\nabsent: empty\n", sheet)
    found = convert(made, "m1", tmp_path)
    assert (found.keypoints, found.individuals) == (("tail", "nose", "ear"), ("mouse",))
    assert np.isnan(found.position[:, 0, 2]).all()
    assert found.position[:, 0, 1, 0].tolist() == [1, 2, 3, 4, 5]
    assert any("left out" in line and "cup" in line for line in found.warnings)
    assert any("filled with NaN" in line and "ear" in line for line in found.warnings)


def test_a_changed_file_is_refused_where_the_card_names_its_content(tmp_path: Path) -> None:
    path = dlc(tmp_path / "files" / "m1.csv", 5)
    files = f"files: [{{path: m1.csv, sha256: '{'0' * 64}'}}]\nshards: [{{id: m1, tracks: m1.csv}}]\nfps: 30\n"
    made = card(tmp_path, files)
    with pytest.raises(InputError, match="the card names 0000"):
        convert(made, "m1", tmp_path)
    assert path.exists()


def labelled_dataset(tmp_path: Path, text: str) -> tuple[Card, Path]:
    """Ten tables, four of them labelled (case 21)."""
    rows = []
    for number in range(10):
        dlc(tmp_path / "files" / f"m{number}.csv", 30, add=number)
        if number % 3 == 0:
            boris(tmp_path / "files" / f"m{number}_b.csv", [("groom", 0.1, 0.5)], duration=1.0)
        rows.append(f"m{number} m{number}.csv {f'm{number}_b.csv' if number % 3 == 0 else '-'} m{number}")
    made = card(tmp_path, "fps: 30\n" + LABELS + text, "recording file labels group\n" + "\n".join(rows))
    shards = []
    for shard in made.shards:
        write_tracks(tmp_path / f"{shard.id}.h5", [convert(made, shard.id, tmp_path)])
        shards.append(tmp_path / f"{shard.id}.h5")
    index_tracks(tmp_path / "tracks.h5", shards)
    return made, tmp_path / "tracks.h5"


def test_unlabelled_recordings_train_and_hold_out_nothing(tmp_path: Path) -> None:
    made, data = labelled_dataset(tmp_path, "splits: {dealt: {deal: 4}, fold: {folds: [[m0, m1], [m3], [m2, m4]]}}\n")
    held = [make_split(data, made, f"dealt{k}") for k in range(4)]
    assert sorted(recording for split in held for recording in split.test) == ["m0", "m3", "m6", "m9"]
    assert all(len(split.train) == 9 and len(split.test) == 1 for split in held)
    assert (make_split(data, made, "fold0").test, "m1" in make_split(data, made, "fold0").train) == (["m0"], True)
    with pytest.raises(ConfigError, match="holds out groups without a label"):
        make_split(data, made, "fold2")


def test_files_of_before_the_sheet_are_read(tmp_path: Path) -> None:
    dlc(tmp_path / "files" / "m1.csv", 5)
    made = card(tmp_path, "fps: 30\n", "recording file\nm1 m1.csv")
    write_tracks(tmp_path / "m1.h5", [convert(made, "m1", tmp_path)])
    with h5py.File(tmp_path / "m1.h5", "a") as handle:
        for name in ("animal", "condition", "covariates", "start"):
            del handle["recordings/m1"].attrs[name]
    with open_tracks(tmp_path / "m1.h5") as reader:
        assert reader.read("m1").covariates == {}


def test_bouts_follow_what_was_scored_and_where_the_table_begins() -> None:
    values = np.zeros(20, np.int16)
    spans = ((2, 12, 1), (5, 8, 2))
    labels = {"t": Labels(values, np.ones(20, bool), "frame", "multiclass", ("o", "a", "b"), "o", spans)}
    mask_unscored(labels, [(0, 4, False), (6, 10, False)], 0, 30.0)
    assert labels["t"].spans == ((2, 4, 1), (6, 10, 1), (6, 8, 2))
    assert later(labels["t"], 5).spans == ((1, 5, 1), (1, 3, 2))
