from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from workflow_scripts.cards.card import load_card
from workflow_scripts.convert.tracks import convert_shard
from workflow_scripts.core.errors import InputError
from workflow_scripts.simulate import make_file
from workflow_scripts.simulate.mabe22_mouse import TASKS, Options, simulate
from workflow_scripts.sources import read_tracks
from workflow_scripts.sources.mabe22 import LabelFile, check_map
from workflow_scripts.sources.shared import npy_objects, npy_write

SMALL = {"seed": 1, "train": 3, "submission": 5, "public": 2, "private": 2, "frames": 300}


@pytest.fixture(scope="module")
def twin(root: Path, tmp_path_factory):
    """A small twin of the mouse triplets, made from the committed card."""
    folder = tmp_path_factory.mktemp("mabe22_mouse_twin")
    card = load_card(root / "config/datasets/mabe22_mouse_twin.yaml")
    for file in card.files:
        make_file(card.simulate.generator, file.path, folder / file.path, SMALL, card)
    return card, folder


def test_twin_converts_through_its_card(twin):
    card, folder = twin
    made = {shard.id: list(convert_shard(card, shard, folder)) for shard in card.shards}
    assert [len(made["user_train"]), len(made["submission"])] == [3, 9]
    first = made["submission"][0]
    assert first.position.shape == (300, 3, 12, 2) and first.position.dtype == np.float32
    assert set(first.labels) == set(TASKS) == set(card.tasks)
    assert {task: labels.level for task, labels in first.labels.items()} == {
        task: about.level for task, about in card.tasks.items()
    }
    assert {task: labels.kind for task, labels in first.labels.items()} == {
        task: about.kind for task, about in card.tasks.items()
    }
    assert set(made["user_train"][0].labels) == {"lights", "chases"}
    assert sorted({recording.id.split("/")[0] for recordings in made.values() for recording in recordings}) == [
        "SubmissionTrain",
        "UserTrain",
        "privateTest",
        "publicTest",
    ]
    sums = first.source_sha256
    assert set(sums) == {"mouse_triplet_test.npy", "metadata/jax_split.json", "mouse_triplets_test_labels.npy"}


def test_zeros_are_missing_and_nothing_else(twin):
    card, folder = twin
    raw = npy_objects.load(folder / "mouse_triplet_train.npy")["sequences"]
    shard = card.shards[0]
    for recording in convert_shard(card, shard, folder):
        pixels = np.asarray(raw[recording.id.split("/")[1]]["keypoints"])
        lost = (pixels == 0).all(-1)
        assert 0 < lost.mean() < 0.1
        np.testing.assert_array_equal(np.isnan(recording.position).all(-1), lost)
        np.testing.assert_array_equal(np.isnan(recording.confidence), lost)
        np.testing.assert_array_equal(recording.position[~lost], pixels[~lost])


def test_twin_has_the_official_layout(twin):
    _, folder = twin
    train = npy_objects.load(folder / "mouse_triplet_train.npy")
    entry = next(iter(train["sequences"].values()))
    assert train["vocabulary"] == ["lights", "chases"]
    assert (entry["keypoints"].dtype, entry["keypoints"].shape) == (np.int32, (300, 3, 12, 2))
    assert entry["annotations"].shape == (2, 300)
    labels = npy_objects.load(folder / "mouse_triplets_test_labels.npy")
    test = npy_objects.load(folder / "mouse_triplet_test.npy")["sequences"]
    assert list(labels["frame_number_map"]) == list(test)
    assert labels["task_type"][:3] == ["Continious", "Continious", "Discrete"]
    assert labels["label_array"].shape == (13, 9 * 300)
    assert npy_objects.load(folder / "metadata/mouse_frame_number_map.npy") == labels["frame_number_map"]


