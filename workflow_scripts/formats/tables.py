"""Tidy result tables: `probe.csv`, `comparison.csv` (DESIGN §5)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.core import limits
from workflow_scripts.core.documents import require_plain
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.tables import write_csv
from workflow_scripts.core.typing import IntArray

COLUMNS = [
    "dataset",
    "method",
    "mode",
    "setting",
    "split",
    "seed",
    "readout",
    "task",
    "level",
    "metric",
    "value",
    "low",
    "high",
    "n",
    "n_groups",
    "published",
    "verified",
    "note",
]
"""Columns of every result table. `n` counts labelled frames (or sequences), `n_groups` the groups resampled; an empty
`seed` stands for the mean over all of them, and `note` says why a value is lacking."""

TYPES: Any = {"setting": str, "split": str, "seed": "Int64", "method": str, "task": str, "note": str}


def write_table(path: str | Path, table: pd.DataFrame) -> None:
    """Write a result table: our columns in our order, numbers with 10 significant digits.

    Parameters
    ----------
    path : str or Path
    table : DataFrame
        May lack columns, which stay empty; a column we do not know is an error.
    """
    unknown = [column for column in table.columns if column not in COLUMNS]
    if unknown:
        raise ValueError(f"unknown columns {unknown}")
    write_csv(path, table.reindex(columns=COLUMNS), float_format="%.10g")


def _read(path: str | Path, what: str, types: Any) -> pd.DataFrame:
    """Read a csv in which only an empty field is missing: "None" and "NA" are names people give to classes."""
    if not Path(path).exists():
        raise InputError(path, "the file does not exist", "run the workflow, which makes it")
    limits.require_memory(path, "the table", 10 * require_plain(path))
    with open(path, "rb") as handle:  # pandas takes the square of the number of columns
        header = handle.readline()
        columns = header.count(b",") + 1
        limits.require_most(path, "its number of columns", columns, limits.COLUMNS)
        handle.seek(max(0, handle.seek(0, 2) - 2**16))
        last = handle.read().rstrip(b"\r\n").rpartition(b"\n")[2]
    # A table that was cut off ends within a row, of which pandas would make empty cells.
    if b'"' not in header + last and last and last.count(b",") + 1 != columns:
        raise InputError(
            path, f"its last row has {last.count(b',') + 1} cells, the header {columns}", "delete it and run again"
        )
    try:
        found = pd.read_csv(path, dtype=types | {"point": str}, keep_default_na=False, na_values=[""])
        # Tables made before the word for it was `setting`.
        return found if "setting" in found else found.rename(columns={"point": "setting"})
    except Exception as error:  # pandas has no common base of its errors
        problem = " ".join(str(error).split())[:200]
        raise InputError(path, f"is no {what} ({problem})", "delete it and run again") from error


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a result table.

    Raises
    ------
    InputError
        When the file is absent or has other columns.
    """
    table = _read(path, "result table", TYPES)
    if list(table.columns) == COLUMNS[:-1]:  # made before there were notes
        table["note"] = pd.Series([pd.NA] * len(table), dtype=object)
    if list(table.columns) != COLUMNS:
        raise InputError(
            path, f"expected the columns {COLUMNS}, found {list(table.columns)}", "delete it and run again"
        )
    return table


TEXT = (
    *("dataset", "task", "recording", "label", "group", "row", "truth", "prediction", "split", "method", "setting"),
    *("class", "animal", "individual", "condition", "source", "a", "b", "from", "to"),
)
"""Columns of small tables that hold names, even where they look like numbers."""


def background_in(rows: pd.DataFrame) -> str | None:
    """Return the class that rows of a small table mark as background; None where they mark none, or are older."""
    if "background" not in rows:
        return None
    marked = rows.loc[rows["background"].astype(str) == "True", "label"]
    return str(marked.iloc[0]) if len(marked) else None


def confusion_matrix(rows: pd.DataFrame) -> tuple[tuple[str, ...], IntArray]:
    """Return the classes and the counts, truth by prediction, of rows of `confusions.csv`; without a row it is 0."""
    vocabulary = tuple(dict.fromkeys(str(name) for part in ("truth", "prediction") for name in rows[part].unique()))
    index = pd.Index(vocabulary)
    places = [index.get_indexer(rows[name].astype("category").cat.categories) for name in ("truth", "prediction")]
    codes = [
        place[rows[name].astype("category").cat.codes]
        for place, name in zip(places, ("truth", "prediction"), strict=True)
    ]
    matrix = np.zeros((len(vocabulary),) * 2, dtype=np.int64)
    np.add.at(matrix, tuple(codes), rows["n"].to_numpy())
    return vocabulary, matrix


def read_confusions(path: str | Path) -> pd.DataFrame:
    """Read `confusions.csv`, its names as categories: 50 methods of 200 classes are millions of rows.

    Raises
    ------
    InputError
        As :func:`read_small`.
    """
    names = ("dataset", "method", "mode", "setting", "split", "task", "truth", "prediction")
    return _read(path, "table", dict.fromkeys(names, "category"))


def vocabulary_in(labels: pd.DataFrame, dataset: str, task: str, present: Iterable[str] = ()) -> list[str]:
    """Return the classes of a task in their order, in which they take their colours everywhere.

    Parameters
    ----------
    labels : DataFrame
        `labels.csv`; its rows of a recording keep the order of the vocabulary.
    dataset, task : str
    present : iterable of str
        Classes that are there for sure; those the table does not know follow by name.
    """
    known: list[str] = []
    if len(labels):
        rows = labels[(labels["dataset"] == dataset) & (labels["task"] == task)]
        known = list(dict.fromkeys(rows["label"].dropna().astype(str)))
    return known + sorted(set(present) - set(known))


def read_small(path: str | Path) -> pd.DataFrame:
    """Read one of the small tables of `results/<experiment>/tables/`.

    Raises
    ------
    InputError
        When the file is absent or is no table.
    """
    return _read(path, "table", dict.fromkeys(TEXT, str))
