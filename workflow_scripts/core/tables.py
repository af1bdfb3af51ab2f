"""Tables as csv files, whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.core.files import atomic_path


def write_csv(
    path: str | Path, table: pd.DataFrame, float_format: str | None = None, *, index: bool = False, **options: Any
) -> None:
    """Write a table; the file appears only when it is complete.

    Parameters
    ----------
    path : str or Path
    table : DataFrame
    float_format : str, optional
        As ``%.6g``: significant digits of numbers that are not whole; all digits where absent.
    index : bool
        Also write the index.
    **options
        Of :meth:`pandas.DataFrame.to_csv`.

    Raises
    ------
    InputError
        When the disk is full or the folder cannot be written to.
    """
    with atomic_path(path) as part:
        table.to_csv(part, index=index, float_format=float_format, **options)