def test_twin_is_the_same_whatever_else_is_made(twin, root):
    card, folder = twin
    again = folder / "again.npy"
    make_file(card.simulate.generator, "mouse_triplet_train.npy", again, SMALL | {"submission": 2}, card)
    first = npy_objects.load(folder / "mouse_triplet_train.npy")["sequences"]
    second = npy_objects.load(again)["sequences"]
    clip = next(iter(first))
    np.testing.assert_array_equal(first[clip]["keypoints"], second[clip]["keypoints"])


def test_twin_answers_can_be_read_from_its_tracks(twin):
    """Labels belong to these tracks: rules on the noisy pixels nearly repeat them."""
    card, folder = twin
    agreed = []
    for recording in convert_shard(card, card.shards[1], folder):
        centre = recording.position[:, :, 6]
        seen = ~np.isnan(centre).any((1, 2))
        pairs = [np.linalg.norm(centre[:, a] - centre[:, b], axis=-1) for a, b in ((0, 1), (0, 2), (1, 2))]
        close = (np.min(pairs, axis=0) < 90)[seen]
        agreed.append((close == (recording.labels["close"].values[seen] > 0)).mean())
        assert recording.labels["lights"].values[0] == (recording.labels["time_of_day"].values[0] < 0.5)
    assert np.mean(agreed) > 0.98 and min(agreed) > 0.9


def test_twin_facts_show_in_how_the_mice_move():
    clips = simulate([f"clip{k}" for k in range(48)], Options(frames=450), "mabe22_mouse_twin").values()
    facts = np.stack([clip.labels[:, 0] for clip in clips])
    day, time, strain, lights = (
        facts[:, TASKS.index(n)] for n in ("experiment_day", "time_of_day", "strain", "lights")
    )
    centre = np.stack([clip.keypoints[:, :, 6].astype(float) for clip in clips])
    centre[(centre == 0).all(-1)] = np.nan
    speed = np.linalg.norm(centre[:, 5:] - centre[:, :-5], axis=-1) / 5
    resting = np.nanmean(speed < 0.5, axis=(1, 2))
    running = np.nanmedian(np.where(speed > 1.5, speed, np.nan), axis=(1, 2))
    wall = np.nanmean(np.minimum(centre - 90, 760 - centre).min(-1), axis=(1, 2))
    assert np.corrcoef(resting, time)[0, 1] > 0.3
    assert running[lights == 0].mean() > 1.15 * running[lights == 1].mean()
    assert np.corrcoef(wall, day)[0, 1] > 0.3
    assert 0 < strain.sum() < len(strain)


def _train(path: Path, clips: dict) -> Path:
    npy_write.save(path, {"vocabulary": ["lights", "chases"], "sequences": clips})
    return path


def _clip(frames: int = 4, **changes) -> dict:
    keypoints = np.arange(frames * 72, dtype=np.int32).reshape(frames, 3, 12, 2)
    return {"keypoints": keypoints, "annotations": np.zeros((2, frames), np.int8)} | changes


@pytest.mark.parametrize(
    ("clips", "problem"),
    [
        ({}, "holds no clip"),
        ({"A": _clip(keypoints=np.zeros((4, 2, 12, 2)))}, r"shape \(4, 2, 12, 2\), expected \(time, 3, 12, 2\)"),
        ({"A": _clip(keypoints=np.zeros((4, 3, 12, 2), "U1"))}, "no numbers"),
        ({"A": _clip(annotations=np.zeros((3, 4)))}, r"shape \(3, 4\), expected numbers of shape \(2, 4\)"),
        ({"A": _clip(annotations=np.full((2, 4), 2))}, "values besides 0 and 1"),
        ({"A": {"points": 1}}, r"keypoints has the shape \(\)"),
    ],
)
def test_bad_tracks_are_refused(tmp_path, clips, problem):
    path = _train(tmp_path / "mouse_triplet_train.npy", clips)
    with pytest.raises(InputError, match=problem):
        list(read_tracks("mabe22", path, {}, recording="x"))


