"""The MABe 2022 linear evaluator: all tasks, seeds and penalties from sums over one streaming pass.

Two modes. ``mabe-compat`` gives the numbers of the published evaluator: frames of all tasks are fitted and scored one
by one, a frame is positive if any seed says so, the penalty is 1, and the private score includes the public clips.
``sound`` standardises, takes the penalty from the clips each seed holds out, merges the seeds by their mean decision,
fits and scores tasks of one answer a clip on the clips' mean embedding, and gives intervals over clips.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.core.tables import write_csv
from workflow_scripts.evaluation.mabe.data import MabeData, held_out, load
from workflow_scripts.evaluation.mabe.pooled import PooledPart
from workflow_scripts.evaluation.mabe.scores import (
    Array,
    ClipCounts,
    SoundScores,
    count_clip,
    paired_rows,
    pooled_counts,
    score,
    stack,
)
from workflow_scripts.evaluation.mabe.tasks import (
    ALPHAS,
    FLY_MARK,
    REFERENCE_ALPHA,
    SEEDS,
    SOUND_ALPHAS,
    Animal,
    MabeTask,
    Mode,
    Vote,
    rows_of,
)
from workflow_scripts.evaluation.options import IntervalConfig
from workflow_scripts.evaluation.probe.ridge import GramAccumulator, RidgeTask

COMPAT_COLUMNS = [
    *("Task ID", "Private Score", "Public Score", "Metric", "No Ensemble Score", "Pooled Score", "Sequence Level Task"),
    *(f"Score Alpha {alpha}" for alpha in ALPHAS),
]
"""Columns of the published evaluator's table, in its order."""


def _targets(tasks: Sequence[MabeTask], y: npt.NDArray[np.floating]) -> dict[str, npt.NDArray[np.generic]]:
    """Class indices (-1 = unlabelled) or values (NaN = unlabelled) by task, from (task, rows)."""
    found: dict[str, npt.NDArray[np.generic]] = {}
    for task, row in zip(tasks, y, strict=True):
        found[task.name] = row.astype(np.float64) if task.continuous else np.where(np.isnan(row), -1, row).astype(int)
    return found


def _clip_means(x: Array, y: npt.NDArray[np.floating], tasks: Sequence[MabeTask]) -> tuple[Array, Array]:
    """Mean embedding (1, dim) and answers (task, 1) of a clip; the commoner answer where it changes."""
    known = ~np.isnan(y)
    count = known.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, y, 0).sum(axis=1) / count
    binary = np.array([not task.continuous for task in tasks])
    answer = np.where(binary & (count > 0), mean >= 0.5, mean)
    return x.mean(axis=0, keepdims=True), answer[:, None]


