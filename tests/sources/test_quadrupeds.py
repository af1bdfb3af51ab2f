from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from workflow_scripts.cards.card import load_card
from workflow_scripts.convert.tracks import convert_shard
from workflow_scripts.core.errors import InputError
from workflow_scripts.methods.bams.config import Config
from workflow_scripts.methods.bams.features import Layout, compute
from workflow_scripts.methods.bams.method import build, embed
from workflow_scripts.simulate import make_file
from workflow_scripts.sources import read_tracks
from workflow_scripts.sources.quadrupeds import Options, held_out
from workflow_scripts.sources.shared import npy_objects, npy_write
from workflow_scripts.views.tracks import DataSpec


@pytest.fixture(scope="module")
def twin(root, tmp_path_factory):
    """The twin's file, smaller than the card makes it, and the card."""
    folder = tmp_path_factory.mktemp("robots")
    card = load_card(root / "config/datasets/quadruped_twin.yaml")
    make_file("quadrupeds", "robot_dataset.npy", folder / "robot_dataset.npy", {"sequences": 10, "frames": 150}, card)
    return card, folder


def test_the_twin_goes_through_conversion(twin):
    card, folder = twin
    value = npy_objects.load(folder / "robot_dataset.npy")
    found = list(convert_shard(card, card.shards[0], folder))
    assert [item.id.partition("/")[0] for item in found].count("train") == 2 and len(found) == 10
    for k, item in enumerate(found):
        assert item.position.shape == (150, 1, 12, 2) and set(item.labels) == set(card.tasks)
        np.testing.assert_array_equal(item.position[:, 0, :, 0].T, np.asarray(value["dof_pos"])[k])
        np.testing.assert_array_equal(item.position[:, 0, :, 1].T, np.asarray(value["dof_vel"])[k])
        assert item.labels["robot_type"].values.tolist() == [value["robot_type"][k]]
        np.testing.assert_array_equal(item.labels["terrain_type_2"].values, np.asarray(value["terrain_type_2"])[k])
        assert item.labels["terrain_difficulty"].level == "frame"


def test_labels_show_in_the_joints(twin):
    card, folder = twin
    found = list(convert_shard(card, card.shards[0], folder))
    shank = [item.position[:, 0, 2::3, 0].mean() for item in found]
    robot = np.array([item.labels["robot_type"].values[0] for item in found])
    assert 0 < robot.sum() < len(robot)
    assert max(np.array(shank)[robot == 0]) < min(np.array(shank)[robot == 1])
    speed = [np.abs(item.position[..., 1]).mean() for item in found]
    commanded = [item.labels["command_vel"].values[0] for item in found]
    assert np.corrcoef(speed, commanded)[0, 1] > 0.8


def test_time_may_come_first_or_last(twin, tmp_path):
    _, folder = twin
    value = dict(npy_objects.load(folder / "robot_dataset.npy"))
    value |= {name: np.asarray(value[name]).transpose(0, 2, 1) for name in ("dof_pos", "dof_vel")}
    value |= {name: np.asarray(item) for name, item in value.items()}
    npy_write.save(tmp_path / "other.npy", value)
    for a, b in zip(
        read_tracks("quadrupeds", folder / "robot_dataset.npy", {}, recording="r"),
        read_tracks("quadrupeds", tmp_path / "other.npy", {}, recording="r"),
        strict=True,
    ):
        assert a.id == b.id
        np.testing.assert_array_equal(a.position, b.position)


def test_a_fifth_trains_as_scikit_learn_deals(twin):
    for n in (10, 61):
        train, test = train_test_split(np.arange(n), test_size=0.8, random_state=42)
        assert set(np.flatnonzero(held_out(n, Options()))) == set(test) and len(train) == n - len(test)


def test_bams_takes_angles_as_state_and_velocities_as_action(twin):
    card, folder = twin
    item = next(convert_shard(card, card.shards[0], folder))
    config = Config(features="state_action").resolved()
    layout = Layout.of(DataSpec.of(item), config)
    assert len(layout.inputs) == 24 and layout.targets[:2] == ("LF_hip.y", "LF_thigh.y")
    found = compute(item.position, layout, config)
    np.testing.assert_array_equal(found.inputs[:, 0], item.position[:, 0].reshape(150, 24))
    np.testing.assert_array_equal(found.targets[:, 0], item.position[:, 0, :, 1])
    embedded = embed(build(Config(features="state_action"), DataSpec.of(item)), item)
    assert embedded.shape == (150, 128) and np.isfinite(embedded).all()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dof_pos": np.zeros((3, 5, 6))}, r"dof_pos has the shape \(3, 5, 6\)"),
        ({"dof_pos": np.zeros((3, 12, 20), int)}, "expected floats"),
        ({"dof_vel": np.zeros((3, 12, 19))}, "dof_vel has the shape"),
        ({"robot_type": np.zeros((3, 20), int)}, "robot_type has the shape"),
        ({"terrain_type": np.full((3, 20), 7)}, "terrain_type holds other classes"),
    ],
)
def test_refusals(tmp_path, changes, said):
    value = {"dof_pos": np.zeros((3, 12, 20)), "dof_vel": np.zeros((3, 12, 20)), "robot_type": np.zeros(3, int)}
    npy_write.save(tmp_path / "x.npy", value | changes)
    with pytest.raises(InputError, match=said):
        list(read_tracks("quadrupeds", tmp_path / "x.npy", {}, recording="r"))


@pytest.mark.parametrize(
    ("shape", "tasks"),
    [((10,), ["command_vel"]), ((10, 2), ["command_vel_0", "command_vel_1"]), ((10, 150), ["command_vel"])],
)
def test_commanded_velocities(twin, tmp_path, shape, tasks):
    """One number a sequence, one vector a sequence, one number a step; never a task for every step."""
    _, folder = twin
    value = {name: np.asarray(item) for name, item in npy_objects.load(folder / "robot_dataset.npy").items()}
    command = np.random.default_rng(0).random(shape)
    npy_write.save(tmp_path / "x.npy", value | {"command_vel": command})
    item = next(read_tracks("quadrupeds", tmp_path / "x.npy", {}, recording="r"))
    assert [name for name in item.labels if name.startswith("command")] == tasks
    label = item.labels[tasks[0]]
    assert label.level == ("frame" if shape == (10, 150) else "sequence")
    np.testing.assert_allclose(label.values, np.atleast_1d(command.reshape(10, -1)[0])[: len(label.values)], rtol=1e-6)


def test_a_commanded_velocity_of_another_length_is_refused(twin, tmp_path):
    _, folder = twin
    value = {name: np.asarray(item) for name, item in npy_objects.load(folder / "robot_dataset.npy").items()}
    npy_write.save(tmp_path / "x.npy", value | {"command_vel": np.zeros((10, 149))})
    with pytest.raises(InputError, match=r"command_vel has the shape \(10, 149\), expected .* or \(10, 150\)"):
        next(read_tracks("quadrupeds", tmp_path / "x.npy", {}, recording="r"))
