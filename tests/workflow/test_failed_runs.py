"""A run that fails is a row that says so, where the user asks to keep going."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from workflow_scripts.core.files import failure, write_failure
from workflow_scripts.evaluation.comparison.compare import compare
from workflow_scripts.formats.tables import read_table, write_table
from workflow_scripts.report import views
from workflow_scripts.report.tables import scores


def stage(
    root: Path, folder: Path, name: str, *arguments: str | Path, keep_going: bool = False
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"workflow_scripts.stages.{name}", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(root), "ETHOMAKE_KEEP_GOING": str(int(keep_going))}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=environment)


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A run's folder with a damaged `hparams.yaml`."""
    (tmp_path / "hparams.yaml").write_text("method: [raw\n")
    return tmp_path


def test_a_failure_ends_the_job_unless_asked_to_survive(root: Path, broken: Path) -> None:
    made = broken / "embedder" / "config.yaml", broken / "embedder" / "model.safetensors"
    done = stage(root, broken, "export_embedder", "--folder", broken)
    assert done.returncode == 1 and not made[0].exists()
    done = stage(root, broken, "export_embedder", "--folder", broken, keep_going=True)
    assert done.returncode == 0, done.stderr
    for path in made:
        assert "is not valid YAML" in str(failure(path))
    assert failure(broken / "hparams.yaml") is None


def test_a_failure_is_passed_on_without_work(root: Path, tmp_path: Path) -> None:
    write_failure(tmp_path / "predictions.h5", "the loss became NaN.")
    table = tmp_path / "probe.csv"
    files = ("--predictions", tmp_path / "predictions.h5", "--output", table)
    done = stage(root, tmp_path, "pool", "--settings", "{}", *files, keep_going=True)
    assert done.returncode == 0, done.stderr
    assert failure(table) == "the loss became NaN."


def test_a_failed_run_is_a_row_that_says_so(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "toy" / "net" / "sound" / "lr~1" / "fold0" / "seed2" / "probe.csv"
    write_failure(path, "the loss became NaN.")
    table = compare([path], {}, {"toy": {"state": "macro_f1", "speed": "mse"}})
    assert table[["dataset", "method", "setting", "split", "seed"]].drop_duplicates().values.tolist() == [
        ["toy", "net", "lr~1", "fold0", 2]
    ]
    assert set(zip(table["task"], table["metric"], strict=True)) == {("state", "macro_f1"), ("speed", "mse")}
    assert table["value"].isna().all() and (table["note"] == "failed: the loss became NaN.").all()
    write_table(tmp_path / "comparison.csv", table)
    again = read_table(tmp_path / "comparison.csv")
    assert again["note"].tolist() == table["note"].tolist()
    (where, why), *more = views.broken(again)
    assert not more and why == "failed: the loss became NaN." and where == "toy · net · lr~1 · fold0 · seed 2"
    shown = views.results(again[again["task"] == "state"], "toy", "state")
    assert "failed: the loss became NaN." in shown.rows[0].cells[0].text and shown.rows[0].mark == "failed"


def test_rows_over_seeds_are_the_mean_of_their_seeds() -> None:
    row = {"dataset": "d", "method": "net", "task": "t", "metric": "macro_f1", "split": "fold", "mode": "sound"}
    rows = [row | {"seed": k, "value": 0.4 + k / 10, "low": 0.3, "high": 0.8} for k in range(2)]
    rows.append(row | {"seed": None, "value": 0.45, "low": 0.2, "high": 0.9})
    found = scores(pd.DataFrame(rows))
    assert [score.seed for score in found] == [0, 1]
    assert {score.mean for score in found} == {(0.45, 0.2, 0.9)}
    table = views.results(pd.DataFrame(rows), "d", "t")
    assert sorted(line.cells[1].text for line in table.rows) == ["0", "1", "all"]
