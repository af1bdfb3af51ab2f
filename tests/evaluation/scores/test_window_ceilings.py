import numpy as np
import pytest

from workflow_scripts.evaluation.comparison.compare import score_run
from workflow_scripts.evaluation.options import IntervalConfig
from workflow_scripts.formats.predictions import Prediction, create_predictions
from workflow_scripts.metrics.frames import class_f1, confusion
from workflow_scripts.metrics.windows import window_ceiling
from workflow_scripts.report.views import ceilings

RUN = {"dataset": "d", "method": "mvd", "mode": "sound", "setting": "default", "split": "official", "seed": 0}
NAMES = ("idle", "walk", "twitch", "never")


def truth(seed):
    rng = np.random.default_rng(seed)
    parts = [np.full(rng.integers(40, 60), 0) for _ in range(12)]
    for k in range(1, 12, 2):
        parts[k] = np.full(90, 1) if k % 4 == 1 else np.full(6, 2)
    return np.concatenate(parts).astype(np.int16)


@pytest.fixture
def path(tmp_path):
    with create_predictions(tmp_path / "predictions.h5") as writer:
        writer.task("action", kind="multiclass", level="frame", vocabulary=NAMES, readout="native", background="idle")
        for k in range(2):
            codes = truth(k)
            writer.add("action", Prediction(f"r{k}", f"g{k}", codes, np.ones(len(codes), bool), codes, None))
    return tmp_path / "predictions.h5"


def test_faultless_windows_stand_beside_a_methods_scores(path):
    table = score_run([path], IntervalConfig(resamples=50), RUN, window=32)
    value = table.set_index("metric")["value"]
    counts = sum(confusion(truth(k), window_ceiling(truth(k).astype(np.int64), 4, 32, 16, 0), 4) for k in range(2))
    assert value["ceiling_f1/walk"] == pytest.approx(class_f1(counts)[1])
    assert value["ceiling_f1/twitch"] == pytest.approx(class_f1(counts)[2])
    # Windows find long bouts and cannot mark short ones.
    assert value["ceiling_bout_f1@0.5/walk"] > 0.8 > 0.1 > value["ceiling_bout_f1@0.5/twitch"]
    assert value["bout_f1@0.5/walk"] == value["bout_f1@0.5/twitch"] == 1
    assert not {"ceiling_f1/idle", "ceiling_f1/never", "bout_f1@0.5/never"} & set(value.index)
    shown = ceilings(table, "d", "action")
    assert [row.cells[1].text for row in shown.rows] == ["walk", "twitch"]
    assert shown.rows[0].cells[5].sort == pytest.approx(value["ceiling_f1/walk"])


def test_without_a_window_there_is_no_ceiling(path):
    table = score_run([path], IntervalConfig(resamples=50), RUN)
    assert not table["metric"].str.startswith("ceiling").any()
    assert ceilings(table, "d", "action") is None
