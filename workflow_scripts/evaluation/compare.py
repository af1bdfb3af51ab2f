"""One tidy table of everything that was scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from workflow_scripts.cards import Published
from workflow_scripts.formats.tables import COLUMNS, read_table

ORDER = ["dataset", "task", "metric", "split", "method", "mode", "point", "seed"]


def compare(tables: Sequence[str | Path], published: Mapping[str, Sequence[Published]]) -> pd.DataFrame:
    """Concatenate result tables and set the published number beside each row it speaks of.

    Parameters
    ----------
    tables : sequence of str or Path
        `probe.csv` of every run, chance and pooled rows included.
    published : mapping of str to sequence of Published
        Numbers from the literature, by dataset.

    Returns
    -------
    DataFrame
        Columns of :data:`workflow_scripts.formats.tables.COLUMNS`, in a stable order.
    """
    parts = [read_table(path) for path in tables]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)
    # An all-empty column would be read as float, and `verified` holds booleans.
    table = table.astype({"published": float, "verified": object})
    for dataset, numbers in published.items():
        for number in numbers:
            spoken_of = (
                (table["dataset"] == dataset)
                & (table["method"] == number.method)
                & (table["task"] == number.task)
                & (table["metric"] == number.metric)
            )
            table.loc[spoken_of, "published"] = number.value
            table.loc[spoken_of, "verified"] = number.verified
    return table.sort_values(ORDER, kind="stable", ignore_index=True)
