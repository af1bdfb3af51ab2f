"""One tidy table of everything that was scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.cards.parts import Published
from workflow_scripts.core.files import failure
from workflow_scripts.evaluation.options import IntervalConfig
from workflow_scripts.evaluation.scores.ceiling import ceiling_rows
from workflow_scripts.evaluation.scores.estimate import Row, table_of
from workflow_scripts.evaluation.scores.means import mean_rows
from workflow_scripts.evaluation.scores.score import all_positive_rows, score_rows
from workflow_scripts.formats.tables import COLUMNS, read_table
from workflow_scripts.metrics import chance

ORDER = ["dataset", "task", "metric", "split", "method", "mode", "setting", "seed"]


def score_run(
    paths: Sequence[Path], interval: IntervalConfig, run: Mapping[str, Any], *, window: int | None = None
) -> pd.DataFrame:
    """Score the held-out predictions of a run, or of its folds together, as a result table.

    Parameters
    ----------
    paths : sequence of Path
        Predictions that hold out different recordings.
    interval : IntervalConfig
    run : mapping
        Values of the columns dataset, method, mode, setting, split and seed.
    window : int or None
        Frames that the method sees at a time: what faultless windows of that length score is set beside its own.
    """
    rows = run_rows(paths, interval, run, window=window)
    method = [row.method or run["method"] for row in rows]
    return table_of(rows).assign(**{**run, "method": method})


def run_rows(
    paths: Sequence[Path], interval: IntervalConfig, run: Mapping[str, Any], *, window: int | None = None
) -> list[Row]:
    """Score as :func:`score_run`, with the draws behind every interval."""
    rows = score_rows(paths, interval) + mean_rows(paths, interval)
    if window:
        rows += ceiling_rows(paths, window)
    # Rows of `all_positive` need the truth alone, so they ride along with those of `majority`.
    return rows + all_positive_rows(paths, interval) if run["method"] == chance.MAJORITY.name else rows


def _read(path: Path, tasks: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """Read a run's table, or say for each task that the run failed."""
    reason = failure(path)
    if reason is None:
        return read_table(path)
    dataset, method, mode, setting, split, seed = path.parts[-7:-1]
    run = {"dataset": dataset, "method": method, "mode": mode, "setting": setting, "split": split}
    run |= {"seed": seed.removeprefix("seed"), "readout": path.stem, "note": f"failed: {reason}"}
    rows = [run | {"task": task, "metric": metric} for task, metric in tasks.get(dataset, {}).items()]
    return pd.DataFrame(rows, columns=COLUMNS).astype({"seed": "Int64"})


def compare(
    tables: Sequence[str | Path],
    published: Mapping[str, Sequence[Published]],
    tasks: Mapping[str, Mapping[str, str]] | None = None,
) -> pd.DataFrame:
    """Concatenate result tables and set the published number beside each row it speaks of.

    Parameters
    ----------
    tables : sequence of str or Path
        `probe.csv` of every run, chance and pooled rows included.
    published : mapping of str to sequence of Published
        Numbers from the literature, by dataset.
    tasks : mapping of str to mapping of str to str
        By dataset: tasks and the metric by which a run that failed is missed.

    Returns
    -------
    DataFrame
        Columns of :data:`workflow_scripts.formats.tables.COLUMNS`, in a stable order.
    """
    parts = [_read(Path(path), tasks or {}) for path in tables]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)
    # An all-empty column would be read as float, and `verified` holds booleans.
    table = table.astype({"published": float, "verified": object})
    for dataset, numbers in published.items():
        for number in numbers:
            spoken_of = (
                (table["dataset"] == dataset)
                & (table["method"] == (number.ours or number.method))
                & (table["task"] == number.task)
                & (table["metric"] == number.metric)
            )
            table.loc[spoken_of, "published"] = number.value
            table.loc[spoken_of, "verified"] = number.verified
    return table.sort_values(ORDER, kind="stable", ignore_index=True)
