"""Small datasets made here: tracks, embeddings and splits with known answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from workflow_scripts.formats.embeddings import write_embeddings
from workflow_scripts.formats.splits import Split
from workflow_scripts.formats.tracks import Labels, Recording, write_tracks


def recording(identifier, group=None, frames=60, labels=None, position=None, seed=None):
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
            recordings.append(recording(name, frames=len(state), labels=self.labels[name]))
        self.tracks, self.embeddings = folder / "tracks.h5", folder / "embeddings.h5"
        write_tracks(self.tracks, recordings)
        write_embeddings(self.embeddings, self.x.items())
        self.split = make_split(self.ids[:4], self.ids[4:])

    def rows(self, task, ids):
        """All labelled rows, as scikit-learn wants them."""
        x = np.concatenate([self.x[i][self.labels[i][task].mask] for i in ids])
        y = np.concatenate([self.labels[i][task].values[self.labels[i][task].mask] for i in ids])
        return x, y
