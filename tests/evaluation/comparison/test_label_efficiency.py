"""Scores against the number of labelled groups: a curve that rises as it must, its share, figure and sentence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workflow_scripts.evaluation.comparison.label_efficiency import COLUMNS, Labelled, label_efficiency
from workflow_scripts.evaluation.options import IntervalConfig
from workflow_scripts.formats.predictions import Prediction, create_predictions
from workflow_scripts.report.label_efficiency import draw, sentences

CLASSES = ("rest", "run")
NUMBERS = {1: 0.6, 4: 0.9, 16: 0.92}
"""Share of frames that are right, by the number of labelled groups."""


def predict(path, share, seed, readout="probe"):
    rng = np.random.default_rng(seed)
    with create_predictions(path) as writer:
        writer.task("pace", kind="multiclass", level="frame", vocabulary=CLASSES, readout=readout)
        for group in "abcd":
            truth = rng.integers(0, 2, 400).astype(np.int16)
            said = np.where(rng.random(400) < share, truth, 1 - truth).astype(np.int16)
            writer.add("pace", Prediction(group, group, truth, np.ones(400, bool), said, None))
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("curves")
    runs = []
    for number, share in NUMBERS.items():
        for k in range(3):
            for method, level, readout in (("good", share, "probe"), ("prior", 0.5, "chance")):
                paths = [predict(folder / f"{method}{number}_{k}_{s}.h5", level, 10 * k + s, readout) for s in (0, 1)]
                runs.append(Labelled("mice", "labels_k", method, "sound", "default", number, k, paths))
    return label_efficiency(runs, IntervalConfig(resamples=200))


def test_a_row_a_number_with_means_over_draws_and_seeds(table):
    assert list(table.columns) == COLUMNS
    good = table[table["label"] == "good"].set_index("labelled")
    assert list(good.index) == [1, 4, 16]
    np.testing.assert_allclose(good["value"], list(NUMBERS.values()), atol=0.02)  # macro F1 of even classes
    assert (good["low"] < good["value"]).all() and (good["value"] < good["high"]).all()
    assert (good["draws"] == 3).all() and (good["seeds"] == 2).all() and (good["n_groups"] == 4).all()
    assert good["share"][16] == 1 and good["share_low"][16] == 1
    assert good["share"][1] == pytest.approx(good["value"][1] / good["value"][16])


def test_the_sentence_and_the_figure(table):
    (said,) = sentences(table[table["label"] == "good"])
    assert said.startswith("With 4 labelled groups good reaches 9") and "of what 16 give" in said
    flat = table[table["label"] == "good"].assign(share=[0.5, 0.7, 1.0])
    assert "; 4 do not give 95 %" in sentences(flat)[0]
    people = pd.DataFrame(
        [{"dataset": "mice", "task": "pace", "metric": "macro_f1", "method": "human", "published": 0.95}]
    )
    tables = {"label_efficiency.csv": table, "comparison.csv": pd.DataFrame(people)}
    figure, rows, caption = draw(tables, dataset="mice", task="pace")
    (axis,) = figure.axes
    assert {text.get_text() for text in figure.legends[0].get_texts()} == {"good", "prior (chance)", "human agreement"}
    assert [text.get_text() for text in axis.get_xticklabels()] == ["1", "4", "16"]
    assert len(rows) == 6 and said in caption and "3 nested draws" in caption
    assert draw({"label_efficiency.csv": table}, dataset="rats", task="pace") is None
