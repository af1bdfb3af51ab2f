"""Figures for papers: what they draw, and that the same tables give the same bytes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from workflow_scripts.core.errors import ConfigError
from workflow_scripts.experiment.experiment import load_experiment
from workflow_scripts.experiment.figure_kinds import KINDS, drawings
from workflow_scripts.formats.tables import COLUMNS, write_table
from workflow_scripts.plotting import style
from workflow_scripts.plotting.style import QUIET, RC
from workflow_scripts.report import paper
from workflow_scripts.report.beside import beside

ROOT = Path(__file__).parents[2]


def comparison(tasks: int = 2) -> pd.DataFrame:
    rows = [
        {
            "dataset": "d", "method": method, "mode": "sound", "setting": "default", "split": "official", "seed": seed,
            "readout": "chance" if method == "prior" else "probe", "task": f"task{k}", "level": "frame",
            "metric": metric, "value": 0.3 + 0.1 * seed, "low": 0.2 + 0.1 * seed, "high": 0.5 + 0.1 * seed,
            "n": 100, "n_groups": 5, "published": 0.7 if method == "one" else np.nan, "verified": False,
        }
        for k in range(tasks)
        for method in ("one", "two", "prior")
        for seed in (0, 1)
        for metric in ("macro_f1", "f1/a", "f1/b")
    ]  # fmt: skip
    return pd.DataFrame(rows).reindex(columns=COLUMNS)


def test_scores_average_seeds_and_span_their_intervals() -> None:
    plate = paper.scores({"comparison.csv": comparison()}, dataset="d")
    assert plate is not None
    figure, data, caption = plate
    row = data[(data["task"] == "task0") & (data["method"] == "one")].iloc[0]
    assert row[["value", "low", "high"]].tolist() == pytest.approx([0.35, 0.2, 0.6])
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["task0", "task1"]
    assert "5 or more groups" in caption and "2 seeds" in caption and "Grey diamonds" in caption


def test_a_long_axis_label_takes_several_lines() -> None:
    label = paper._axis_label("head_angle_median_deg")
    assert " ".join(label.split()) == "Head angle, median error in degrees (lower is better)"
    assert max(map(len, label.splitlines())) <= paper.WORDS


def test_many_tasks_become_a_heat_map() -> None:
    plate = paper.scores({"comparison.csv": comparison(paper.MOST_PANELS + 1)}, dataset="d")
    assert plate is not None
    assert len(plate[0].axes) == 1
    assert paper.scores({"comparison.csv": comparison()}, dataset="other") is None


def test_yes_or_no_tasks_stand_in_one_figure() -> None:
    plate = paper.positives({"comparison.csv": comparison(3)}, dataset="d", positive="a")
    assert plate is not None
    figure, data, caption = plate
    assert set(data["metric"]) == {"f1/a"} and set(data["task"]) == {"task0", "task1", "task2"}
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["task0", "task1", "task2"]
    assert "class a by task" in caption
    assert paper.positives({"comparison.csv": comparison()}, dataset="d", positive="c") is None
    mice = {"experiment": "x", "datasets": {"mabe22_mouse_twin": {"splits": ["official"]}}, "methods": {"raw": {}}}
    drawn = [drawing.name for drawing in drawings(load_experiment(ROOT, mice)) if drawing.kind == "positives"]
    assert drawn == ["positives-mabe22_mouse_twin-yes"]


def test_confusion_shows_the_best_method() -> None:
    cells = [("good", "a", "a", 9), ("good", "a", "b", 1), ("good", "b", "a", 2), ("good", "b", "b", 8)]
    cells += [("bad", "a", "a", 1), ("bad", "a", "b", 9), ("bad", "b", "a", 9), ("bad", "b", "b", 1)]
    table = pd.DataFrame(cells, columns=["method", "truth", "prediction", "n"]).assign(
        dataset="d", task="t", mode="sound", setting="default", split="official", seed=0
    )
    plate = paper.confusion({"tables/confusions.csv": table}, dataset="d", task="t")
    assert plate is not None
    assert plate[1][["a", "b"]].to_numpy().tolist() == [[9, 1], [2, 8]]
    assert "good · sound" in plate[2]


def test_ranks_take_one_split_and_say_what_they_rest_on() -> None:
    ranks = pd.DataFrame(
        [("task", "fold", "one", 1.0), ("task", "fold", "two", 2.0), ("dataset", "", "one", 1.0)],
        columns=["scope", "split", "label", "rank"],
    ).assign(dataset="d", task="t", metric="macro_f1", chance=False, low=1.0, high=2.0, n_groups=6)
    tests = pd.DataFrame(
        [{"dataset": "d", "split": "fold", "task": "t", "family": "methods", "a": "one", "b": "two", "p_holm": 0.2}]
    )
    plate = paper.ranks({"ranks.csv": ranks, "tests.csv": tests}, dataset="d", task="t")
    assert plate is not None and len(plate[1]) == 2 and "6 held-out groups" in plate[2]
    assert paper.ranks({"ranks.csv": ranks, "tests.csv": tests}, dataset="d", task="other") is None


def test_embeddings_have_a_panel_a_method() -> None:
    rng = np.random.default_rng(0)
    points = pd.DataFrame(rng.normal(size=(60, 2)), columns=["pc1", "pc2"]).assign(
        dataset="d", task="t", method=["one"] * 30 + ["two"] * 30, mode="sound", setting="default",
        label=["a", "b", None] * 20, share1=0.4, share2=0.1,
    )  # fmt: skip
    labels = pd.DataFrame({"dataset": "d", "task": "t", "label": ["b", "a"]})
    plate = paper.embeddings({"tables/embedding_maps.csv": points, "tables/labels.csv": labels}, dataset="d")
    assert plate is not None and len(plate[1]) == 60
    shown = [axis for axis in plate[0].axes if axis.axison]
    unlabelled, labelled = shown[0].collections  # grey, and beneath
    assert len(unlabelled.get_offsets()) == 10 and len(labelled.get_offsets()) == 20
    assert to_hex(unlabelled.get_facecolor()[0]) == style.QUIET
    assert [axis.get_title(loc="left") for axis in shown] == ["one", "two"]
    assert shown[0].get_xlabel() == "50 % of the variance"


def test_ethogram_draws_the_recording_frame_by_frame() -> None:
    bouts = pd.DataFrame(
        [("truth", 0, 5, "a"), ("truth", 5, 9, "b"), ("one", 0, 9, "a")], columns=["row", "start", "stop", "label"]
    ).assign(dataset="d", task="t", recording="r")
    quality = pd.DataFrame([{"dataset": "d", "recording": "r", "fps": 30.0}])
    labels = pd.DataFrame({"dataset": "d", "task": "t", "label": ["b", "a"]})
    tables = {"tables/ethograms.csv": bouts, "tables/quality.csv": quality, "tables/labels.csv": labels}
    plate = paper.ethogram(tables, dataset="d", task="t")
    assert plate is not None and "r of d" in plate[2]
    # Classes take their colours in the order of the vocabulary, as in the report and in films.
    assert [text.get_text() for text in plate[0].axes[0].get_legend().get_texts()] == ["b", "a"]
    assert paper.ethogram(tables, dataset="x", task="t") is None


def test_an_experiment_names_its_kinds() -> None:
    base = {"experiment": "x", "datasets": {"rats_pairs_twin": {"splits": ["fold"]}}, "methods": {"raw": {}}}
    every = drawings(load_experiment(ROOT, dict(base)))
    assert {drawing.kind for drawing in every} >= {"scores", "classes", "confusion", "ethogram"}
    assert len({drawing.name for drawing in every}) == len(every)
    chosen = drawings(load_experiment(ROOT, {**base, "figures": ["scores"]}))
    assert [drawing.name for drawing in chosen] == ["scores-rats_pairs_twin"]
    with pytest.raises(ConfigError, match="did you mean 'scores'"):
        drawings(load_experiment(ROOT, {**base, "figures": ["scoers"]}))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_kinds_name_functions_that_exist(kind: str) -> None:
    module, function = KINDS[kind].function.split(":")
    source = ROOT.joinpath("workflow_scripts", *module.split(".")).with_suffix(".py").read_text()
    assert f"def {function}(" in source


def test_the_same_tables_give_the_same_bytes(tmp_path: Path) -> None:
    results = tmp_path / "results" / "x"
    results.mkdir(parents=True)
    write_table(results / "comparison.csv", comparison())
    config = results / "configuration.json"
    config.write_text("{}")
    for name in ("one", "two"):
        command = [sys.executable, "-m", "workflow_scripts.stages.figure", "--results", results, "--config", config]
        command += ["--kind", "scores", "--select", json.dumps({"dataset": "d"}), "--stem", tmp_path / name / "figure"]
        (tmp_path / name).mkdir()
        subprocess.run(command, check=True, cwd=ROOT)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == [f"figure.{ending}" for ending in ("csv", "json", "pdf", "png", "txt")]
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_published_numbers_are_grey_beside_ours() -> None:
    told = pd.DataFrame(
        [("d", "Theirs", "t", "macro_f1", 0.6, "A paper", True, "one", "Table 2", "", "Other folds.")],
        columns=[
            "dataset",
            "method",
            "task",
            "metric",
            "value",
            "source",
            "verified",
            "ours",
            "place",
            "url",
            "protocol",
        ],
    )
    ours = comparison()
    ours.loc[ours["method"] == "two", "value"] += 0.1
    task = str(ours["task"].iloc[0])
    metric = str(ours["metric"].iloc[0])
    told = told.assign(task=task, metric=metric)
    plate = beside({"comparison.csv": ours, "tables/published.csv": told}, dataset="d")
    assert plate is not None
    figure, data, caption = plate
    assert set(data["what"]) == {"published", "here"}
    assert "A paper, Table 2: Theirs. Other folds." in caption
    greys = [line for line in figure.axes[0].lines if line.get_marker() == "D"]
    assert [float(line.get_xdata()[0]) for line in greys] == [0.6] and greys[0].get_color() == QUIET
    # Several methods of ours on one task stand apart; each has its own colour.
    circles = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert len({float(line.get_ydata()[0]) for line in circles}) == len({line.get_color() for line in circles}) == 2
    assert beside({"comparison.csv": ours, "tables/published.csv": told.iloc[:0]}, dataset="d") is None


def test_fonts_are_vectors() -> None:
    assert RC["pdf.fonttype"] == 42 and RC["svg.fonttype"] == "none"
