"""MABe: a synthetic set, and the published evaluator's procedure on scikit-learn, literal and slow, as its oracle."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.metrics import f1_score, mean_squared_error
from sklearn.model_selection import train_test_split

from workflow_scripts.evaluation.mabe.tasks import MOUSE_TASKS
from workflow_scripts.evaluation.options import IntervalConfig
from workflow_scripts.sources.shared import npy_write

SEEDS = (42, 43, 44)
ALPHAS = (0.1, 0.5, 1.0, 2.0, 5.0)
SEQUENCE = ("experiment_day", "strain", "lights")
INTERVAL = IntervalConfig(resamples=200)


def make_set(folder: Path, n_train=40, n_public=12, n_private=14, frames=60, dim=10, seed=0, signal=1.0):
    """A synthetic set of 66 clips: sequence answers, rare and common frame answers, gaps in the labels."""
    rng = np.random.default_rng(seed)
    n = n_train + n_public + n_private
    clips = [f"CLIP{k:03d}" for k in range(n)]
    spans = {clip: (k * frames, (k + 1) * frames) for k, clip in enumerate(clips)}
    array = np.empty((13, n * frames), np.float32)
    for number, task in enumerate(MOUSE_TASKS):
        if task in SEQUENCE or task == "time_of_day":
            values = rng.random(n) if number < 2 else rng.random(n) < 0.5
            array[number] = np.repeat(values, frames)
        else:
            array[number] = np.repeat(rng.random(n * frames // 10) < 0.5 / number, 10)
    x = signal * array.T @ rng.normal(size=(13, dim)) * 0.5 + rng.normal(size=(n * frames, dim)) + 3
    array[:, rng.random(n * frames) < 0.05] = np.nan
    array[4, rng.random(n * frames) < 0.3] = np.nan
    # The map's order is neither that of the split file nor alphabetical.
    order = rng.permutation(n)
    split = {
        "UserTrain": [],
        "SubmissionTrain": [clips[k] for k in order[:n_train]],
        "publicTest": [clips[k] for k in order[n_train : n_train + n_public]],
        "privateTest": [clips[k] for k in order[n_train + n_public :]],
    }
    paths = folder / "submission.npy", folder / "labels.npy", folder / "split.json"
    npy_write.save(paths[0], {"frame_number_map": spans, "embeddings": x.astype(np.float32)})
    types = ["Continious"] * 2 + ["Discrete"] * 11
    labels = {"frame_number_map": spans, "vocabulary": list(MOUSE_TASKS), "task_type": types, "label_array": array}
    npy_write.save(paths[1], labels)
    paths[2].write_text(json.dumps(split))
    by_clip = {clip: array[:, start:stop] for clip, (start, stop) in spans.items()}
    return paths, (x.astype(np.float32), spans, by_clip, list(MOUSE_TASKS), types, split, SEQUENCE)


def frames_of(clips, labels, embeddings, spans, task):
    """Embeddings and labels of every labelled frame of some clips, in the order of the rows."""
    xs, ys = [], []
    for clip in sorted(clips, key=lambda clip: spans[clip]):
        start, stop = spans[clip]
        y = labels[clip][task]
        known = ~np.isnan(y)
        xs.append(embeddings[start:stop][known])
        ys.append(y[known])
    return np.concatenate(xs), np.concatenate(ys)


def score(truth, prediction, discrete):
    if discrete:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return f1_score(truth, prediction)
    return mean_squared_error(truth, prediction)


def evaluate(embeddings, spans, labels, vocabulary, types, split, sequence_tasks) -> pd.DataFrame:
    rows = []
    parts = split["privateTest"], split["publicTest"]
    for number, task in enumerate(vocabulary):
        discrete = types[number] == "Discrete"
        by_alpha = {}
        for alpha in ALPHAS:
            predictions = {"public": [], "all": []}
            for seed in SEEDS:
                train, _ = train_test_split(split["SubmissionTrain"], test_size=0.1, random_state=seed)
                x, y = frames_of(train, labels, embeddings, spans, number)
                model = RidgeClassifier(class_weight="balanced", alpha=alpha) if discrete else Ridge(alpha=alpha)
                model.fit(x, y.astype(int) if discrete else y)
                private, public = (model.predict(frames_of(p, labels, embeddings, spans, number)[0]) for p in parts)
                predictions["public"].append(public)
                predictions["all"].append(np.concatenate([private, public]))
            merged = {}
            for side, found in predictions.items():
                mean = np.mean(found, axis=0)
                merged[side] = (mean > 0).astype(int) if discrete else mean
            by_alpha[alpha] = merged, predictions
        merged, predictions = by_alpha[1.0]
        private, public = (frames_of(part, labels, embeddings, spans, number)[1] for part in parts)
        truth = {"public": public, "all": np.concatenate([private, public])}
        pooled = -1.0
        if task in sequence_tasks:
            # The predictions are in the order of the rows, but are cut in the order of the split's lists.
            answers = [labels[clip][number] for part in parts for clip in part]
            answers = [answer[~np.isnan(answer)] for answer in answers]
            pieces = np.split(merged["all"], np.cumsum([len(answer) for answer in answers])[:-1])
            label = np.array([answer.mean() for answer in answers if len(answer)])
            said = np.array([piece.mean() for piece in pieces if len(piece)])
            pooled = score(label >= 0.5, said >= 0.5, True) if discrete else score(label, said, False)
        rows.append(
            {
                "Task ID": task,
                "Private Score": score(truth["all"], merged["all"], discrete),
                "Public Score": score(truth["public"], merged["public"], discrete),
                "Metric": "f1_score" if discrete else "mean_mse",
                "No Ensemble Score": np.mean([score(truth["all"], p, discrete) for p in predictions["all"]]),
                "Pooled Score": pooled,
                "Sequence Level Task": task in sequence_tasks,
                **{f"Score Alpha {a}": score(truth["all"], by_alpha[a][0]["all"], discrete) for a in ALPHAS},
            }
        )
    return pd.DataFrame(rows)
