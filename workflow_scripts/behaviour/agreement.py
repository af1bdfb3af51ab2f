"""How far a model's budgets are from those of the hand labels, on recordings that the model was not trained on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.behaviour.measures import MEASURES, budget
from workflow_scripts.behaviour.series import UNSEEN, Series
from workflow_scripts.behaviour.units import resample_means

AGREEMENT = [
    "dataset",
    "task",
    "source",
    "role",
    "condition",
    "class",
    "measure",
    "human",
    "model",
    "bias",
    "low",
    "high",
]
AGREEMENT += ["spread", "limit_low", "limit_high", "correlation", "n_recordings", "n_units"]
"""Columns of `agreement.csv`; an empty `condition` stands for all recordings."""


def paired(many: Sequence[Series]) -> tuple[list[Series], list[Series]]:
    """Return (human, model) series of the same recordings, both cut to the frames that both know.

    Parameters
    ----------
    many : sequence of Series
        Of people and of models.
    """
    human = {
        (each.dataset, each.recording, each.individual, each.task): each for each in many if each.source == "human"
    }
    hands, models = [], []
    for model in many:
        hand = human.get((model.dataset, model.recording, model.individual, model.task))
        if model.source == "human" or hand is None or len(hand.codes) != len(model.codes):
            continue
        both = (hand.codes != UNSEEN) & (model.codes != UNSEEN)
        if both.any():
            hands.append(
                replace(
                    hand,
                    codes=np.where(both, hand.codes, UNSEEN),
                    source=model.source,
                    role=model.role,
                    seed=model.seed,
                )
            )
            models.append(replace(model, codes=np.where(both, model.codes, UNSEEN)))
    return hands, models


def errors(many: Sequence[Series]) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return the budgets of hand and model on the frames both know, row by row, and model minus hand."""
    hands, models = paired(many)
    hand, model = budget(hands), budget(models)
    error = model.copy()
    error[MEASURES] = model[MEASURES].astype(float) - hand[MEASURES].astype(float)
    return hand, model, error


def agreement(
    many: Sequence[Series], *, level: float = 0.95, resamples: int = 1000, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare the budgets of models with those of people (Bland & Altman 1986).

    Parameters
    ----------
    many : sequence of Series
    level : float
        Of the bootstrap interval of the bias.
    resamples : int
        Bootstrap draws of units (animals, or groups where no animal is named).
    seed : int

    Returns
    -------
    table : DataFrame
        Columns :data:`AGREEMENT`, in the units of the measures. `bias` is the mean of model minus hand; `spread` the
        standard deviation of the differences of recordings; the limits are bias ± 1.96 spread.
    error : DataFrame
        Model minus hand by recording, with the columns of `budget.csv`.
    """
    hand, model, error = errors(many)
    rows: list[dict[str, Any]] = []
    if len(error):
        keys = ["dataset", "task", "source", "role", "class"]
        joint = error[[*keys, "condition", "animal", "group", "recording", "background"]].copy()
        for name in MEASURES:
            joint[f"h_{name}"], joint[f"m_{name}"] = hand[name].astype(float), model[name].astype(float)
        for key, part in joint.groupby(keys, sort=False):
            about = dict(zip(keys, key if isinstance(key, tuple) else (key,), strict=True))
            conditions = sorted(set(part["condition"]) - {""})
            for condition in ["", *(conditions if len(conditions) > 1 else [])]:
                chosen = part[part["condition"] == condition] if condition else part
                rows += _measures(chosen, about | {"condition": condition}, level, resamples, seed)
    return pd.DataFrame(rows, columns=AGREEMENT), error


def _measures(
    part: pd.DataFrame, about: dict[str, Any], level: float, resamples: int, seed: int
) -> list[dict[str, Any]]:
    rows = []
    for name in MEASURES:
        h, m = part[f"h_{name}"].to_numpy(), part[f"m_{name}"].to_numpy()
        known = ~(np.isnan(h) | np.isnan(m))
        if not known.any():
            continue
        h, m = h[known], m[known]
        by_unit: dict[str, list[float]] = defaultdict(list)
        for unit, difference in zip(
            (part["animal"].where(part["animal"] != "", part["group"]))[known], m - h, strict=True
        ):
            by_unit[str(unit)].append(difference)
        units = np.array([np.mean(values) for values in by_unit.values()])
        low, high = resample_means(units, level, resamples, seed)
        several = len(h) > 1
        spread = float(np.std(m - h, ddof=1)) if several else np.nan
        bias = float(units.mean())
        varies = several and np.ptp(h) > 0 and np.ptp(m) > 0
        rows.append(
            about
            | {
                "measure": name,
                "human": h.mean(),
                "model": m.mean(),
                "bias": bias,
                "low": low,
                "high": high,
                "spread": spread,
                "limit_low": bias - 1.96 * spread,
                "limit_high": bias + 1.96 * spread,
                "correlation": float(np.corrcoef(h, m)[0, 1]) if varies else np.nan,
                "n_recordings": len(set(part["recording"][known])),
                "n_units": len(units),
            }
        )
    return rows
