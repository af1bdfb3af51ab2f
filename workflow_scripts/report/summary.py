"""Sentences computed from the numbers: the head of the report and the last lines of a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from workflow_scripts.metrics.registry import find, is_mean
from workflow_scripts.metrics.registry import title as title_of
from workflow_scripts.report.tables import (
    Score,
    count,
    over_seeds,
    pool_seeds,
    primary_metric,
    scores,
    with_interval,
    without_folds,
)


@dataclass(frozen=True)
class Verdict:
    """The best method of one dataset and task against the best chance row, by the task's main metric.

    Rows of ``all_positive`` count only where one prediction reaches them, see
    :func:`workflow_scripts.metrics.chance.is_level`.

    Attributes
    ----------
    dataset, task, metric : str
    methods : int
        How many methods have a value; chance rows do not count.
    best, chance : Score or None
        Means over seeds where there are several; None where there is no such row.
    seeds : int
        How many seeds `best` stands for.
    """

    dataset: str
    task: str
    metric: str
    methods: int
    best: Score | None
    chance: Score | None
    seeds: int = 1

    @property
    def clear(self) -> bool | None:
        """Whether the two intervals lie apart, the method's on the better side; None where one is lacking."""
        if self.best is None or self.chance is None:
            return None
        ends = (self.best.low, self.best.high, self.chance.low, self.chance.high)
        if not all(math.isfinite(end) for end in ends):
            return None
        if find(self.metric).lower_is_better:
            return self.best.high < self.chance.low
        return self.best.low > self.chance.high


def verdicts(comparison: pd.DataFrame) -> list[Verdict]:
    """Find the best method of every dataset and task.

    Parameters
    ----------
    comparison : DataFrame
        Columns of :data:`workflow_scripts.formats.tables.COLUMNS`.

    Returns
    -------
    list of Verdict
        In the order of the table; tasks where no row has a value are left out, and so are single folds where
        they are also scored together.
    """
    found = []
    for (dataset, task), rows in without_folds(comparison).groupby(["dataset", "task"], sort=False, dropna=False):
        everything = scores(rows)
        metric = primary_metric(everything)
        if metric is None:
            continue
        grouped = list(pool_seeds(everything, metric).values())
        methods = [seeds for seeds in grouped if not seeds[0].chance]
        chance = [seeds for seeds in grouped if seeds[0].floor]
        found.append(
            Verdict(
                str(dataset),
                str(task),
                metric,
                len(methods),
                over_seeds(methods[0]) if methods else None,
                over_seeds(chance[0]) if chance else None,
                len(methods[0]) if methods else 0,
            )
        )
    return found


def _interval(score: Score) -> str:
    return with_interval(score.value, score.low, score.high)


def sentence(verdict: Verdict, *, place: bool = True) -> str:
    """Say in one or two sentences what a verdict means, with every number it rests on.

    Parameters
    ----------
    verdict : Verdict
    place : bool
        Begin with dataset and task; not needed below a heading that names them.
    """
    where = f"{verdict.dataset}, {verdict.task}: " if place else ""
    metric = title_of(verdict.metric)
    best, chance = verdict.best, verdict.chance
    if best is None:
        return f"{where}no method has a value."
    n = f"{count(best.n)} labelled samples" if best.n else "an unknown number of labelled samples"
    if best.n_groups:
        n += f" in {best.n_groups} held-out group{'s' if best.n_groups != 1 else ''}"
    among = "the only method" if verdict.methods == 1 else f"best of {verdict.methods} methods"
    seed = f", mean of {verdict.seeds} seeds" if verdict.seeds > 1 else ""
    text = f"{where}{best.label} ({among}{seed}): {metric} {_interval(best)} on {n}."
    if chance is None:
        return f"{text} There is no chance row to compare with."
    text += f" Best chance row ({chance.method}): {_interval(chance)}"
    if best.value >= chance.value if find(verdict.metric).lower_is_better else best.value <= chance.value:
        return f"{text}; the method is no better than that."
    if verdict.clear is None:
        return f"{text}; an interval is lacking, so the difference cannot be judged."
    if verdict.clear:
        return f"{text}; the intervals do not overlap."
    return f"{text}; the intervals overlap, so they alone do not show skill beyond chance."


def headline(found: Sequence[Verdict]) -> str:
    """Say in one sentence how the methods of an experiment compare with chance, and which is best most often.

    Parameters
    ----------
    found : sequence of Verdict
        Of :func:`verdicts`; means over tasks do not count.
    """
    judged = [verdict for verdict in found if not is_mean(verdict.task) and verdict.best is not None]
    if not judged:
        return ""
    compared = [verdict for verdict in judged if verdict.clear is not None]
    clear = sum(verdict.clear is True for verdict in compared)
    wins: dict[str, int] = {}
    for verdict in judged:
        if verdict.best is not None:
            wins[verdict.best.method] = wins.get(verdict.best.method, 0) + 1
    most = max(wins.values())
    leaders = [name for name, n in wins.items() if n == most]
    verb = "is" if len(leaders) == 1 else "are each"
    lead = f"{' and '.join(leaders)} {verb} best on {most} of {plural(len(judged), 'task')}"
    if not compared:
        return f"{lead}; no task has intervals to compare with chance."
    among = (
        ""
        if len(compared) == len(judged)
        else f" the {plural(len(compared), 'task')} that {'has' if len(compared) == 1 else 'have'} intervals"
    )
    among = f"{clear} of{among}" if among else plural(clear, "task")
    return f"{lead}; the best method is above chance, with intervals that do not overlap, on {among}."


