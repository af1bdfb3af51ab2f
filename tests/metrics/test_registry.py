"""Every metric is one entry, and everything about it follows from that entry."""

import ast
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workflow_scripts.evaluation.comparison.compare import score_run
from workflow_scripts.evaluation.options import IntervalConfig
from workflow_scripts.formats.predictions import Prediction, create_predictions
from workflow_scripts.metrics import chance, registry
from workflow_scripts.metrics.entry import UNIT, Metric
from workflow_scripts.metrics.keypoints import measures
from workflow_scripts.report import figures, summary, tables, views

INTERVAL = IntervalConfig(resamples=50)
RUN = {"dataset": "d", "method": "net", "mode": "sound", "setting": "default", "split": "official", "seed": 0}
PACKAGE = Path(__file__).parents[2] / "workflow_scripts"


def write(path, kind="multiclass", names=("rest", "walk", "rear"), tasks=("act",)):
    rng = np.random.default_rng(0)
    with create_predictions(path) as writer:
        for task in tasks:
            writer.task(task, kind=kind, level="frame", vocabulary=names, readout="probe", background=names[0])
            for group in "abc":
                truth = np.repeat(rng.integers(0, len(names), 20), 10)
                said = np.where(rng.random(200) < 0.7, truth, rng.integers(0, len(names), 200))
                scores = rng.dirichlet(np.ones(len(names)), 200).astype(np.float32)
                scores = scores[:, 1] if kind == "binary" else scores
                writer.add(task, Prediction(group, group, truth, np.ones(200, bool), said, scores))
    return path


def kappa(matrix):
    total = matrix.sum((-1, -2))
    seen = np.trace(matrix, axis1=-2, axis2=-1) / total
    expected = (matrix.sum(-1) * matrix.sum(-2)).sum(-1) / total**2
    return (seen - expected) / (1 - expected)


def test_a_new_metric_is_one_entry(tmp_path, monkeypatch):
    entry = Metric("kappa", "Cohen's kappa", "confusion", of=kappa, bounds=(-1.0, 1.0))
    monkeypatch.setattr(registry, "METRICS", (*registry.METRICS, entry))
    table = score_run([write(tmp_path / "p.h5")], INTERVAL, RUN)
    row = table.set_index("metric").loc["kappa"]
    assert 0.4 < row.low < row.value < row.high < 0.9 and row.n_groups == 3
    shown = views.results(table, "d", "act")
    assert [name for name, _ in shown.columns][-3] == "Cohen's kappa"
    axes = figures.method_bars(table, "kappa").axes[0]
    assert axes.get_xlabel() == "Cohen's kappa" and axes.get_xlim()[1] < 1
    assert tables.primary_metric(tables.scores(table)) == "macro_f1"


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_every_row_has_an_entry(tmp_path, kind):
    names = ("rest", "walk") if kind == "binary" else ("rest", "walk", "rear")
    table = score_run([write(tmp_path / "p.h5", kind, names, ("one", "two"))], INTERVAL, RUN, window=30)
    for metric in table["metric"]:
        found = registry.find(metric)
        assert found.kinds and kind in found.kinds, metric
        values = table.loc[table["metric"] == metric, "value"].dropna()
        assert values.between(*found.bounds).all()
    assert (table["task"] == "mean_f1").any() == (kind == "binary") and registry.is_mean("mean_f1")


def test_names_titles_and_directions():
    assert registry.title("f1/chase/run") == "F1 of chase/run"
    assert registry.title("bout_f1@0.5/walk") == "bout F1 at IoU 0.5 of walk"
    assert registry.find("pixel_error_p95/base").lower_is_better and registry.find("head_angle_flips").lower_is_better
    assert registry.find("unheard_of").bounds == (None, None) and registry.title("unheard_of") == "unheard of"
    assert registry.find("auroc").bounds == UNIT and registry.find("r2").bounds == (None, 1.0)
    assert registry.in_order(["zeta", "mse", "f1/b", "f1/a", "macro_f1"]) == ["macro_f1", "mse", "f1/a", "f1/b", "zeta"]
    mains = {kind: registry.main_metric(kind).name for kind in ("binary", "multiclass", "continuous", "points")}
    assert mains == {
        "binary": "macro_f1",
        "multiclass": "macro_f1",
        "continuous": "r2",
        "points": "head_angle_median_deg",
    }
    assert len({metric.name for metric in registry.METRICS}) == len(registry.METRICS)
    assert [found.name for found in measures(("base", "neck"))] == [
        *(f"pixel_error_{what}/{name}" for name in ("base", "neck") for what in ("median", "p95")),
        *(f"body_angle_{what}" for what in ("median_deg", "p90_deg", "share_over_30", "flips")),
    ]


def test_no_other_module_lists_metrics():
    for path in PACKAGE.rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            names = [t.id for t in getattr(node, "targets", []) if isinstance(t, ast.Name)]
            gone = {"METRIC_NAMES", "PREFERRED", "LOWER_IS_BETTER", "BOUNDED", "MEANS", "CHANCE_METHODS", "BACKGROUNDS"}
            if path.name != "inputs.py":  # daart prefers a task of some name there
                assert not gone & set(names), path


def rows(metric, classes, **value):
    found = [
        {"dataset": "d", "task": "t", "method": m, "metric": metric, "value": v, "low": v - 0.01, "high": v + 0.01}
        | {"readout": "probe" if m == "net" else "chance", "seed": 0, "split": "official", "mode": "sound"}
        for m, v in value.items()
    ]
    known = [{**found[0], "metric": f"f1/{name}", "value": 0.5} for name in classes]
    return pd.DataFrame(found + ([] if metric.startswith("f1/") else known))


@pytest.mark.parametrize("classes", [("a", "b", "c"), ("no", "yes")])
def test_all_positive_is_no_chance_level_of_macro_f1(classes):
    table = rows("macro_f1", classes, net=0.45, all_positive=0.39, majority=0.15, prior=0.25)
    (verdict,) = summary.verdicts(table)
    assert verdict.chance.method == "prior" and verdict.clear
    assert "chance 0.25" in summary.five_lines(table.assign(note=pd.NA), "r.html")
    found = views.results(table, "d", "t")
    assert [row.cells[0].text for row in found.rows] == [
        "net",
        "all_positive (yes to every class)",
        "prior (chance)",
        "majority (chance)",
    ]
    (line,) = [line for line in figures.method_bars(table).axes[0].lines if line.get_linestyle() == "--"]
    assert list(line.get_xdata()) == [0.25, 0.25]


def test_all_positive_is_the_level_of_the_class_of_a_binary_task():
    assert chance.is_level("all_positive", "f1/yes", 2) and not chance.is_level("all_positive", "f1/a", 3)
    assert chance.is_level("majority", "macro_f1", 5) and chance.is_level("mean_pose", "head_angle_median_deg", 0)
    assert chance.of_data("tracks") == chance.of_data("clips") == ("majority", "prior")
    assert chance.of_data("images") == ("mean_pose",)
