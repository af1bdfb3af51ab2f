"""One tidy table of everything that was scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.cards.card import Published
from workflow_scripts.core.files import failure
from workflow_scripts.evaluation.options import IntervalConfig
from workflow_scripts.evaluation.scores.ceiling import score_ceiling
from workflow_scripts.evaluation.scores.means import score_means
from workflow_scripts.evaluation.scores.score import score_all_positive, score_predictions
from workflow_scripts.formats.tables import COLUMNS, read_table

ALL_POSITIVE = "all_positive"
"""Chance rows that need the truth alone; they ride along with those of `majority`."""

ORDER = ["dataset", "task", "metric", "split", "method", "mode", "point", "seed"]


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
        Values of the columns dataset, method, mode, point, split and seed.
    window : int or None
        Frames that the method sees at a time: what faultless windows of that length score is set beside its own.
    """
    means = score_means(paths, interval)
    more = [means, score_ceiling(paths, window)] if window else [means]
    table = pd.concat([score_predictions(paths, interval), *(part for part in more if len(part))], ignore_index=True)
    table = table.assign(**run)
    if run["method"] != "majority":
        return table
    rows = score_all_positive(paths, interval).assign(**{**run, "method": ALL_POSITIVE})
    return pd.concat([table, rows], ignore_index=True)


def _read(path: Path, tasks: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """Read a run's table, or say for each task that the run failed."""
    reason = failure(path)
    if reason is None:
        return read_table(path)
    dataset, method, mode, point, split, seed = path.parts[-7:-1]
    run = {"dataset": dataset, "method": method, "mode": mode, "point": point, "split": split}
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
