"""Small recordings of two walkers, in files as the workflow writes them."""

import numpy as np
import pytest
import torch

from workflow_scripts.formats.splits import Split
from workflow_scripts.formats.tracks import Labels, Recording, write_tracks
from workflow_scripts.views.tracks import DataSpec, TrackView

POINTS = ("nose", "left_ear", "right_ear", "neck", "left_hip", "right_hip", "tail")
BODY = np.array([[3, 0], [2, 1], [2, -1], [1, 0], [-1, 1], [-1, -1], [-2, 0]], np.float32)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def walkers(identifier, frames=300, *, seed=0, individuals=2, missing=0.0, labelled=True, image=(1024.0, 570.0)):
    rng = np.random.default_rng([seed, *identifier.encode()])
    path = np.cumsum(rng.normal(0, 3, (frames, individuals, 1, 2)), axis=0) + 250
    turn = np.cumsum(rng.normal(0, 0.2, (frames, individuals)), axis=0)
    c, s = np.cos(turn)[..., None], np.sin(turn)[..., None]
    body = 10 * np.stack([c * BODY[:, 0] - s * BODY[:, 1], s * BODY[:, 0] + c * BODY[:, 1]], axis=-1)
    position = (path + body).astype(np.float32)
    position[rng.random(position.shape[:3]) < missing] = np.nan
    classes = (np.arange(frames) // 25) % 3
    labels = {
        "behaviour": Labels(
            classes.astype(np.int16), np.ones(frames, bool), "frame", "multiclass", ("a", "b", "other")
        ),
        "near": Labels((classes == 0).astype(np.uint8), np.ones(frames, bool), "frame", "binary", ("no", "yes")),
    }
    return Recording(
        id=identifier,
        position=position,
        confidence=np.where(np.isnan(position[..., 0]), np.nan, 1).astype(np.float32),
        fps=30.0,
        individuals=("resident", "intruder", "third")[:individuals],
        keypoints=POINTS,
        group=identifier,
        image_size=image,
        labels=labels if labelled else {},
    )


def make_view(folder, recordings, validation=()):
    write_tracks(folder / "tracks.h5", recordings)
    ids = [recording.id for recording in recordings]
    groups = {recording.id: recording.group for recording in recordings}
    train = [identifier for identifier in ids if identifier not in validation]
    return TrackView(folder / "tracks.h5", Split("toy", "official", "official", train, list(validation), [], groups))


@pytest.fixture
def view(tmp_path):
    return make_view(tmp_path, [walkers(f"r{k}") for k in range(3)])


@pytest.fixture
def spec():
    return DataSpec.of(walkers("r0", 5))