class _Readouts:
    """Ridge readouts of some tasks, for each seed and penalty, at one level (frames or clips).

    Parameters
    ----------
    data : MabeData
    which : sequence of int
        The tasks, as indices of ``data.tasks``.
    clipwise : bool
        One row a clip.
    alphas : sequence of float
    standardise : bool
    """

    def __init__(
        self, data: MabeData, which: Sequence[int], *, clipwise: bool, alphas: Sequence[float], standardise: bool
    ) -> None:
        self.data, self.which, self.clipwise = data, list(which), clipwise
        self.alphas, self.standardise = list(alphas), standardise
        self.tasks = [data.tasks[k] for k in which]
        self.continuous = np.array([task.continuous for task in self.tasks], dtype=bool)
        ridge = [RidgeTask(t.name, 0) if t.continuous else RidgeTask(t.name, 2, binary=True) for t in self.tasks]
        self.sums = GramAccumulator(data.dim, ridge)
        self.coef: Array = np.empty(0)
        self.intercept: Array = np.empty(0)

    def rows(self, x: Array, y: npt.NDArray[np.floating]) -> tuple[Array, npt.NDArray[np.floating]]:
        """Return the rows of a clip at this level, for these tasks."""
        y = y[self.which]
        return _clip_means(x, y, self.tasks) if self.clipwise else (x, y)

    def add(self, x: Array, y: npt.NDArray[np.floating], cell: int) -> None:
        """Add a training clip; bit s of `cell` says that seed s trains on it."""
        x, y = self.rows(x, y)
        self.sums.add(x, _targets(self.tasks, y), cell)

    def solve(self, n_seeds: int) -> None:
        """Fit every task, seed and penalty.

        Raises
        ------
        InputError
            When a task has no label in a seed's training clips.
        """
        shape = (len(self.tasks), n_seeds, len(self.alphas))
        self.coef, self.intercept = np.empty((*shape, self.data.dim)), np.empty(shape)
        for t, task in enumerate(self.tasks):
            for s in range(n_seeds):
                cells = [cell for cell in self.sums.cells() if cell >> s & 1]
                try:
                    models = self.sums.solve(task.name, self.alphas, cells=cells, standardise=self.standardise)
                except ValueError as error:
                    raise InputError(
                        self.data.labels.path, f"the task {task.name!r} has no label in training", "leave the task out"
                    ) from error
                for a, model in enumerate(models):
                    self.coef[t, s, a] = model.coef[0]
                    self.intercept[t, s, a] = model.intercept[0]

    def decide(self, x: Array) -> Array:
        """Return the decisions (task, seed, alpha, row) on rows (row, dim)."""
        flat = self.coef.reshape(-1, self.data.dim) @ x.T
        flat += self.intercept.reshape(-1, 1)
        return flat.reshape(*self.intercept.shape, len(x))

    def count(self, x: Array, y: npt.NDArray[np.floating], vote: Vote) -> ClipCounts:
        """Count a test clip."""
        x, y = self.rows(x, y)
        return count_clip(self.decide(x), y, self.continuous, vote)


def _fit(data: MabeData, readouts: Sequence[_Readouts], seeds: Sequence[int]) -> npt.NDArray[np.bool_]:
    """Read the training clips once and fit; returns which clips each seed held out, (seed, clip)."""
    out = np.stack([held_out(len(data.train), seed) for seed in seeds])
    cells = ((~out) << np.arange(len(seeds))[:, None]).sum(axis=0)
    for clip, cell in zip(data.train, cells, strict=True):
        if cell:
            x, y = data.read(clip)
            for readout in readouts:
                readout.add(x, y, int(cell))
    for readout in readouts:
        readout.solve(len(seeds))
    return out


def _score(data: MabeData, clips: Sequence[str], readouts: Sequence[_Readouts], vote: Vote) -> list[ClipCounts]:
    """Read clips once and count them, one ClipCounts a readout."""
    counts: list[list[ClipCounts]] = [[] for _ in readouts]
    for clip in clips:
        x, y = data.read(clip)
        for found, readout in zip(counts, readouts, strict=True):
            found.append(readout.count(x, y, vote))
    return [stack(found) for found in counts]


def _score_with_pooled(data: MabeData, readout: _Readouts, vote: Vote) -> tuple[ClipCounts, Array]:
    """Count the test clips, public ones first, and pair labels with predictions as published (clip, task, 2).

    Pairs of tasks without a pooled score are NaN.
    """
    reference = ALPHAS.index(REFERENCE_ALPHA)
    sequence = np.array([task.sequence for task in readout.tasks], dtype=bool)
    counts: list[ClipCounts] = []
    pairs = np.full((len(data.public) + len(data.private), len(sequence), 2), np.nan)
    for clips in (data.public, data.private):
        part = PooledPart(readout.continuous[sequence], vote)
        for clip in sorted(clips, key=lambda clip: data.clips[clip]):
            x, y = data.read(clip)
            decisions = readout.decide(x)
            counts.append(count_clip(decisions, y, readout.continuous, vote))
            part.add(clip, decisions[sequence, :, reference], y[sequence])
        pairs[len(counts) - len(clips) : len(counts), sequence] = part.pairs(clips)
    return stack(counts), pairs


