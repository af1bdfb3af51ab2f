from __future__ import annotations

import math

import numpy as np
import pytest

from workflow_scripts.evaluation.comparison.compare import score_run
from workflow_scripts.evaluation.options import IntervalConfig
from workflow_scripts.evaluation.scores.means import mean_rows
from workflow_scripts.formats.predictions import Prediction, create_predictions, open_predictions

INTERVAL = IntervalConfig(resamples=400)
RUN = {"dataset": "d", "method": "m", "mode": "sound", "setting": "default", "split": "official", "seed": 0}


def write(path, tasks, groups=6, frames=40, seed=0):
    """Predictions of each task in each group; `tasks` maps name to (kind, share of right answers)."""
    rng = np.random.default_rng(seed)
    with create_predictions(path) as writer:
        for task, (kind, right) in tasks.items():
            vocabulary = ("no", "yes") if kind == "binary" else () if kind == "continuous" else ("a", "b", "c")
            writer.task(task, kind=kind, level="frame", vocabulary=vocabulary, readout="probe")
            for group in range(groups):
                if kind == "continuous":
                    truth = rng.random(frames).astype(np.float32)
                    said = truth + np.float32(1 - right)
                else:
                    truth = rng.integers(0, len(vocabulary), frames).astype(np.uint8 if kind == "binary" else np.int16)
                    said = np.where(rng.random(frames) < right, truth, (truth + 1) % len(vocabulary)).astype(
                        truth.dtype
                    )
                writer.add(task, Prediction(f"r{group}", f"g{group}", truth, np.ones(frames, bool), said, None))


def test_means_are_those_of_the_rows(tmp_path):
    path = tmp_path / "p.h5"
    write(path, {"x": ("binary", 0.9), "y": ("binary", 0.6), "u": ("continuous", 0.9), "v": ("continuous", 0.5)})
    table = score_run([path], INTERVAL, RUN).set_index(["task", "metric"])
    f1 = [table.loc[(task, "f1/yes"), "value"] for task in ("x", "y")]
    mse = [table.loc[(task, "mse"), "value"] for task in ("u", "v")]
    assert table.loc[("mean_f1", "f1"), "value"] == pytest.approx(np.mean(f1))
    assert table.loc[("mean_mse", "mse"), "value"] == pytest.approx(np.mean(mse)) == pytest.approx(0.13, abs=1e-6)
    row = table.loc[("mean_f1", "f1")]
    assert row["low"] < row["value"] < row["high"] and row["n"] == 2 * 6 * 40 and row["n_groups"] == 6
    assert row["dataset"] == "d" and row["readout"] == "probe"


def test_groups_are_drawn_for_all_tasks_at_once(tmp_path):
    # One task said twice under two names: its mean must have the very interval of the task.
    path = tmp_path / "p.h5"
    write(path, {"x": ("binary", 0.7)})
    with create_predictions(tmp_path / "t.h5") as writer, open_predictions(path) as reader:
        for name in ("x", "y"):
            writer.task(name, kind="binary", level="frame", vocabulary=("no", "yes"), readout="probe")
            for found in reader.iterate("x"):
                writer.add(name, found)
    twice = score_run([tmp_path / "t.h5"], INTERVAL, RUN).set_index(["task", "metric"])
    columns = ["value", "low", "high"]
    assert twice.loc[("mean_f1", "f1"), columns].tolist() == pytest.approx(twice.loc[("x", "f1/yes"), columns].tolist())


def test_one_task_or_none_of_a_kind_has_no_mean(tmp_path):
    path = tmp_path / "p.h5"
    write(path, {"x": ("binary", 0.9), "z": ("multiclass", 0.9), "w": ("multiclass", 0.9), "u": ("continuous", 0.9)})
    assert not mean_rows([path], INTERVAL)
    assert not score_run([path], INTERVAL, RUN)["task"].str.startswith("mean_").any()


def test_one_group_has_no_interval(tmp_path):
    path = tmp_path / "p.h5"
    write(path, {"x": ("binary", 0.9), "y": ("binary", 0.9)}, groups=1)
    (row,) = mean_rows([path], INTERVAL)
    assert row.estimate.value > 0.7 and all(map(math.isnan, row.estimate.interval))
