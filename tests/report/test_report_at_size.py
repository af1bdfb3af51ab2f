"""Large experiments: what the page leaves out of its figures and tables, it says, and what it keeps stays small."""

from __future__ import annotations

import base64
import gzip
from pathlib import Path

import numpy as np
import pandas as pd

from workflow_scripts.evaluation.extracts.ethograms import confusion_table
from workflow_scripts.formats.predictions import Prediction, create_predictions
from workflow_scripts.formats.tables import confusion_matrix
from workflow_scripts.report import figures, most
from workflow_scripts.report.tables import ROWS, Cell, Row, Table, csv_uri, pool_seeds, scores


def rows(methods: int, classes: int) -> pd.DataFrame:
    names = [f"f1/c{k}" for k in range(classes)]
    made = [
        {"dataset": "d", "task": "t", "method": f"m{m}", "metric": name, "value": 0.5 + m / 1000, "split": "fold"}
        for m in range(methods)
        for name in ["macro_f1", *names]
    ]
    chance = [{**row, "method": "prior", "readout": "chance", "value": 0.1} for row in made[: classes + 1]]
    return pd.DataFrame(made + chance).assign(seed=0, mode="sound", setting="default")


def test_bars_by_class_are_those_of_the_best_methods_and_the_largest_classes() -> None:
    table = rows(30, 100)
    found = scores(table)
    counts = {f"c{k}": k for k in range(100)}
    shown, words = most.for_class_bars(table, list(pool_seeds(found, "macro_f1")), found, counts)
    assert set(shown["method"]) == {f"m{m}" for m in range(30 - most.METHODS, 30)} | {"prior"}
    assert set(shown["metric"]) == {f"f1/c{k}" for k in range(100 - most.CLASSES, 100)}
    assert f"{most.METHODS} of 30 methods" in words and f"{most.CLASSES} of 100 classes" in words


def test_small_experiments_are_drawn_whole() -> None:
    table = rows(3, 4)
    found = scores(table)
    shown, words = most.for_class_bars(table, list(pool_seeds(found, "macro_f1")), found, {})
    assert shown is table and words == ""


def test_long_tables_are_cut_and_downloads_packed() -> None:
    table = pd.DataFrame({"a": np.arange(50_000)})
    made = Table("t", (("a", True),), tuple(Row((Cell(str(k), k),)) for k in range(ROWS + 5)), "t.csv", csv_uri(table))
    assert (len(made.rows), made.total) == (ROWS, ROWS + 5)
    packed = base64.b64decode(made.csv.partition("base64,")[2])
    assert gzip.decompress(packed).decode() == table.to_csv(index=False)
    assert made.csv == csv_uri(table), "the same table gives the same bytes"
    assert Table("t", (("a", True),), (Row((Cell("1", 1),)),)).total == 0


def test_a_confusion_matrix_of_many_classes_is_one_picture() -> None:
    figure = figures.confusion(np.eye(200, dtype=int), [f"c{k}" for k in range(200)])
    assert len(figure.axes[0].texts) == 0
    assert figures.confusion(np.eye(3, dtype=int), ["a", "b", "c"]).axes[0].texts


def test_confusion_counts_leave_out_pairs_that_never_occur(tmp_path: Path) -> None:
    path = tmp_path / "predictions.h5"
    names = ("a", "b", "c", "d")
    with create_predictions(path) as writer:
        writer.task("t", kind="multiclass", level="frame", vocabulary=names, readout="probe")
        truth, said = np.array([0, 0, 2], np.int16), np.array([0, 1, 2], np.int16)
        writer.add("t", Prediction("r", "g", truth, np.ones(3, bool), said))
    counts = confusion_table([("d", "m", "sound", "default", "s", 0)], [path])
    assert counts[["truth", "prediction", "n"]].to_numpy().tolist() == [
        *(["a", "a", 1], ["a", "b", 1], ["b", "b", 0], ["c", "c", 1], ["d", "d", 0])
    ]
    vocabulary, matrix = confusion_matrix(counts)
    assert vocabulary == names
    assert matrix.tolist() == [[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
