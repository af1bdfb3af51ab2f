"""Small pieces with one home: csv tables, array names, thresholds of the quantities."""

import ast
import re
from pathlib import Path

import pandas as pd
import pytest

from workflow_scripts.core.tables import write_csv
from workflow_scripts.kinematics import quantities
from workflow_scripts.methods.features.config import Config

PACKAGE = Path(__file__).parents[2] / "workflow_scripts"


def test_a_table_is_there_whole_or_not_at_all(tmp_path):
    table = pd.DataFrame({"a": [1 / 3, 2.0]}, index=["x", "y"])
    write_csv(tmp_path / "deep" / "t.csv", table, "%.3g")
    assert (tmp_path / "deep" / "t.csv").read_text() == "a\n0.333\n2\n"
    write_csv(tmp_path / "t.csv", table, index=True, index_label="row")
    assert (tmp_path / "t.csv").read_text().startswith("row,a\nx,0.333333")
    with pytest.raises(TypeError):
        write_csv(tmp_path / "new.csv", table, no_such_option=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "t.csv"]


def test_csv_tables_are_written_in_one_place():
    pattern = re.compile(r"with atomic_path\(.*\) as part:\n +.*\.to_csv\(part")
    homes = [path for path in PACKAGE.rglob("*.py") if pattern.search(path.read_text())]
    assert homes == [PACKAGE / "core" / "tables.py"]


def test_thresholds_of_quantities_are_defined_once():
    options = Config()
    assert (options.smooth_s, options.contact, options.near) == (
        quantities.SMOOTH_S,
        quantities.CONTACT,
        quantities.NEAR,
    )
    homes = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} if isinstance(node, ast.Assign) else set()
            if names & {"SMOOTH_S", "NEAR"}:
                homes.add(path.relative_to(PACKAGE).as_posix())
    assert homes == {"kinematics/quantities.py"}
