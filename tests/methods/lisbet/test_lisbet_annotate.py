"""Tables of annotations, as the original writes them."""

import numpy as np
import pandas as pd
from builders.tracks import walkers

from workflow_scripts.core.names import slugify
from workflow_scripts.methods.lisbet.config import Config
from workflow_scripts.methods.lisbet.module import Lisbet
from workflow_scripts.methods.lisbet.original.annotate import annotate, classes_of


def test_annotation_tables(spec, tmp_path):
    model = Lisbet(Config(preset="16x2", window_size=20, tasks=["multiclass"], labels=["behaviour"]), spec)
    recording = walkers("m/1", 60)
    said = annotate(model, recording, tmp_path)["behaviour"]
    table = pd.read_csv(tmp_path / slugify("m/1") / "behaviour_probabilities.csv", index_col="frame")
    assert list(table.columns) == ["a", "b", "other"]
    np.testing.assert_allclose(table.sum(axis=1), 1, atol=1e-4)
    classes = pd.read_csv(tmp_path / slugify("m/1") / "behaviour_classes.csv")["class"]
    assert classes.tolist() == [("a", "b", "other")[k] for k in said]
    listed = pd.read_csv(tmp_path / slugify("m/1") / "behaviour_bouts.csv")
    assert listed["end_frame"].iloc[-1] == 60
    assert pd.read_csv(tmp_path / slugify("m/1") / "machineAnnotation_lisbet.csv").shape == (60, 4)


def test_short_bouts_are_merged():
    probabilities = np.array([[0.9, 0.1, 0], [0.9, 0.1, 0], [0.3, 0.2, 0.5], [0.1, 0.9, 0], [0.1, 0.9, 0]], np.float32)
    assert classes_of(probabilities).tolist() == [0, 0, 2, 1, 1]
    assert classes_of(probabilities, min_frames=2).tolist() == [0, 0, 0, 1, 1]
