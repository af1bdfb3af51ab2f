"""Columns of numbers of a table that pandas parsed: what is neither empty nor a finite number is refused by its row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from workflow_scripts.core.errors import InputError


def numbers_of(path: Path, table: pd.DataFrame, name: str, *, missing: bool = True) -> npt.NDArray[np.float64]:
    """Return a column as numbers, NaN in empty cells.

    Parameters
    ----------
    path : Path
        The file, for the sentence.
    table : DataFrame
    name : str
        Its column.
    missing : bool
        Whether a cell may be empty.

    Raises
    ------
    InputError
        Names the row (from 1, the header left out) and what it holds.
    """
    values = pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=np.float64)
    gone = np.isnan(values) & (table[name].notna().to_numpy() | (not missing))
    wrong = np.flatnonzero(gone | np.isinf(values))
    if len(wrong):
        row = int(wrong[0])
        held = str(table[name].iloc[row])[:40]
        raise InputError(path, f"row {row + 1}: expected a number under {name}, found {held!r}", "correct it")
    return values