def compat_table(data: MabeData, animal: Animal, *, vote: Vote = "any", seeds: Sequence[int] = SEEDS) -> pd.DataFrame:
    """Score as the published evaluator does.

    Parameters
    ----------
    data : MabeData
    animal : {"mouse", "fly"}
    vote : str
        The published evaluator's is ``any``.
    seeds : sequence of int

    Returns
    -------
    DataFrame
        `COMPAT_COLUMNS`; tasks in the official order. Flies: rows of single flies are averaged by name at the end, in
        the order of the names, the published average of pooled scores with its -1 for "not pooled" included.
    """
    readout = _Readouts(data, range(len(data.tasks)), clipwise=False, alphas=ALPHAS, standardise=False)
    _fit(data, [readout], seeds)
    counts, pooled = _score_with_pooled(data, readout, vote)
    public, reference = len(data.public), ALPHAS.index(REFERENCE_ALPHA)
    rows: dict[str, dict[str, object]] = {}
    for t, task in enumerate(data.tasks):
        merged, single = counts.merged[:, t], counts.single[:, t, :, reference]
        by_alpha = score(merged.sum(0), task.continuous)
        together = pooled_counts(pooled[:, t], task.continuous)
        rows[task.name] = {
            "Task ID": task.name,
            "Private Score": by_alpha[reference],
            "Public Score": score(merged[:public, reference].sum(0), task.continuous),
            "Metric": "mean_mse" if task.continuous else "f1_score",
            "No Ensemble Score": score(single.sum(0), task.continuous).mean(),
            "Pooled Score": score(together.sum(0), task.continuous) if task.sequence else -1.0,
            "Sequence Level Task": task.sequence,
            **{f"Score Alpha {alpha}": by_alpha[a] for a, alpha in enumerate(ALPHAS)},
        }
    table = pd.DataFrame([rows[name] for name in rows_of(animal, data.tasks)], columns=COMPAT_COLUMNS)
    numbers = [column for column in COMPAT_COLUMNS if column not in {"Task ID", "Metric", "Sequence Level Task"}]
    table[numbers] = table[numbers].astype(float)
    return _average_flies(table, numbers) if animal == "fly" else table


def _average_flies(table: pd.DataFrame, numbers: list[str]) -> pd.DataFrame:
    """Replace rows of single flies by their mean, after the others and in the order of the names, as published."""
    single = table["Task ID"].str.contains(FLY_MARK)
    if not single.any():
        return table
    flies = table[single].assign(**{"Task ID": table.loc[single, "Task ID"].str.split(FLY_MARK).str[0]})
    by_name = flies.groupby("Task ID", sort=True)
    averaged = by_name[numbers].mean().join(by_name[["Metric", "Sequence Level Task"]].first()).reset_index()
    return pd.concat([table[~single], averaged[COMPAT_COLUMNS]], ignore_index=True)


def sound_scores(data: MabeData, *, vote: Vote = "mean", seeds: Sequence[int] = SEEDS) -> SoundScores:
    """Score with standardised readouts, penalties from held-out clips, and one row a clip where there is one answer.

    Parameters
    ----------
    data : MabeData
    vote : str
    seeds : sequence of int
    """
    readouts = []
    for clipwise in (False, True):
        which = [k for k, task in enumerate(data.tasks) if task.clipwise == clipwise]
        if which:
            readouts.append(_Readouts(data, which, clipwise=clipwise, alphas=SOUND_ALPHAS, standardise=True))
    out = _fit(data, readouts, seeds)
    validation = np.flatnonzero(out.any(axis=0))
    tuning = _score(data, [data.train[k] for k in validation], readouts, vote)
    testing = _score(data, [*data.public, *data.private], readouts, vote)
    n_clips = len(data.public) + len(data.private)
    chosen: Array = np.zeros((n_clips, len(data.tasks), 3))
    alphas = [0.0] * len(data.tasks)
    for readout, tuned, tested in zip(readouts, tuning, testing, strict=True):
        for t, task in enumerate(readout.tasks):
            # Each seed is judged on the clips it did not see.
            seen = np.einsum("sc,csai->sai", out[:, validation].astype(np.float64), tuned.single[:, t])
            held = score(seen, task.continuous, empty=np.nan)
            best = _best(held, task.continuous)
            chosen[:, readout.which[t]] = tested.merged[:, t, best]
            alphas[readout.which[t]] = readout.alphas[best]
    return SoundScores(data.tasks, [*data.public, *data.private], chosen, alphas)


