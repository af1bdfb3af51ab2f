"""Which point of a sweep to take, given by validation alone: nothing here ever reads a test score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.core.files import read_yaml

KEY = ["dataset", "method", "mode", "setting"]
COLUMNS = [*KEY, "rank", "metric", "better", "value", "sd", "runs", "best_epoch", "epochs"]


def best_epoch(folder: Path) -> dict[str, Any]:
    """Read the validation metric of a run's best epoch, by which its weights were chosen.

    Parameters
    ----------
    folder : Path
        Of a run; `hparams.yaml` and `metrics.csv` are read.

    Returns
    -------
    dict
        Keys metric, better (``higher`` or ``lower``), value, best_epoch, epochs. Without a monitored metric
        (the last epoch was taken unseen) the metric is empty and the value NaN.
    """
    training = read_yaml(folder / "hparams.yaml")["options"]["training"]
    table = pd.read_csv(folder / "metrics.csv")
    metric, higher = training["monitor"], training["mode"] == "max"
    found = {"metric": metric or "", "better": "higher" if higher else "lower", "epochs": len(table)}
    if metric is None:
        return found | {"better": "", "value": float("nan"), "best_epoch": int(table["epoch"].iloc[-1])}
    values = table.set_index("epoch")[metric].dropna()
    place = values.idxmax() if higher else values.idxmin()
    return found | {"value": float(values[place]), "best_epoch": int(place)}


def leaderboard(runs: Sequence[Mapping[str, str]], folders: Sequence[Path]) -> pd.DataFrame:
    """Rank the points of each dataset, method and mode by the validation metric, averaged over splits and seeds.

    Parameters
    ----------
    runs : sequence of mapping
        Keys :data:`KEY`.
    folders : sequence of Path
        Of the runs.

    Returns
    -------
    DataFrame
        Columns :data:`COLUMNS`, the best first; `sd` over splits and seeds, `best_epoch` their median. A point
        without a validation metric, or judged by another metric than the first one of its method, has no rank.
    """
    rows = [dict(run) | best_epoch(folder) for run, folder in zip(runs, folders, strict=True)]
    points = []
    for _, found in pd.DataFrame(rows, columns=[c for c in COLUMNS if c not in ("rank", "sd", "runs")]).groupby(
        KEY, sort=False
    ):
        one = found.iloc[0].to_dict()
        alike = found["metric"].nunique() == 1
        points.append(
            one
            | {
                "value": found["value"].mean() if alike else float("nan"),
                "sd": found["value"].std() if alike else float("nan"),
                "runs": len(found),
                "best_epoch": found["best_epoch"].median(),
                "epochs": found["epochs"].median(),
            }
        )
    table = pd.DataFrame(points, columns=COLUMNS)
    parts = []
    for _, found in table.groupby(KEY[:-1], sort=False):
        named = found.loc[found["metric"] != "", "metric"]
        score = found["value"].where(found["metric"] == (named.iloc[0] if len(named) else ""))
        score = score * np.where(found["better"] == "lower", -1.0, 1.0)
        parts.append(found.assign(rank=score.rank(ascending=False, method="min")).sort_values("rank", kind="stable"))
    return pd.concat(parts, ignore_index=True).astype({"rank": "Int64"}) if parts else table
