"""Predictions of one task from several files, reduced to what the metrics need of each group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.typing import Float64Array
from workflow_scripts.formats.predictions import Prediction, PredictionsReader, TaskKind, open_predictions
from workflow_scripts.formats.tracks import Level
from workflow_scripts.metrics import frames as metrics
from workflow_scripts.metrics import segments
from workflow_scripts.metrics.segments import Frames


@dataclass
class Pool:
    """The labelled frames of one task and readout, from all files.

    Attributes
    ----------
    kind, level : str
    vocabulary : tuple of str
    background : str or None
        Class that means nothing of interest.
    statistics : dict of str to ndarray
        By group: confusion counts, or the sums of :func:`workflow_scripts.metrics.frames.regression_sums`.
    n : int
        Labelled frames (or sequences).
    truth, scores, groups : list
        One entry a recording; `scores` is empty where a file has none.
    found : list
        For ``points``: the points found, beside those in `truth`.
    """

    kind: TaskKind
    level: Level
    vocabulary: tuple[str, ...]
    background: str | None = None
    statistics: dict[str, Float64Array] = field(default_factory=dict)  # by group
    n: int = 0
    centre: float | None = None
    seen: dict[str, str] = field(default_factory=dict)  # file by recording
    truth: list[npt.NDArray[Any]] = field(default_factory=list)
    found: list[npt.NDArray[np.float64]] = field(default_factory=list)
    scores: list[npt.NDArray[np.float32]] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    said: list[npt.NDArray[np.int16]] = field(default_factory=list)
    cuts: list[npt.NDArray[np.bool_]] = field(default_factory=list)
    scored: bool = True
    whole: bool = True

    @property
    def n_classes(self) -> int:
        """Number of classes; 0 for ``continuous`` and ``points``."""
        return {"binary": 2, "continuous": 0, "points": 0}.get(self.kind, len(self.vocabulary))

    @property
    def names(self) -> tuple[str, ...]:
        """Class names by index."""
        return self.vocabulary or ("0", "1")

    @property
    def no_bout(self) -> int | None:
        """Index of the class that has no bouts; None where every class has."""
        return segments.background_class(self.kind, self.names, self.background)

    def add(self, path: Path, task: str, found: Prediction) -> None:
        """Add one recording.

        Raises
        ------
        InputError
            When another file has predicted it already.
        """
        if found.recording in self.seen:
            raise InputError(
                path,
                f"task {task!r} of recording {found.recording!r} is also predicted in {self.seen[found.recording]}",
                "pool only files that hold out different recordings",
            )
        self.seen[found.recording] = str(path)
        mask = found.mask
        n = int(mask.sum())
        if not n:
            return
        if self.kind == "points":
            self.truth.append(found.truth[mask].astype(np.float64))
            self.found.append(found.prediction[mask].astype(np.float64))
            sums = np.zeros(0)  # nothing that adds up over groups says where a quantile lies
        elif not self.n_classes:
            truth = found.truth[mask].astype(np.float64)
            # Sums about a typical value keep the digits of the variance.
            self.centre = float(truth.mean()) if self.centre is None else self.centre
            sums = metrics.regression_sums(truth, found.prediction[mask].astype(np.float64), self.centre)
        else:
            codes = found.truth[mask].astype(np.int16)
            sums = metrics.confusion(codes, found.prediction[mask].astype(np.int64), self.n_classes)
            if found.scores is None:
                self.scored = False
                self.scores.clear()
            if self.scored and found.scores is not None:
                self.scores.append(found.scores[mask])
            self.truth.append(codes)
            if self.whole and self.level == "frame":
                self.said.append(found.prediction[mask].astype(np.int16))
                self.cuts.append(np.diff(np.flatnonzero(mask), prepend=-2) != 1)
        self.n += n
        self.groups.append(found.group)
        self.statistics[found.group] = self.statistics.get(found.group, np.zeros_like(sums)) + sums

    def frames(self) -> Frames:
        """Labelled frames of all recordings end to end, owned by groups in the order of :meth:`by_group`."""
        number = {group: place for place, group in enumerate(sorted(self.statistics))}
        owner = [np.full(len(part), number[group]) for part, group in zip(self.truth, self.groups, strict=True)]
        return Frames(*(np.concatenate(parts) for parts in (self.truth, self.said, self.cuts, owner)))

    def by_group(self) -> Float64Array:
        """Statistics stacked in the order of the groups' names, so that resamples are the same for every method."""
        return np.stack([self.statistics[group] for group in sorted(self.statistics)])


def list_tasks(paths: Sequence[Path]) -> list[tuple[str, str]]:
    """List task and readout of everything predicted in any of the files, in the order met."""
    found: dict[tuple[str, str], None] = {}
    for path in paths:
        with open_predictions(path) as reader:
            found.update({(task, reader.info(task)[3]): None for task in reader.tasks})
    return list(found)


def pool_task(paths: Sequence[Path], task: str, readout: str, *, ranking: bool = True) -> Pool:
    """Pool one task over files.

    Parameters
    ----------
    paths : sequence of Path
    task, readout : str
    ranking : bool
        Keep the scores, for AP and AUROC, and the predicted classes, for segments.

    Raises
    ------
    InputError
        When two files predict one recording or define the task differently.
    """
    pool: Pool | None = None
    for path in paths:
        with open_predictions(path) as reader:
            pool = _extend(pool, Path(path), reader, task, readout, ranking)
    if pool is None:
        raise ValueError(f"no file has task {task!r} read out by {readout!r}")
    return pool


def _extend(
    pool: Pool | None, path: Path, reader: PredictionsReader, task: str, readout: str, ranking: bool
) -> Pool | None:
    if task not in reader.tasks:
        return pool
    kind, level, vocabulary, found_readout = reader.info(task)
    if found_readout != readout:
        return pool
    background = reader.background(task)
    pool = pool or Pool(kind, level, vocabulary, background, scored=ranking, whole=ranking)
    if (pool.kind, pool.level, pool.vocabulary, pool.background) != (kind, level, vocabulary, background):
        raise InputError(
            path,
            f"task {task!r} has another kind, level, vocabulary or background than in the files pooled with it",
            "predict all folds with one version of the dataset",
        )
    for found in reader.iterate(task):
        pool.add(path, task, found)
    return pool
