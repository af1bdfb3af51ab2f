"""The evaluator beside the published one (MABe2022, commit e97ddee), on submissions whose split lists are shuffled."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from builders.parity import extract, parity

from workflow_scripts.evaluation.mabe.evaluator import COMPAT_COLUMNS, evaluate_mabe
from workflow_scripts.evaluation.mabe.pooled import PooledPart
from workflow_scripts.evaluation.mabe.scores import pooled_counts, score

TEXTS = ["Task ID", "Metric", "Sequence Level Task"]
NUMBERS = [column for column in COMPAT_COLUMNS if column not in TEXTS]


@pytest.mark.parametrize("animal", ["mouse", "fly"])
def test_every_column_of_the_published_table(animal):
    folder = parity(f"mabe_{animal}")
    ours = evaluate_mabe(*(folder / name for name in ("submission.npy", "labels.npy", "split.json")), animal=animal)
    published = pd.read_csv(folder / "published_scores.csv")
    assert list(ours.columns) == list(published.columns)
    for column in TEXTS:
        assert ours[column].tolist() == published[column].tolist(), column  # the rows stand in the same order
    assert (published["Pooled Score"] > 0).sum() >= 3
    difference = (ours[NUMBERS] - published[NUMBERS]).abs().max()
    # At one penalty one frame of one fly is called otherwise: scikit-learn solves in float32, this project in float64.
    allowed = pd.Series(1e-6, index=NUMBERS)
    if animal == "fly":
        allowed["Score Alpha 5.0"] = 3e-5
    assert (difference <= allowed).all(), difference


def _frames(text: str) -> np.ndarray:
    """Labels or predictions from runs such as ``120 .3 0177``, or one character a frame."""
    if " " in text or len(text) < 100:
        text = "".join(run[0] * int(run[1:]) for run in text.split())
    assert re.fullmatch(r"[01.]+", text)
    return np.array([np.nan if character == "." else float(character) for character in text])


@pytest.mark.parametrize("task", ["strain", "lights"])
def test_pooled_score_of_the_extract(task):
    kept = extract("mabe_pooled")
    pairs, alone = [], []
    for clips in kept["parts"].values():
        part = PooledPart(np.array([False]), "any")
        for clip, tasks in kept["clips"].items():  # in the order of the rows
            if clip in clips:
                labels, said = (_frames(text)[None] for text in tasks[task])
                part.add(clip, np.where(said > 0, 1.0, -1.0)[:, None], labels)
                alone.append(
                    [np.nanmean(labels), said[~np.isnan(labels)].mean()] if (labels >= 0).any() else [np.nan] * 2
                )
        pairs.append(part.pairs(clips)[:, 0])
    assert abs(float(score(pooled_counts(np.concatenate(pairs), False).sum(0), False)) - kept["pooled"][task]) < 1e-12
    # A clip's own predictions would give another score.
    own = float(score(pooled_counts(np.array(alone), False).sum(0), False))
    assert abs(own - kept["pooled"][task]) > 0.1
