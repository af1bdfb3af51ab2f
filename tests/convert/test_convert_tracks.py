from __future__ import annotations

import dataclasses
import itertools
import time
from pathlib import Path

import numpy as np
import pytest
from builders.files import ROOT, real, refusal
from builders.tracks import labelled
from builders.tracks import scattered as recording
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from workflow_scripts.cards.card import Card, load_card
from workflow_scripts.convert.tracks import convert_shard, interpolate
from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.core.files import digest
from workflow_scripts.formats.tracks import open_tracks, write_tracks
from workflow_scripts.sources import calms21, caltech_annotator, deeplabcut


def card(**changes) -> Card:
    base = {
        "name": "toy",
        "title": "Toy",
        "description": "Toy.",
        "licence": "none",
        "citation": ["nobody"],
        "fps": 30,
        "unit": "cm",
        "individuals": ["a", "b"],
        "keypoints": ["nose", "tail"],
        "source": "deeplabcut",
        "files": [{"path": "t.csv", "urls": ["http://localhost/t"]}, {"path": "l.txt", "urls": ["http://localhost/l"]}],
        "shards": [{"id": "s1", "tracks": "t.csv", "group": "cage1"}],
        "tasks": {"S1": {"vocabulary": ["base", "social"]}},
        **changes,
    }
    return Card.model_validate(base)


LABELS = [{"source": "caltech_annotator", "file": "l.txt", "options": {"channels": {"S1": "S1"}}}]
WITH_LABELS = [{"id": "s1", "tracks": "t.csv", "labels": LABELS}]


def convert(folder: Path, tracks=None, **changes):
    if tracks is not None:
        deeplabcut.write_csv(folder / "t.csv", tracks)
    made = card(**changes)
    return list(convert_shard(made, made.shards[0], folder))


def test_names_units_group_and_checksums(tmp_path):
    source = recording(20)
    caltech_annotator.write(tmp_path / "l.txt", {"S1": [(1, 5, "social"), (6, 20, "base")]})
    (made,) = convert(tmp_path, source, shards=WITH_LABELS, image_size=[500, 500])
    np.testing.assert_array_equal(made.position, source.position)
    assert (made.id, made.group, made.fps, made.unit, made.image_size) == ("s1", "s1", 30, "cm", (500, 500))
    assert made.source_sha256 == {name: digest(tmp_path / name) for name in ("t.csv", "l.txt")}
    assert made.labels["S1"].values.tolist() == [1] * 5 + [0] * 15
    assert made.warnings == []
    write_tracks(tmp_path / "tracks.h5", [made])
    with open_tracks(tmp_path / "tracks.h5") as reader:
        np.testing.assert_array_equal(reader.read("s1").position, made.position)
    assert convert(tmp_path)[0].group == "cage1"


def test_card_order_wins(tmp_path):
    source = recording(5)
    (made,) = convert(tmp_path, source, individuals=["b", "a"], keypoints=["tail", "nose"])
    np.testing.assert_array_equal(made.position, source.position[:, ::-1, ::-1])
    np.testing.assert_array_equal(made.confidence, source.confidence[:, ::-1, ::-1])
    (own,) = convert(tmp_path, individuals=[], keypoints=[])
    assert own.individuals == ("a", "b")


def test_names_must_match(tmp_path):
    with refusal(InputError, "t.csv", "nose, tail", "nose, hip"):
        convert(tmp_path, recording(5), keypoints=["nose", "hip"])
    with refusal(InputError, "a, b", "a, b, c"):
        convert(tmp_path, individuals=["a", "b", "c"])
    (alone,) = convert(tmp_path, recording(5, individuals=("x",)), individuals=["mouse"])
    assert alone.individuals == ("mouse",)


def test_gaps_as_the_card_says(tmp_path):
    source = recording(12)
    source.confidence[...] = 0.9
    source.position[2, 0, 0] = 0
    source.position[4, 0, 1] = np.nan  # and its likelihood stays in the file, as in the real ones
    source.position[6, 1, 0, 1] = 0  # on the image's edge: no gap
    source.confidence[7, 1, 1] = 0.2
    (made,) = convert(tmp_path, source, gaps={"min_likelihood": 0.5})
    missing = np.isnan(made.position).any(-1)
    assert np.argwhere(missing).tolist() == [[2, 0, 0], [4, 0, 1], [7, 1, 1]]
    assert np.isnan(made.confidence[2, 0, 0])
    assert np.isnan(made.confidence[4, 0, 1])
    assert made.confidence[7, 1, 1] == np.float32(0.2)
    assert not made.filled.any()
    (kept,) = convert(tmp_path, gaps={"zero_is_missing": False})
    assert (kept.position[2, 0, 0] == 0).all()
    (filled,) = convert(tmp_path, gaps={"min_likelihood": 0.5, "interpolate_max_frames": 1})
    assert np.argwhere(filled.filled).tolist() == [[2, 0, 0], [4, 0, 1], [7, 1, 1]]
    np.testing.assert_allclose(filled.position[2, 0, 0], source.position[[1, 3], 0, 0].mean(0), rtol=1e-6)
    assert "3 points (6.2%) are filled" in filled.warnings[0]