def _best(held: Array, continuous: bool) -> int:
    """Choose the penalty by the seeds' mean held-out score (seed, alpha); the middle one where none is defined."""
    known = ~np.isnan(held)
    if not known.any():
        return SOUND_ALPHAS.index(REFERENCE_ALPHA)
    mean = np.where(known, held, 0).sum(0) / np.maximum(known.sum(0), 1)
    return int(mean.argmin() if continuous else mean.argmax())


def evaluate_mabe(
    submission: Path,
    labels: Path,
    split: Path,
    *,
    animal: Animal = "mouse",
    mode: Mode = "mabe-compat",
    vote: Vote | None = None,
    strict: bool = True,
    interval: IntervalConfig | None = None,
    output: Path | None = None,
) -> pd.DataFrame:
    """Evaluate a MABe 2022 submission.

    Parameters
    ----------
    submission, labels, split : Path
        See :func:`workflow_scripts.evaluation.mabe.data.load`.
    animal : {"mouse", "fly"}
    mode : {"mabe-compat", "sound"}
    vote : {"any", "majority", "mean"} or None
        How the seeds are merged; None = ``any`` in mabe-compat, ``mean`` in sound.
    strict : bool
        Refuse what the official evaluator refuses.
    interval : IntervalConfig or None
        Of `sound`.
    output : Path or None
        Where to write the table as csv.

    Returns
    -------
    DataFrame
        ``mabe-compat``: `COMPAT_COLUMNS`. ``sound``: task, level, metric, value, low, high, n_clips, alpha; the rows
        mean_f1 and mean_mse come last.

    Raises
    ------
    InputError
        When a file is damaged, or the three do not fit together.
    """
    if mode not in {"mabe-compat", "sound"}:
        raise ConfigError(f"There is no evaluation mode {mode!r}; valid are: mabe-compat, sound.")
    data = load(Path(submission), Path(labels), Path(split), animal=animal, strict=strict)
    if mode == "mabe-compat":
        table = compat_table(data, animal, vote=vote or "any")
    else:
        table = pd.DataFrame(sound_scores(data, vote=vote or "mean").rows(interval or IntervalConfig()))
    if output is not None:
        write_csv(output, table)
    return table


def compare_mabe(
    submissions: Mapping[str, Path],
    labels: Path,
    split: Path,
    *,
    animal: Animal = "mouse",
    strict: bool = True,
    interval: IntervalConfig | None = None,
) -> pd.DataFrame:
    """Compare submissions pairwise in mode `sound`, by a bootstrap over clips that both were scored on.

    Parameters
    ----------
    submissions : mapping of str to Path
        At least two, by name.
    labels, split : Path
    animal : {"mouse", "fly"}
    strict : bool
    interval : IntervalConfig or None

    Returns
    -------
    DataFrame
        Columns a, b, task, first, second, difference, low, high, p.
    """
    scores = {
        name: sound_scores(load(Path(path), Path(labels), Path(split), animal=animal, strict=strict))
        for name, path in submissions.items()
    }
    names = list(scores)
    rows = []
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            rows += [{"a": a, "b": b, **row} for row in paired_rows(scores[a], scores[b], interval or IntervalConfig())]
    return pd.DataFrame(rows)
