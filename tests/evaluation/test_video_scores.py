"""Precision, recall and F1 by class and video, against counts by hand and scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import precision_recall_fscore_support

from workflow_scripts.core.files import write_failure
from workflow_scripts.evaluation.video_scores import ALL, COLUMNS, video_scores, write_video_section
from workflow_scripts.formats.predictions import Prediction, create_predictions
from workflow_scripts.formats.sections import read_section

NAMES = ("idle", "groom", "twitch")
ABOUT = {"dataset": "d", "method": "mvd", "mode": "sound", "setting": "default", "split": "official", "seed": 0}


@pytest.fixture
def predictions(tmp_path):
    rng = np.random.default_rng(0)
    with create_predictions(tmp_path / "p.h5") as writer:
        writer.task("action", kind="multiclass", level="frame", vocabulary=NAMES, readout="native")
        for name, length in (("a", 200), ("b", 50)):
            truth, said = rng.integers(0, 3, (2, length))
            mask = rng.random(length) < 0.8
            writer.add("action", Prediction(name, name, truth, mask, said))
    return tmp_path / "p.h5"


def test_scores_are_those_of_scikit_learn(predictions):
    from workflow_scripts.formats.predictions import open_predictions

    table = video_scores(predictions, ABOUT)
    assert list(table.columns) == list(COLUMNS) and len(table) == 9
    with open_predictions(predictions) as reader:
        found = {item.recording: item for item in reader.iterate("action")}
    pooled = [np.concatenate([getattr(f, k)[f.mask] for f in found.values()]) for k in ("truth", "prediction")]
    for name, pair in [(k, (f.truth[f.mask], f.prediction[f.mask])) for k, f in found.items()] + [(ALL, pooled)]:
        expected = precision_recall_fscore_support(*pair, labels=[0, 1, 2])
        mine = table[table["recording"] == name]
        for column, values in zip(("precision", "recall", "f1", "support"), expected, strict=True):
            assert mine[column].to_numpy(float) == pytest.approx(values), (name, column)


def test_the_section_has_a_table_of_classes_and_one_of_videos(predictions, tmp_path):
    write_failure(tmp_path / "failed.h5", "no memory")
    tables = [video_scores(predictions, ABOUT), video_scores(tmp_path / "failed.h5", ABOUT | {"seed": 1})]
    write_video_section(tables, tmp_path / "video_scores.csv", tmp_path / "videos" / "section.json")
    section = read_section(tmp_path / "videos" / "section.json")
    assert [item.file for item in section.items] == ["classes.csv", "videos.csv"]
    classes = pd.read_csv(tmp_path / "videos" / "classes.csv")
    assert classes["class"].tolist() == list(NAMES) and {"precision", "recall", "f1", "support"} <= set(classes)
    assert sorted(set(pd.read_csv(tmp_path / "videos" / "videos.csv")["recording"])) == ["a", "b"]
    assert len(pd.read_csv(tmp_path / "video_scores.csv")) == 9