@given(
    hnp.arrays(np.float32, (17, 2, 2, 2), elements=st.floats(-500, 500, width=32)),
    hnp.arrays(bool, (17, 2, 2)),
    st.integers(0, 6),
)
def test_interpolation_agrees_with_numpy(position, gone, longest):
    position[gone] = np.nan
    made = position.copy()
    filled = interpolate(made, longest)
    for i, k in np.ndindex(2, 2):
        seen = np.flatnonzero(~gone[:, i, k])
        short = np.zeros(17, bool)
        for left, right in itertools.pairwise(seen):
            if right - left - 1 <= longest:
                short[left + 1 : right] = True
        np.testing.assert_array_equal(filled[:, i, k], short)
        for axis in range(2):
            if len(seen):
                line = np.interp(np.arange(17), seen, position[seen, i, k, axis].astype(float))
                np.testing.assert_allclose(made[short, i, k, axis], line[short], rtol=1e-4, atol=1e-3)
        rest = ~short
        np.testing.assert_array_equal(made[rest, i, k], position[rest, i, k])


def test_what_is_odd_is_said(tmp_path):
    source = recording(40)
    source.position[:3] = np.nan
    source.position[10:20, 1, 1] = np.nan
    source.position[30, 0, 0] = (5000, 7)
    (made,) = convert(tmp_path, source, image_size=[500, 500])
    text = "\n".join(made.warnings)
    assert "b tail 32%" in text
    assert "a nose" not in text.splitlines()[0]
    assert "the first 3 frames hold no point" in text
    assert (
        "1 points lie more than 20% of the size outside the image, the first at (5000, 7) in frame 30 (a nose)" in text
    )


def test_tracks_without_a_point_or_with_infinity(tmp_path):
    source = recording(6)
    empty = dataclasses.replace(source, position=np.full_like(source.position, np.nan))
    with refusal(InputError, "t.csv", "'s1' has not one point"):
        convert(tmp_path, empty)
    zero = dataclasses.replace(source, position=np.zeros_like(source.position))
    with refusal(InputError, "has not one point"):
        convert(tmp_path, zero)
    faint = dataclasses.replace(source, confidence=source.confidence * 0)
    with refusal(InputError, "likelihood of 0.6", "min_likelihood"):
        convert(tmp_path, faint, gaps={"min_likelihood": 0.6})
    source.position[3, 0, 0, 0] = np.inf
    with refusal(InputError, "frame 3", "infinite"):
        convert(tmp_path, source)


def test_label_length_rule(tmp_path):
    source = recording(200)
    caltech_annotator.write(tmp_path / "l.txt", {"S1": [(1, 100, "base"), (101, 203, "social")]})
    (made,) = convert(tmp_path, source, shards=WITH_LABELS)
    assert made.labels["S1"].mask.all()
    assert "3 labels past the end are cut" in made.warnings[-1]
    caltech_annotator.write(tmp_path / "l.txt", {"S1": [(1, 197, "base")]})
    (made,) = convert(tmp_path, shards=WITH_LABELS)
    assert made.labels["S1"].mask.sum() == 197
    for last in (195, 205):
        caltech_annotator.write(tmp_path / "l.txt", {"S1": [(1, last, "base")]})
        with refusal(InputError, "l.txt", f"{last} frames", "200", "2%"):
            convert(tmp_path, shards=WITH_LABELS)
    caltech_annotator.write(tmp_path / "l.txt", {"S1": [(1, 200, "bass")]})
    with refusal(InputError, "l.txt", "line 8", "'bass'", "did you mean 'base'"):
        convert(tmp_path, shards=WITH_LABELS)
    (tmp_path / "l.txt").unlink()
    with refusal(InputError, "l.txt", "does not exist"):
        convert(tmp_path, shards=WITH_LABELS)


def test_one_task_from_two_files_is_refused(tmp_path):
    caltech_annotator.write(tmp_path / "l.txt", {"S1": [(1, 20, "base")]})
    with refusal(InputError, "'S1'", "another file"):
        convert(tmp_path, recording(20), shards=[{**WITH_LABELS[0], "labels": LABELS * 2}])


def test_fps_must_be_known(tmp_path):
    with refusal(InputError, "t.csv", "no fps", "'toy'"):
        convert(tmp_path, recording(5), fps=None)


def test_source_and_options_are_checked(tmp_path):
    with refusal(ConfigError, "'deeplabcutt'", "did you mean 'deeplabcut'"):
        convert(tmp_path, recording(5), source="deeplabcutt")
    with refusal(ConfigError, "'keypoint'", "did you mean 'keypoints'"):
        convert(tmp_path, options={"keypoint": ["nose"]})


