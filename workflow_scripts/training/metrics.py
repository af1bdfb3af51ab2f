"""`metrics.csv`: one row an epoch."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.tables import write_csv

LEADING = ["epoch", "step", "lr"]
"""First columns of `metrics.csv`; the metrics follow in alphabetical order, training before validation.

The time an epoch took is in the log alone, so that equal runs have equal tables.
"""


def column_order(rows: list[dict[str, float]]) -> list[str]:
    """Order the columns of `metrics.csv`."""
    return [*LEADING, *sorted({name for row in rows for name in row} - set(LEADING))]


def write_metrics(path: str | Path, rows: list[dict[str, float]]) -> None:
    """Write `metrics.csv`, one row an epoch, whole or not at all."""
    write_csv(path, pd.DataFrame(rows, columns=column_order(rows)))


def read_metrics(path: str | Path) -> pd.DataFrame:
    """Read `metrics.csv`.

    Raises
    ------
    InputError
        When the file is absent or has no column `epoch`.
    """
    try:
        table = pd.read_csv(path)
    except FileNotFoundError as error:
        raise InputError(path, "the file does not exist", "run the training that makes it") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(path, f"is no table of metrics ({error})", "run the training again") from error
    if "epoch" not in table:
        raise InputError(path, "has no column epoch", "run the training again")
    return table
