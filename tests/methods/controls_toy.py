"""Small recordings of walking animals, and views of them on disk."""

from dataclasses import replace

import numpy as np

from workflow_scripts.formats.splits import Split
from workflow_scripts.formats.tracks import Recording, write_tracks
from workflow_scripts.views.tracks import TrackView

KEYPOINTS = ("nose", "body", "tailbase")


def make(position, *, keypoints=KEYPOINTS, fps=10.0, name="r", group="g", image_size=None):
    position = np.asarray(position, np.float32)
    confidence = np.where(np.isnan(position[..., 0]), np.nan, 0.9).astype(np.float32)
    return Recording(
        id=name,
        position=position,
        confidence=confidence,
        fps=fps,
        individuals=tuple(f"rat{k + 1}" for k in range(position.shape[1])),
        keypoints=tuple(keypoints),
        group=group,
        image_size=image_size,
    )


def walk(time=120, individuals=2, seed=0, missing=0.1, keypoints=KEYPOINTS, name="r", space=2, **more):
    """Bodies of length 40 that wander, turn and bend."""
    rng = np.random.default_rng(seed)
    n = len(keypoints)
    angle = np.cumsum(rng.normal(0, 0.2, (time, individuals)), axis=0) + rng.uniform(0, 6, individuals)
    step = np.abs(rng.normal(3, 2, (time, individuals)))[..., None] * np.stack([np.cos(angle), np.sin(angle)], -1)
    centre = rng.uniform(200, 400, (1, individuals, 2)) + np.cumsum(step, axis=0)
    along = np.linspace(20, -20, n) if n > 1 else np.zeros(1)
    bent = angle[:, :, None] + rng.normal(0, 0.2, (time, individuals, n))
    position = centre[:, :, None] + along[:, None] * np.stack([np.cos(bent), np.sin(bent)], -1)
    if space == 3:
        position = np.concatenate([position, rng.normal(5, 1, (time, individuals, n, 1))], -1)
    position[rng.random((time, individuals, n)) < missing] = np.nan
    return make(position, keypoints=keypoints, name=name, group=name, **more)


def view(tmp_path, recordings, train=None):
    path = tmp_path / "tracks.h5"
    write_tracks(path, recordings)
    ids = sorted(r.id for r in recordings)
    train = ids if train is None else train
    test = [i for i in ids if i not in train]
    return TrackView(path, Split("toy", "fold0", "fold", train, [], test, {r.id: r.group for r in recordings}))


def moved(recording, degrees, shift):
    """The same recording in an arena that was turned and shifted."""
    a = np.deg2rad(degrees)
    turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    return replace(recording, position=(recording.position @ turn.T + np.asarray(shift)).astype(np.float32))


def swapped(recording, order):
    """The same recording with its animals listed in another order under the same names."""
    return replace(recording, position=recording.position[:, order], confidence=recording.confidence[:, order])