def calms_card(folder: Path, classes=("attack", "other"), frames=15, **changes) -> Card:
    made = recording(frames, individuals=calms21.MICE, keypoints=calms21.PARTS, labels=labelled(frames, classes))
    pair = [dataclasses.replace(made, id=f"task1/{part}/mouse001_x") for part in ("train", "test")]
    calms21.write_json(folder / "t.csv", pair, group="annotator-id_0")
    same = {"individuals": list(calms21.MICE), "keypoints": list(calms21.PARTS), "source": "calms21"}
    return card(
        **{
            **same,
            "shards": [{"id": "all", "tracks": "t.csv"}],
            "tasks": {"behaviour": {"vocabulary": ["other", "attack"]}},
            **changes,
        }
    )


def test_several_recordings_and_the_cards_vocabulary(tmp_path):
    made = calms_card(tmp_path)
    first, second = convert_shard(made, made.shards[0], tmp_path)
    assert (first.group, second.group) == ("task1/train/mouse001", "task1/test/mouse001")
    source = labelled(15)["behaviour"].values
    assert first.labels["behaviour"].vocabulary == ("other", "attack")
    assert first.labels["behaviour"].values.dtype == np.int16
    np.testing.assert_array_equal(first.labels["behaviour"].values, 1 - source)
    other = calms_card(tmp_path, tasks={"behaviour": {"vocabulary": ["other", "mount"]}})
    with refusal(InputError, "attack, other", "other, mount"):
        list(convert_shard(other, other.shards[0], tmp_path))
    without = calms_card(tmp_path, tasks={})
    with refusal(ConfigError, "'behaviour'", "'toy'"):
        list(convert_shard(without, without.shards[0], tmp_path))


def test_a_broken_shard_leaves_no_file(tmp_path):
    deeplabcut.write_csv(tmp_path / "t.csv", recording(5))
    with open(tmp_path / "t.csv", "a") as handle:
        handle.write("5,1,2\n")
    made = card()
    with refusal(InputError, "t.csv", "line 10", "3 cells", "13"):
        write_tracks(tmp_path / "out.h5", convert_shard(made, made.shards[0], tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.csv"]


@pytest.fixture
def rats() -> tuple[Card, Path]:
    made = load_card(ROOT / "config" / "datasets" / "rats_pairs.yaml")
    for shard in made.shards:
        if made.file(shard.file).mirror is None:
            folder = real("rats-pairs-a", shard.file).parents[1]
    return made, folder


def test_real_rats(rats):
    made, folder = rats
    frames = {"1": 14734, "8": 15249, "12": 12987, "35": 14303, "46": 13534, "53": 14883}
    for name in frames:
        shard = made.shard(name)
        (found,) = convert_shard(made, shard, folder)
        assert found.n_frames == frames[shard.id]
        assert found.labels["S1"].mask.all()
        assert found.labels["S2"].mask.all()
        assert found.source_sha256[shard.file] == made.file(shard.file).sha256
        assert np.isnan(found.confidence[np.isnan(found.position).any(-1)]).all()
        assert any("missing in more than 25%" in text for text in found.warnings)
        assert ("the first 131 frames hold no point" in found.warnings) == (shard.id == "1")
        assert ("7 labels past the end are cut" in " ".join(found.warnings)) == (shard.id == "8")


def test_a_real_session_without_a_channel_is_background_throughout(rats):
    made, _ = rats
    shard = made.shard("29"), made.shard("32")
    folder = real("rats-pairs-c", shard[0].file).parents[1]
    said, silent = (next(convert_shard(made, each, folder)) for each in shard)
    assert not said.labels["S2"].values.any() and said.labels["S2"].mask.all()
    assert not silent.labels["S2"].values.any() and silent.labels["S2"].mask.all()
    assert any("no channel 'S2', so S2 is read as base throughout" in text for text in silent.warnings)


def test_real_rats_convert_in_a_second(rats):
    made, folder = rats
    started = time.process_time()
    list(convert_shard(made, made.shard("53"), folder))
    assert time.process_time() - started < 1


def test_real_mice():
    made = load_card(ROOT / "config" / "datasets" / "mice_pair_mars7.yaml")
    folder = real("mice-pair-mars7", made.shards[0].file).parents[1]
    (found,) = convert_shard(made, made.shards[0], folder)
    assert found.position.shape == (5700, 2, 7, 2)
    assert found.labels["interact"].values.sum() == 672
    (sized,) = convert_shard(
        made.model_copy(
            update={"image_size": (1280, 960), "gaps": made.gaps.model_copy(update={"min_likelihood": 0.0})}
        ),
        made.shards[0],
        folder,
    )
    assert any("outside the image" in text for text in sized.warnings)
