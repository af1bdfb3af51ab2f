"""Runs of equal values: one implementation, checked against a loop."""

import ast
from itertools import groupby
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.formats.bouts import runs

PACKAGE = Path(__file__).parents[2] / "workflow_scripts"


@given(st.lists(st.integers(-1, 3), max_size=40))
def test_runs_are_those_of_a_loop(values):
    expected, at = [], 0
    for value, same in groupby(values):
        length = len(list(same))
        expected.append((at, at + length, value))
        at += length
    found = runs(np.array(values, np.int16))
    assert found.triples() == expected
    assert found.length.tolist() == [stop - start for start, stop, _ in expected]
    start, stop = found.of(1)
    assert list(zip(start.tolist(), stop.tolist(), strict=True)) == [(a, b) for a, b, v in expected if v == 1]


def test_a_mask_gives_its_stretches_of_true():
    start, stop = runs(np.array([False, True, True, False, True])).of(True)
    assert (start.tolist(), stop.tolist()) == ([1, 4], [3, 5])
    assert [part.tolist() for part in runs(np.zeros(0, bool)).of(True)] == [[], []]


def test_there_is_one_bout_and_one_runs():
    homes = {"Bout": [], "runs": []}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name in homes:
                homes[node.name].append(path.relative_to(PACKAGE).as_posix())
    assert homes == {"Bout": ["formats/bouts.py"], "runs": ["formats/bouts.py"]}
