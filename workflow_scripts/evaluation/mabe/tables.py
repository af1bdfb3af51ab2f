"""Small tables of MABe evaluations: of one run, and of all runs side by side for the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from workflow_scripts.cards.parts import Published
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.tables import write_csv
from workflow_scripts.evaluation.mabe.data import load
from workflow_scripts.evaluation.mabe.evaluator import compat_table, sound_scores
from workflow_scripts.evaluation.mabe.scores import SoundScores, paired_rows
from workflow_scripts.evaluation.mabe.tasks import Animal, MabeTask
from workflow_scripts.evaluation.options import IntervalConfig
from workflow_scripts.formats.sections import Item, Section, write_section

COMPAT, SOUND, COUNTS = "mabe_compat.csv", "mabe_sound.csv", "mabe_counts.csv"
FIRST, SECOND, THIRD = "first", "second", "third"
"""Columns of the counts: right, called and true positives of a binary task; frames, squared errors, 0 of another."""


@dataclass(frozen=True)
class Evaluation:
    """A run and the folder that holds its three tables."""

    method: str
    mode: str
    setting: str
    seed: int
    folder: Path

    @property
    def label(self) -> str:
        """What tells it from the other runs of a table."""
        parts = [self.method, "faithful" if self.mode == "faithful" else "", self.setting.replace("default", "")]
        return " ".join(part for part in parts if part)


def _write(path: Path, table: pd.DataFrame) -> None:
    write_csv(path, table, float_format="%.10g")


def counts_table(scores: SoundScores) -> pd.DataFrame:
    """Lay the counts out as rows (clip, task), from which scores, intervals and paired tests can be made again."""
    clips, tasks = len(scores.clips), len(scores.tasks)
    columns = {
        "clip": np.repeat(scores.clips, tasks),
        "task": np.tile([task.name for task in scores.tasks], clips),
        "continuous": np.tile([task.continuous for task in scores.tasks], clips),
        "sequence": np.tile([task.sequence for task in scores.tasks], clips),
        "alpha": np.tile(scores.alphas, clips),
    }
    counts = scores.counts.reshape(-1, 3)
    return pd.DataFrame(columns | {name: counts[:, k] for k, name in enumerate((FIRST, SECOND, THIRD))})


def read_counts(path: Path) -> SoundScores:
    """Undo :func:`counts_table`.

    Raises
    ------
    InputError
        When the file is absent or is no such table.
    """
    try:
        table = pd.read_csv(path, dtype={"clip": str, "task": str}, keep_default_na=False)
        clips, tasks = list(dict.fromkeys(table["clip"])), list(dict.fromkeys(table["task"]))
        about = table.iloc[: len(tasks)]
        counts = table[[FIRST, SECOND, THIRD]].to_numpy(np.float64).reshape(len(clips), len(tasks), 3)
        rows = zip(about["task"], about["continuous"], about["sequence"], strict=True)
        described = [MabeTask(str(name), bool(continuous), bool(sequence)) for name, continuous, sequence in rows]
        return SoundScores(described, clips, counts, [float(alpha) for alpha in about["alpha"]])
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            path, f"is no table of counts by clip and task ({error})", "run the mabe rule again"
        ) from error


def score_submission(
    submission: Path,
    labels: Path,
    split: Path,
    *,
    animal: Animal,
    interval: IntervalConfig,
    compat: Path,
    sound: Path,
    counts: Path,
) -> None:
    """Evaluate a submission in both modes.

    Parameters
    ----------
    submission, labels, split : Path
        See :func:`workflow_scripts.evaluation.mabe.data.load`. Submissions wider than the official evaluator takes
        are evaluated, too: controls are not to lose by being cut.
    animal : {"mouse", "fly"}
    interval : IntervalConfig
    compat, sound, counts : Path
        Tables to write: as published; with intervals over clips; what each test clip adds to the latter.
    """
    data = load(submission, labels, split, animal=animal, strict=False)
    scores = sound_scores(data)
    _write(compat, compat_table(data, animal))
    _write(counts, counts_table(scores))
    _write(sound, pd.DataFrame(scores.rows(interval)))


def side_by_side(evaluations: Sequence[Evaluation], published: Sequence[Published]) -> pd.DataFrame:
    """One row a task and run: the published evaluator's score, the sound one with its interval, the literature's.

    Parameters
    ----------
    evaluations : sequence of Evaluation
    published : sequence of Published
        Of the card; numbers of the published evaluator.
    """
    numbers = {(number.ours or number.method, number.task): number for number in published}
    rows = []
    for run in evaluations:
        compat = pd.read_csv(run.folder / COMPAT).set_index("Task ID")
        as_published = compat["Private Score"].to_dict()
        for name, metric in (("mean_f1", "f1_score"), ("mean_mse", "mean_mse")):
            as_published[name] = compat.loc[compat["Metric"] == metric, "Private Score"].mean()
        for row in pd.read_csv(run.folder / SOUND).to_dict("records"):
            number = numbers.get((run.method, row["task"]))
            rows.append(
                {
                    "task": row["task"],
                    "metric": str(row["metric"]).partition("/")[0],
                    "embedding": run.label,
                    "seed": run.seed,
                    "sound": row["value"],
                    "low": row["low"],
                    "high": row["high"],
                    "as published": as_published.get(row["task"], np.nan),
                    "in the literature": number.value if number else np.nan,
                }
            )
    table = pd.DataFrame(rows)
    # The means first, then task by task with all runs together.
    names = list(dict.fromkeys(table["task"]))
    order = {name: k for k, name in enumerate(sorted(names, key=lambda name: not name.startswith("mean_")))}
    return table.iloc[np.argsort(table["task"].map(order).to_numpy(), kind="stable")]


def differences(evaluations: Sequence[Evaluation], method: str, interval: IntervalConfig) -> pd.DataFrame:
    """Compare the runs of a method with those of the others, by a bootstrap over clips that both were scored on.

    Parameters
    ----------
    evaluations : sequence of Evaluation
    method : str
        Its `sound` runs come first in each pair.
    interval : IntervalConfig

    Returns
    -------
    DataFrame
        Columns first, second, seed, task, and those of :func:`workflow_scripts.evaluation.mabe.scores.paired_rows`.
    """
    scores = {run: read_counts(run.folder / COUNTS) for run in evaluations}
    drawn = {(run.label, run.seed) for run in evaluations}
    rows = []
    for run in evaluations:
        if run.method != method or run.mode != "sound":
            continue
        for other in evaluations:
            # Like with like; what draws nothing ran with the first seed alone.
            if other.label != run.label and (other.seed == run.seed or (other.label, run.seed) not in drawn):
                for row in paired_rows(scores[run], scores[other], interval):
                    rows.append({"method": run.label, "other": other.label, "seed": run.seed, **row})
    return pd.DataFrame(rows)


def write_mabe_section(
    path: Path,
    dataset: str,
    evaluations: Sequence[Evaluation],
    published: Sequence[Published],
    interval: IntervalConfig,
    method: str = "bams",
) -> None:
    """Write the tables of all runs on a dataset as a section of the report.

    Parameters
    ----------
    path : Path
        `section.json`; the tables go beside it.
    dataset : str
    evaluations : sequence of Evaluation
    published : sequence of Published
    interval : IntervalConfig
    method : str
        Compared with all others.
    """
    items = [
        Item(
            kind="table",
            file="evaluator.csv",
            caption="The MABe linear evaluator on every run. As published: frames fitted and scored one by one, a "
            "frame is positive if any of three seeds says so. Sound: standardised, penalty from held-out training "
            f"clips, one row a clip where there is one answer, {interval.level:.0%} intervals over clips. F1 of the "
            "positive class (higher is better) or MSE (lower is better).",
        )
    ]
    _write(path.parent / "evaluator.csv", side_by_side(evaluations, published))
    pairs = differences(evaluations, method, interval)
    if len(pairs):
        _write(path.parent / "differences.csv", pairs)
        caption = (
            f"{method} minus each other embedding in the sound evaluation, on the same test clips: paired bootstrap "
            "over clips, two-sided p, not corrected for the number of comparisons. A negative difference of MSE is a "
            "gain."
        )
        items.append(Item(kind="table", file="differences.csv", caption=caption))
    write_section(path, Section(title="MABe 2022 linear evaluator", dataset=dataset, order=10, items=items))