def test_clips_must_be_those_of_the_part(tmp_path):
    path = _train(tmp_path / "t.npy", {f"C{k}": _clip() for k in range(784)})
    (tmp_path / "split.json").write_text(json.dumps({"UserTrain": [f"C{k}" for k in range(1600)]}))
    options = {"parts": ["UserTrain"], "split_file": "split.json"}
    with pytest.raises(InputError, match=r"784 clips \(784 clips are those of round 2.*1600 are expected"):
        list(read_tracks("mabe22", path, options, recording="x"))
    (tmp_path / "split.json").write_text(json.dumps({"UserTrain": ["A", "A"]}))
    with pytest.raises(InputError, match="'A' is there twice"):
        list(read_tracks("mabe22", path, options, recording="x"))


def _labels(**changes) -> dict:
    value = {
        "frame_number_map": {"A": (0, 4)},
        "vocabulary": ["time_of_day", "lights"],
        "task_type": ["Continious", "Discrete"],
        "label_array": np.array([[0.5, np.nan, 0.25, 1], [1, 1, np.nan, 0]], np.float32),
    }
    return {key: item for key, item in (value | changes).items() if item is not None}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"task_type": ["Continious", "Fuzzy"]}, "task type 'Fuzzy', expected Discrete or Continious"),
        ({"task_type": ["Continious"]}, "2 tasks and 1 task types"),
        ({"label_array": np.zeros((2, 5), np.float32)}, r"shape \(2, 5\), expected \(2, 4\)"),
        ({"label_array": None}, "holds no labels"),
        ({"vocabulary": None}, "no key 'vocabulary'"),
        ({"frame_number_map": {"A": (1, 5)}}, "expected a start at 0"),
        ({"frame_number_map": {"A": "x"}}, "expected .first row, end."),
    ],
)
def test_bad_labels_are_refused(tmp_path, changes, problem):
    npy_write.save(tmp_path / "l.npy", _labels(**changes))
    with pytest.raises(InputError, match=problem):
        LabelFile(tmp_path / "l.npy")


def test_labels_of_a_clip(tmp_path):
    npy_write.save(tmp_path / "l.npy", _labels())
    path = _train(tmp_path / "t.npy", {"A": {"keypoints": _clip()["keypoints"]}})
    (found,) = read_tracks("mabe22", path, {"labels_file": "l.npy"}, recording="x")
    time, lights = found.labels["time_of_day"], found.labels["lights"]
    np.testing.assert_array_equal(time.mask, [True, False, True, True])
    np.testing.assert_array_equal(time.values, np.float32([0.5, 0, 0.25, 1]))
    # One answer a clip, the commoner, with a warning since it changes.
    assert (lights.level, lights.values.tolist(), lights.vocabulary) == ("sequence", [1], ("no", "yes"))
    assert any("lights should have one answer" in warning for warning in found.warnings)
    _train(path, {"B": {"keypoints": _clip()["keypoints"]}})
    with pytest.raises(InputError, match="no labels of the clip 'B'"):
        list(read_tracks("mabe22", path, {"labels_file": "l.npy"}, recording="x"))


def test_conversion_reads_a_clip_at_a_time(tmp_path):
    """The file's arrays stay in the file: what reading holds does not grow with the number of clips."""
    import tracemalloc

    peaks = []
    for n in (4, 32):
        path = _train(tmp_path / f"{n}.npy", {f"C{k}": _clip(1800) for k in range(n)})
        tracemalloc.start()
        for _ in read_tracks("mabe22", path, {}, recording="x"):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_official_split_and_map_agree(mirror):
    folder = mirror / "mabe22-metadata" / "metadata"
    if not folder.is_dir():
        pytest.skip("no mabe22-metadata in the mirror")
    for name, counts in (("jax", (1600, 3736)), ("flies", (426, 543))):
        split = json.loads((folder / f"{name}_split.json").read_text())
        clips = check_map(
            folder, npy_objects.load(folder / f"{'mouse' if name == 'jax' else name}_frame_number_map.npy")
        )
        assert (len(split["UserTrain"]), len(clips)) == counts
        assert set(clips) == {*split["SubmissionTrain"], *split["publicTest"], *split["privateTest"]}
