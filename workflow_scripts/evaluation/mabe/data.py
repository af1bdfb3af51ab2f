"""A MABe submission, its labels and its split, checked against each other before anything is computed."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
import numpy.typing as npt

from workflow_scripts.core.errors import InputError
from workflow_scripts.evaluation.mabe.tasks import MAX_DIM, Animal, MabeTask, describe
from workflow_scripts.sources.mabe22 import LabelFile, check_map, read_parts
from workflow_scripts.sources.shared.npy_objects import StoredArray, load_dict

TRAIN, PUBLIC, PRIVATE = "SubmissionTrain", "publicTest", "privateTest"


@dataclass(frozen=True)
class MabeData:
    """Everything an evaluation reads.

    Attributes
    ----------
    path : Path
        The submission.
    embeddings : ndarray or StoredArray, shape (frames of all clips, dim)
    clips : dict of str to tuple of int
        First row and end of each clip.
    labels : LabelFile
    tasks : list of MabeTask
        In the order of the label file, each once.
    train, public, private : list of str
        Clips of each part, in the order of the split file.
    """

    path: Path
    embeddings: npt.NDArray[np.floating] | StoredArray
    clips: dict[str, tuple[int, int]]
    labels: LabelFile
    tasks: list[MabeTask]
    train: list[str]
    public: list[str]
    private: list[str]

    @property
    def dim(self) -> int:
        """Width of the embeddings."""
        return int(self.embeddings.shape[1])

    def read(self, clip: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]:
        """Read a clip.

        Returns
        -------
        x : ndarray, float64, shape (time, dim)
        y : ndarray, float32, shape (task, time)
            In the order of `tasks`; NaN = unlabelled.

        Raises
        ------
        InputError
            When an embedding is not finite, or the labels have another length.
        """
        start, stop = self.clips[clip]
        x = np.asarray(self.embeddings[start:stop], dtype=np.float64)
        if not np.isfinite(x).all():
            row = start + int(np.argwhere(~np.isfinite(x))[0][0])
            raise InputError(self.path, f"row {row} (clip {clip!r}) holds NaN or infinity", "write finite embeddings")
        y = self.labels.read(clip)
        if y is None or y.shape[1] != len(x):
            found = "none" if y is None else f"{y.shape[1]} frames"
            raise InputError(
                self.labels.path, f"clip {clip!r}: has {found}, the submission has {len(x)} frames", "use its labels"
            )
        return x, y[[self.labels.tasks.index(task.name) for task in self.tasks]]


def held_out(n: int, seed: int) -> npt.NDArray[np.bool_]:
    """Tell which of `n` clips a seed leaves out of training: the tenth of scikit-learn's `train_test_split`."""
    chosen = np.random.RandomState(seed).permutation(n)[: ceil(0.1 * n)]
    out = np.zeros(n, bool)
    out[chosen] = True
    return out


def load(submission: Path, labels: Path, split: Path, *, animal: Animal, strict: bool) -> MabeData:
    """Read and check a submission.

    Parameters
    ----------
    submission : Path
        ``{"frame_number_map": {clip: (first row, end)}, "embeddings": (rows, dim)}``.
    labels : Path
    split : Path
        JSON with SubmissionTrain, publicTest and privateTest.
    animal : {"mouse", "fly"}
    strict : bool
        Refuse what the official evaluator refuses: another dtype than float32, more than 128 (mice) or 256 (flies)
        dimensions, another frame_number_map than the labels'.

    Raises
    ------
    InputError
    """
    value = load_dict(submission, ("frame_number_map", "embeddings"), "a MABe submission")
    clips = check_map(submission, value["frame_number_map"])
    embeddings = value["embeddings"]
    shape: tuple[int, ...] = getattr(embeddings, "shape", ())
    kind = getattr(embeddings, "dtype", None)
    rows = max(stop for _, stop in clips.values())
    if len(shape) != 2 or shape[0] != rows or kind is None or kind.kind != "f":
        raise InputError(
            submission,
            f"embeddings of kind {kind} and shape {shape}, expected numbers of shape ({rows}, dimensions)",
            "give every frame of frame_number_map one row",
        )
    if strict and kind != np.float32:
        raise InputError(
            submission,
            f"embeddings are {kind}, expected float32",
            "convert them, or evaluate with --lenient (strict=False in Python)",
        )
    if strict and shape[1] > MAX_DIM[animal]:
        raise InputError(
            submission,
            f"embeddings have {shape[1]} dimensions, at most {MAX_DIM[animal]} are allowed",
            "reduce them, or evaluate with --lenient (strict=False in Python)",
        )
    truth = LabelFile(labels)
    known = {clip: rows for clip, rows in truth.clips.items() if isinstance(rows, tuple)}
    if strict and known and known != clips:
        raise InputError(
            submission,
            "frame_number_map differs from the labels' one",
            "use the map of the official labels, or evaluate with --lenient (strict=False in Python)",
        )
    parts: dict[str, list[str]] = {TRAIN: [], PUBLIC: [], PRIVATE: []}
    for clip, part in read_parts(split).items():
        if part in parts:
            parts[part].append(clip)
    for part, ids in parts.items():
        if not ids:
            raise InputError(split, f"names no clip of {part}", "use the evaluator's split file")
        lacking = [clip for clip in ids if clip not in clips]
        if lacking:
            raise InputError(
                submission, f"lacks {len(lacking)} clips of {part}, the first {lacking[0]!r}", "embed every clip"
            )
    tasks = describe(animal, truth.tasks, truth.kinds)
    return MabeData(submission, embeddings, clips, truth, tasks, parts[TRAIN], parts[PUBLIC], parts[PRIVATE])
