import json

import numpy as np
import pandas as pd
import pytest

from workflow_scripts.formats.tables import COLUMNS
from workflow_scripts.methods.daart.figures import weight_map

WEIGHTS = [(0, 0), (0, 1), (5, 0), (5, 1)]


def tables(seeds=(0, 1), other=None):
    rows, points = [], []
    for k, (weak, pred) in enumerate(WEIGHTS):
        about = {"dataset": "flies", "method": "daart", "mode": "sound", "setting": f"p{k}"}
        options = {
            "loss": {"lambda_strong": 1, "lambda_weak": weak, "lambda_pred": pred},
            "other": (other or {}).get(k),
        }
        points.append(about | {"options": json.dumps(options)})
        score = {"readout": "native", "task": "truth", "metric": "macro_f1", "n": 90, "n_groups": 6}
        for split in ("fold0", "fold1", "fold"):
            for seed in seeds:
                value = 0.5 + k / 10 + seed / 100 if split == "fold" else 0.0
                rows.append(about | score | {"split": split, "seed": seed, "value": value, "low": 0.1, "high": 0.9})
        if len(seeds) > 1:
            mean = 0.5 + k / 10 + np.mean(seeds) / 100
            rows.append(about | score | {"split": "fold", "seed": None, "value": mean, "low": 0.4, "high": 0.95})
        rows.append(about | score | {"readout": "probe", "split": "fold", "seed": 0, "value": 0.99})
    return {"comparison.csv": pd.DataFrame(rows, columns=COLUMNS), "settings.csv": pd.DataFrame(points)}


def test_each_pair_of_weights_has_its_mean_over_seeds():
    figure, data, caption = weight_map(tables(), dataset="flies", task="truth")
    assert data[["lambda_weak", "lambda_pred"]].to_numpy().tolist() == [list(pair) for pair in WEIGHTS]
    assert data.value.to_numpy() == pytest.approx([0.505, 0.605, 0.705, 0.805]) and (data.seeds == 2).all()
    shown = [text.get_text() for text in figure.axes[0].texts]
    assert shown[0] == "0.505\n0.400 to 0.950" and len(shown) == 4
    assert "2 seeds" in caption and "6 held-out groups" in caption


def test_one_seed_has_its_own_interval():
    _, data, caption = weight_map(tables(seeds=(0,)), dataset="flies", task="truth")
    assert (data.low == 0.1).all() and "seed" not in caption


def test_points_that_differ_in_more_than_the_weights_are_no_map():
    assert weight_map(tables(other={2: "wide"}), dataset="flies", task="truth") is None
    assert weight_map(tables(), dataset="flies", task="behaviour") is None