def failures(comparison: pd.DataFrame) -> int:
    """Count rows of runs that failed: no value, and a note that says why."""
    return int((_empty(comparison) & _noted(comparison)).sum())


def undefined(comparison: pd.DataFrame) -> int:
    """Count rows of metrics that are not defined on their data, such as the precision of a class never predicted."""
    return int((_empty(comparison) & ~_noted(comparison)).sum())


def _empty(comparison: pd.DataFrame) -> pd.Series[bool]:
    return pd.to_numeric(comparison["value"], errors="coerce").isna()


def _noted(comparison: pd.DataFrame) -> pd.Series[bool]:
    if "note" not in comparison:
        return pd.Series(False, index=comparison.index)
    return comparison["note"].astype(object).fillna("").astype(str).str.strip().ne("")


def plural(n: int, noun: str) -> str:
    """Return ``1 task`` or ``2 tasks``."""
    return f"{n} {noun}{'' if n == 1 else 's'}"


BEST = 2
"""Tasks that the last lines of a run name: two or three lines of a terminal."""


NEXT = "Next: open the report; README.md says how to label the recordings that have no labels."
"""What to do after a run whose methods were scored."""


def five_lines(
    comparison: pd.DataFrame,
    report_path: str | Path,
    *,
    experiment: str = "",
    warnings: int = 0,
    quarantined: int = 0,
) -> str:
    """Say in five lines what ran, what came out, what to look at, and where.

    Parameters
    ----------
    comparison : DataFrame
        Columns of :data:`workflow_scripts.formats.tables.COLUMNS`.
    report_path : str or Path
    experiment : str
        Name of the experiment; empty to leave it out.
    warnings, quarantined : int
        How many of each the report lists.

    Returns
    -------
    str
        Five lines without a final newline.
    """
    found = [verdict for verdict in verdicts(comparison) if not is_mean(verdict.task)]
    methods = {score.method for score in scores(comparison) if not score.chance}
    what = f"Experiment {experiment}: " if experiment else ""
    ran = (
        f"{what}{plural(len(methods), 'method')} on {plural(comparison['dataset'].nunique(), 'dataset')}, "
        f"{plural(len(found), 'task')}, {plural(len(comparison), 'result row')}."
    )
    parts = []
    for verdict in found[:BEST]:
        if verdict.best is not None:
            floor = f" (chance {_interval(verdict.chance)})" if verdict.chance else ""
            parts.append(
                f"{verdict.dataset}/{verdict.task} {verdict.best.label} "
                f"{title_of(verdict.metric)} {_interval(verdict.best)}{floor}"
            )
    rest = f"; {len(found) - BEST} more in the report" if len(found) > BEST else ""
    best = f"Best: {'; '.join(parts)}{rest}." if parts else "Best: no method has a value."
    clear = sum(verdict.clear is True for verdict in found)
    above = f"Above chance with intervals apart: {clear} of {plural(len(found), 'task')}"
    failed = failures(comparison)
    trouble = (
        f"{plural(warnings, 'warning')}, {plural(quarantined, 'recording')} left out, "
        f"{plural(failed, 'row')} of failed runs."
    )
    return "\n".join([ran, best, f"{above}; {trouble}", f"Report: {report_path}", NEXT])


@dataclass(frozen=True)
class Unscored:
    """What an experiment made where nothing is labelled, so that nothing is scored.

    Attributes
    ----------
    datasets, methods : tuple of str
    recordings : int
        Recordings that could be used.
    embedded, motifs : tuple of str
        Methods whose embeddings, and whose motifs, are there.
    """

    datasets: tuple[str, ...]
    methods: tuple[str, ...]
    recordings: int
    embedded: tuple[str, ...] = ()
    motifs: tuple[str, ...] = ()


def unscored_lines(
    made: Unscored, report_path: str | Path, *, experiment: str = "", warnings: int = 0, quarantined: int = 0
) -> str:
    """Say in five lines what was made of recordings that nobody labelled.

    Parameters
    ----------
    made : Unscored
    report_path : str or Path
    experiment : str
    warnings, quarantined : int
        See :func:`five_lines`.

    Returns
    -------
    str
        Five lines without a final newline.
    """
    what = f"Experiment {experiment}: " if experiment else ""
    ran = (
        f"{what}{plural(len(made.methods), 'method')} on {plural(len(made.datasets), 'dataset')} of "
        f"{plural(made.recordings, 'recording')} without labels, so nothing is scored."
    )
    parts = []
    if made.embedded:
        parts.append(f"embeddings of {', '.join(made.embedded)} (embeddings.h5)")
    if made.motifs:
        parts.append(f"motifs of {', '.join(made.motifs)} (motifs/bouts.csv, motifs/transitions.csv)")
    place = Path(report_path).parents[1] / "runs"
    return "\n".join(
        [
            ran,
            f"Made: {'; '.join(parts)}, in {place}." if parts else "Made: tables and the report.",
            "For scores, label some recordings and name their label files in the sheet (column labels).",
            f"{plural(warnings, 'warning')}, {plural(quarantined, 'recording')} left out.",
            f"Report: {report_path}",
        ]
    )
