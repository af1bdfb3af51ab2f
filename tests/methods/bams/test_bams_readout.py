from __future__ import annotations

import dataclasses
import os

import numpy as np
import pytest
from builders.tracks import mice as recording
from builders.tracks import mice_view as view
from safetensors.numpy import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from workflow_scripts.core.validation import validate
from workflow_scripts.experiment.schema import Configuration
from workflow_scripts.formats.tracks import Labels
from workflow_scripts.methods import parse, runs
from workflow_scripts.methods.bams.readout import fit_and_score, read_out, sides
from workflow_scripts.training.watched_tasks import asked_tasks
from workflow_scripts.workflow.environment import set_environment


def labelled(name, frames=150):
    """A recording with a frame label, a sequence label and a value."""
    item = recording(name, frames)
    number = int(name[1:])
    speed = np.linalg.norm(np.diff(item.position[:, 0, 6], axis=0, prepend=item.position[:1, 0, 6]), axis=-1)
    fast = np.nan_to_num(speed) > np.nanmedian(speed)
    labels = {
        "move": Labels(fast.astype(np.int16), np.ones(frames, bool), "frame", "multiclass", ("slow", "fast")),
        "strain": Labels(np.array([number % 2], np.uint8), np.ones(1, bool), "sequence", "binary", ("no", "yes")),
        "speed": Labels(np.nan_to_num(speed).astype(np.float32), ~np.isnan(speed), "frame", "continuous"),
    }
    return dataclasses.replace(item, labels=labels)


def train(folder, tracks, every):
    options = {"batch_size": 4, "short_term": [6, 4], "long_term": [6, 4], "hoa_hidden": [8], "crop": 64}
    options |= {"evaluate_every": every, "training": {"max_epochs": 2, "monitor": None}}
    parsed = parse("bams", options).model_dump(mode="json")
    runs.train("bams", {"mode": "sound", "options": parsed}, tracks, folder=folder, seed=0)
    return load_file(folder / "weights_last.safetensors")


def test_readouts_go_to_tensorboard_and_do_not_touch_the_training(tmp_path):
    tracks = view(tmp_path, [labelled(f"r{k}") for k in range(7)], train=6)
    watched, alone = train(tmp_path / "a", tracks, 1), train(tmp_path / "b", tracks, 0)
    assert watched.keys() == alone.keys()
    for name, tensor in watched.items():
        np.testing.assert_array_equal(tensor, alone[name], err_msg=name)
    board = EventAccumulator(str(tmp_path / "a" / "tensorboard"))
    board.Reload()
    tags = board.Tags()
    wanted = {"test/f1_move", "test/loss_move", "test/mse_speed"}
    assert {f"{tag}_short_term_long_term" for tag in wanted} <= set(tags["scalars"])
    assert "move_short_term_long_term" in tags["images"]
    values = [event.value for event in board.Scalars("test/f1_move_short_term_long_term")]
    assert len(values) == 2 and all(0 < value <= 1 for value in values)


def test_held_out_groups_are_of_the_training_side_alone(tmp_path):
    tracks = view(tmp_path, [labelled(f"r{k}", 30) for k in range(12)], train=10)
    fitted, held = sides(tracks, 0)
    assert len(held) == 2 and set(fitted) | set(held) == set(tracks.split.train) and not set(fitted) & set(held)
    assert sides(tracks, 0) == (fitted, held)
    with_validation = view(tmp_path, [labelled(f"r{k}", 30) for k in range(12)], train=8, validation=3)
    assert sides(with_validation, 0) == (with_validation.split.train, with_validation.split.validation)


def test_scores_by_hand():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3)).astype(np.float32)
    truth = (x[:, 0] > 0).astype(np.int16)
    labels = Labels(truth, np.ones(400, bool), "frame", "multiclass", ("a", "b", "never"))
    score = fit_and_score((x[:200], truth[:200]), (x[200:], truth[200:]), labels)
    assert score.value > 0.95 and score.loss < 0.2 and score.matrix.shape == (3, 3)
    assert score.matrix[:2].sum(axis=1) == pytest.approx([1, 1]) and score.matrix[2].sum() == 0
    value = 2 * x[:, 1] + 1
    flat = fit_and_score((x[:200], value[:200]), (x[200:], value[200:]), dataclasses.replace(labels, kind="continuous"))
    assert flat.metric == "mse" and flat.value < 1e-3  # the penalty of 1 costs a little
    assert fit_and_score((x[:9], np.zeros(9, np.int16)), (x, truth), labels) is None


class Wide:
    """A model whose embeddings would be the memory: 512 numbers a frame."""

    def embed_recording(self, item):
        rng = np.random.default_rng(item.n_frames)
        return rng.normal(size=(item.n_frames, 512)).astype(np.float32)


def test_memory_does_not_grow_with_the_recordings(tmp_path, monkeypatch):
    import tracemalloc

    monkeypatch.setattr("workflow_scripts.methods.bams.readout.MOST_ROWS", 400)
    peaks = []
    for count in (10, 40):
        (tmp_path / str(count)).mkdir()
        tracks = view(tmp_path / str(count), [labelled(f"r{k}", 300) for k in range(count)], train=count)
        tracemalloc.start()
        assert read_out(Wide(), tracks, 0).keys() == {"move", "strain", "speed"}
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # Thirty recordings more are 18 MB of embeddings; what is kept of them are 400 rows a task and side.
    assert peaks[1] - peaks[0] < 3e6


def test_only_tasks_of_the_experiment_are_watched(tmp_path, monkeypatch):
    tracks = view(tmp_path, [labelled(f"r{k}", 60) for k in range(6)], train=6)
    assert read_out(Wide(), tracks, 0, ["strain"]).keys() == {"strain"}
    monkeypatch.setenv("ETHOMAKE_TASKS", '{"toy": ["move"], "other": ["strain"]}')
    assert asked_tasks("toy") == ["move"] and asked_tasks("third") is None
    train(tmp_path / "run", tracks, 1)
    board = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    board.Reload()
    watched = {tag for tag in board.Tags()["scalars"] if tag.startswith("test/")}
    assert watched == {"test/f1_move_short_term_long_term", "test/loss_move_short_term_long_term"}


def test_experiments_tell_their_tasks_through_the_environment(root, monkeypatch):
    monkeypatch.setattr("os.environ", dict(os.environ))
    use = {"datasets": {"mabe22_mouse_twin": {"tasks": ["strain"]}, "rats_pairs_twin": {}}, "methods": {"raw": {}}}
    set_environment(root, validate(Configuration, use, "here"))
    assert asked_tasks("mabe22_mouse_twin") == ["strain"] and asked_tasks("rats_pairs_twin") is None


def test_few_labels_among_many_frames_are_all_kept_and_nothing_warns(tmp_path, recwarn):
    recordings = []
    for k in range(6):
        item = labelled(f"r{k}", 200)
        rare = np.zeros(200, np.int16)
        rare[:3] = k % 2
        mask = np.zeros(200, bool)
        mask[:3] = True
        recordings.append(
            dataclasses.replace(item, labels={"rare": Labels(rare, mask, "frame", "multiclass", ("a", "b", "c"))})
        )
    score = read_out(Wide(), view(tmp_path, recordings, train=6), 0)["rare"]
    assert score.matrix.shape == (3, 3)
    assert not [str(warning.message) for warning in recwarn if "sklearn" in warning.filename]
