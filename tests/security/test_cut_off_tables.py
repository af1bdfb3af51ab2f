"""Rows with fewer cells than their header, and frames far beyond the rows: refused in every table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from workflow_scripts.core import limits
from workflow_scripts.core.errors import InputError
from workflow_scripts.formats.tables import read_small
from workflow_scripts.sources.shared.text import require_full_rows

PATH = Path("x.csv")


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n3,4",
        "a,b\r\n1,2\r\n\r\n3,4\r\n",
        "a,b\n1,2,\n3,4,\n",  # a comma behind each row, as some programs write it
        "a,b,\n1,2\n3,4,\n",  # or behind the header alone
        '"a","b"\n"1,5","2"\n"3\n","4"\n',
        ",a\n0,1\n1,\n",
        "a\n1\n2\n",
    ],
)
def test_whole_tables_are_left_alone(text: str) -> None:
    require_full_rows(PATH, text)


@pytest.mark.parametrize(
    ("text", "line", "cells"),
    [
        ("a,b\n1,2\n3", 3, 1),
        ("a,b\r\n1,2\r\n3", 3, 1),
        ("a,b\n1\n3,4\n", 2, 1),
        ("a,b\n1,2,3\n", 2, 3),
        ('"a","b"\n"1","2"\n"3"', 3, 1),
        ("a,b,c,\n1,2\n", 2, 2),
    ],
)
def test_a_row_of_another_length_is_named(text: str, line: int, cells: int) -> None:
    with pytest.raises(InputError, match=rf"line {line}: has {cells} cells, the header"):
        require_full_rows(PATH, text)


def test_other_delimiters() -> None:
    require_full_rows(PATH, "a;b\n1,5;2\n", ";")
    with pytest.raises(InputError, match="line 2"):
        require_full_rows(PATH, "a;b\n1,5\n", ";")


def test_frames_far_beyond_the_rows_are_no_recording() -> None:
    limits.require_frames(PATH, 100_000, 1)
    limits.require_frames(PATH, 1_000_000, 20_000)
    for frames, rows in ((4 * 10**7, 300), (1e300, 10**9), (np.inf, 5), (np.nan, 5)):
        with pytest.raises(InputError, match="frame"):
            limits.require_frames(PATH, frames, rows)


def test_a_table_of_ours_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text('task,label,n\nt,"a, ""b""\nc",3\nt,d,4\n')
    assert len(read_small(path)) == 2
    for whole in ("task,label,n\nt,a,3\nt,d", 'task,label,n\nt,"a\nb",3\nt,"d', "task,label,n\nt"):
        path.write_text(whole)
        with pytest.raises(InputError, match=r"labels\.csv"):
            read_small(path)
