"""Small recordings of points, their labels, and views of them on disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from workflow_scripts.formats.embeddings import write_embeddings
from workflow_scripts.formats.splits import Split
from workflow_scripts.formats.tracks import Labels, Recording, write_tracks
from workflow_scripts.methods.bams.features import MOUSE_POINTS
from workflow_scripts.views.tracks import TrackView

WALKER_POINTS = ("nose", "left_ear", "right_ear", "neck", "left_hip", "right_hip", "tail")
WALKER_BODY = np.array([[3, 0], [2, 1], [2, -1], [1, 0], [-1, 1], [-1, -1], [-2, 0]], np.float32)
BODY_POINTS = ("nose", "body", "tailbase")


def mice(name: str, frames: int = 150, animals: int = 3, keypoints=MOUSE_POINTS, seed: int = 0, missing=0.02):
    """Mice on smooth random walks, with lost points."""
    rng = np.random.default_rng([seed, sum(map(ord, name))])
    body = rng.normal(0, 25, (len(keypoints), 2))
    centre = 400 + np.cumsum(rng.normal(0, 2, (frames, animals, 2)), axis=0)
    angle = np.cumsum(rng.normal(0, 0.05, (frames, animals)), axis=0)
    cos, sin = np.cos(angle)[..., None], np.sin(angle)[..., None]
    turned = np.stack([body[:, 0] * cos - body[:, 1] * sin, body[:, 0] * sin + body[:, 1] * cos], axis=-1)
    position = (centre[:, :, None] + turned + rng.normal(0, 0.5, (frames, animals, len(keypoints), 2))).astype(
        np.float32
    )
    position[rng.random(position.shape[:-1]) < missing] = np.nan
    return Recording(
        id=name,
        position=position,
        confidence=np.where(np.isnan(position).any(-1), np.nan, 1).astype(np.float32),
        fps=30.0,
        individuals=tuple(f"mouse{k + 1}" for k in range(animals)),
        keypoints=tuple(keypoints),
        group=name,
    )


def mice_view(folder: Path, recordings, train: int = 4, validation: int = 0) -> TrackView:
    """Write recordings and a split of them; what is left over is test."""
    write_tracks(folder / "tracks.h5", recordings)
    ids = [item.id for item in recordings]
    sides = ids[:train], ids[train : train + validation], ids[train + validation :]
    return TrackView(folder / "tracks.h5", Split("toy", "official", "official", *sides, {i: i for i in ids}))


def walkers(identifier, frames=300, *, seed=0, individuals=2, missing=0.0, labelled=True, image=(1024.0, 570.0)):
    """Two or three animals of seven points that walk and turn, with a task of three classes and one of two."""
    rng = np.random.default_rng([seed, *identifier.encode()])
    path = np.cumsum(rng.normal(0, 3, (frames, individuals, 1, 2)), axis=0) + 250
    turn = np.cumsum(rng.normal(0, 0.2, (frames, individuals)), axis=0)
    c, s = np.cos(turn)[..., None], np.sin(turn)[..., None]
    body = 10 * np.stack(
        [c * WALKER_BODY[:, 0] - s * WALKER_BODY[:, 1], s * WALKER_BODY[:, 0] + c * WALKER_BODY[:, 1]], axis=-1
    )
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
        keypoints=WALKER_POINTS,
        group=identifier,
        image_size=image,
        labels=labels if labelled else {},
    )


def walkers_view(folder, recordings, validation=()):
    """Write walkers and a split that trains on all but those named."""
    write_tracks(folder / "tracks.h5", recordings)
    ids = [recording.id for recording in recordings]
    groups = {recording.id: recording.group for recording in recordings}
    train = [identifier for identifier in ids if identifier not in validation]
    return TrackView(folder / "tracks.h5", Split("toy", "official", "official", train, list(validation), [], groups))


def bodies(position, *, keypoints=BODY_POINTS, fps=10.0, name="r", group="g", image_size=None):
    """A recording of given positions, animals named rat1, rat2, …"""
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


def bending_bodies(time=120, individuals=2, seed=0, missing=0.1, keypoints=BODY_POINTS, name="r", space=2, **more):
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
    return bodies(position, keypoints=keypoints, name=name, group=name, **more)


def bodies_view(tmp_path, recordings, train=None):
    """Write recordings and a fold that trains on those named (all, where none is) and tests on the others."""
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


def scattered(frames: int = 12, seed: int = 0, individuals=("a", "b"), keypoints=("nose", "tail"), **more) -> Recording:
    """Points anywhere, as far as the readers and writers care."""
    rng = np.random.default_rng(seed)
    shape = (frames, len(individuals), len(keypoints))
    position = (rng.random((*shape, 2)) * 500).astype(np.float32)
    confidence = rng.random(shape).astype(np.float32)
    return Recording("rec", position, confidence, 30.0, tuple(individuals), tuple(keypoints), "g", **more)


def labelled(frames: int, classes=("attack", "other"), seed: int = 0) -> dict[str, Labels]:
    values = np.random.default_rng(seed).integers(0, len(classes), frames).astype(np.int16)
    return {"behaviour": Labels(values, np.ones(frames, bool), "frame", "multiclass", tuple(classes))}


def drifting_pair(identifier, group=None, frames=60, labels=None, position=None, seed=None):
    """One animal of two points that drift."""
    rng = np.random.default_rng([ord(c) for c in identifier] if seed is None else seed)
    if position is None:
        steps = rng.normal(size=(frames, 1, 2, 2))
        position = (100 + np.cumsum(steps, axis=0)).astype(np.float32)
    return Recording(
        id=identifier,
        position=position,
        confidence=np.ones(position.shape[:3], np.float32),
        fps=30.0,
        individuals=("a",),
        keypoints=("nose", "tail"),
        group=group or identifier,
        labels=labels or {},
    )


def frame_labels(values, kind="multiclass", vocabulary=("rest", "run", "rear"), mask=None):
    dtype = {"multiclass": np.int16, "binary": np.uint8, "continuous": np.float32}[kind]
    values = np.asarray(values, dtype)
    mask = np.ones(len(values), bool) if mask is None else np.asarray(mask)
    if kind == "continuous":
        vocabulary = ()
    return Labels(values, mask, "frame", kind, tuple(vocabulary))


def sequence_label(value, kind="binary", vocabulary=("no", "yes")):
    dtype = {"multiclass": np.int16, "binary": np.uint8, "continuous": np.float32}[kind]
    vocabulary = () if kind == "continuous" else tuple(vocabulary)
    return Labels(np.array([value], dtype), np.ones(1, bool), "sequence", kind, vocabulary)


def make_split(train, test, validation=(), groups=None, name="official"):
    everything = [*train, *validation, *test]
    return Split(
        "toy",
        name,
        name.rstrip("0123456789"),
        list(train),
        list(validation),
        list(test),
        groups or {r: r for r in everything},
    )


class Toy:
    """Six recordings, one group each, whose labels follow from a latent state that the embeddings show."""

    ids = ("r0", "r1", "r2", "r3", "r4", "r5")
    tasks = ("state", "running", "speed", "strain", "weight")

    def __init__(self, folder: Path, frames: int = 300, dim: int = 6, noise: float = 1.0):
        rng = np.random.default_rng(0)
        weights = rng.normal(size=(3, dim))
        self.x, self.labels, recordings = {}, {}, []
        for index, name in enumerate(self.ids):
            state = rng.choice(3, size=frames + index, p=(0.6, 0.3, 0.1))
            strain = index % 2
            x = np.eye(3)[state] @ weights + noise * rng.normal(size=(len(state), dim)) + strain * 0.3
            speed = state + 0.1 * rng.normal(size=len(state))
            mask = rng.random(len(state)) < 0.9
            self.x[name] = x.astype(np.float32)
            self.labels[name] = {
                "state": frame_labels(state, mask=mask),
                "running": frame_labels(state == 1, "binary", ("still", "running")),
                "speed": frame_labels(speed, "continuous", mask=mask),
                "strain": sequence_label(strain),
                "weight": sequence_label(20 + strain + 0.1 * index, "continuous"),
            }
            recordings.append(drifting_pair(name, frames=len(state), labels=self.labels[name]))
        self.tracks, self.embeddings = folder / "tracks.h5", folder / "embeddings.h5"
        write_tracks(self.tracks, recordings)
        write_embeddings(self.embeddings, self.x.items())
        self.split = make_split(self.ids[:4], self.ids[4:])

    def rows(self, task, ids):
        """All labelled rows, as scikit-learn wants them."""
        x = np.concatenate([self.x[i][self.labels[i][task].mask] for i in ids])
        y = np.concatenate([self.labels[i][task].values[self.labels[i][task].mask] for i in ids])
        return x, y
