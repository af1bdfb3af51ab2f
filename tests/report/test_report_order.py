"""What the page puts first, and what it leaves out."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pandas as pd

from workflow_scripts.formats.tables import COLUMNS
from workflow_scripts.report.assemble import notices
from workflow_scripts.report.data import Confusion, ReportData, TaskSummary
from workflow_scripts.report.graph import by_stage, stages
from workflow_scripts.report.heat import heat_map
from workflow_scripts.report.html import render
from workflow_scripts.report.learnt import curves
from workflow_scripts.report.sections import table

ROOT = Path(__file__).parents[2]


def with_native(data: ReportData) -> ReportData:
    """The same with the classifier of lisbet itself, better than everything else on S1."""
    table = data.comparison
    mine = table[(table["method"] == "lisbet") & (table["dataset"] == "rats_pairs") & (table["task"] == "S1")]
    own = mine.assign(readout="native", value=0.99, low=0.98, high=1.0)
    example = next(item for item in data.examples if (item.dataset, item.task) == ("rats_pairs", "S1"))
    predictions = {**example.predictions, "lisbet": example.truth, "lisbet (native)": example.truth}
    matrix = np.eye(len(example.vocabulary), dtype=np.int64) * 100
    confusion = Confusion("rats_pairs", "S1", "lisbet (native)", example.vocabulary, matrix)
    return dataclasses.replace(
        data,
        comparison=pd.concat([table, own], ignore_index=True),
        examples=(dataclasses.replace(example, predictions=predictions),),
        confusions=(*data.confusions, confusion),
    )


def test_rows_of_the_ethogram_are_named_as_in_the_tables_and_best_first(report_data: ReportData) -> None:
    text = render(with_native(report_data))
    task = text[text.index('<article id="dataset0-task0"') : text.index('<article id="dataset0-task1"')]
    names = re.findall(r'<span class="name">([^<]+)</span>', task)
    assert names[:2] == ["human labels", "lisbet · native"]
    assert "lisbet · probe" in names and "lisbet (native)" not in names
    assert "lisbet · native: share of each human label" in task.split("<details>")[0]


def test_tasks_without_a_result_take_one_line(report_data: ReportData) -> None:
    first = report_data.datasets[0]
    extra = TaskSummary("sniffing", "binary", "frame", ("no", "yes"), (90, 10), 100, "no")
    data = dataclasses.replace(
        report_data,
        datasets=(dataclasses.replace(first, tasks=(*first.tasks, extra)), *report_data.datasets[1:]),
    )
    text = render(data)
    assert "No result in this experiment: sniffing." in text
    assert "Task sniffing" not in text


def test_a_dataset_without_a_film_shows_its_picture(report_data: ReportData) -> None:
    first = report_data.datasets[0].name
    text = render(dataclasses.replace(report_data, examples=()))
    section = text[text.index('<section id="dataset0"') : text.index('<section id="dataset1"')]
    assert 'class="gallery first"' in section and f"one pose of {first}" in section
    filmed = render(report_data)
    section = filmed[filmed.index('<section id="dataset0"') : filmed.index('<section id="dataset1"')]
    assert 'class="gallery first"' not in section


def test_names_break_after_underscores_alone(report_data: ReportData) -> None:
    assert "<figcaption>rats_<wbr>pairs</figcaption>" in render(report_data)


def test_rules_made_from_others_belong_to_the_stage_of_their_file() -> None:
    found = stages(ROOT)
    assert found["probe_control"] == "evaluate" and found["fit"] == "train" and found["locate"] == "clips"
    boxes, _ = by_stage([("fit", "transform"), ("train", "embed")], found, {"fit": 3, "train": 2})
    assert dict(boxes["train"].rules) == {"fit": 3, "train": 2} and set(boxes) == {"train", "embed"}


def test_a_sum_of_losses_does_not_press_its_terms_onto_the_axis() -> None:
    run = {"dataset": "d", "method": "m", "mode": "sound", "setting": "default", "split": "official", "seed": 0}
    rows = [{**run, "series": "train_loss", "epoch": k, "value": 40.0 / k} for k in (1, 2)]
    small = [{**run, "series": "train_part", "epoch": k, "value": 0.3 / k} for k in (1, 2)]
    (alone,), (both,) = curves(pd.DataFrame(rows), "m"), curves(pd.DataFrame(rows + small), "m")
    assert '"type":"log"' not in alone[1].spec and '"type":"log"' in both[1].spec
    assert '"dtick":1' in alone[1].spec  # no epoch 1.5


def test_the_mean_of_tasks_is_below_them() -> None:
    table = pd.DataFrame(
        [
            {"dataset": "d", "task": task, "metric": metric, "value": 0.5, "method": "m", "readout": "probe"}
            for task, metric in (("close", "macro_f1"), ("mean_f1", "f1"), ("strain", "macro_f1"))
        ]
    ).reindex(columns=COLUMNS)
    drawn = heat_map(table, {})
    assert drawn is not None
    assert [row.task for row in drawn.rows] == ["close", "strain", "mean_f1"]


def test_tables_of_sections_look_like_the_others() -> None:
    frame = pd.DataFrame({"class": ["walk", "rear"], "support": [12, 3], "f1": [0.5, 0.0], "precision": [0.25, None]})
    shown = table(frame, "Videos", "videos.csv")
    assert [name for name, _ in shown.columns] == ["Class", "Support", "F1", "Precision"]
    assert [[cell.text for cell in row.cells] for row in shown.rows] == [
        ["walk", "12", "0.500", "0.250"],
        ["rear", "3", "0.000", "–"],
    ]


def test_what_several_recordings_have_in_common_is_said_once(tmp_path: Path) -> None:
    lines = [
        ("a", "29% of the moving pixels are outside\nindividual1 top is missing in 9 frames"),
        ("b", "43.5% of the moving pixels are outside"),
        ("c", "8% of the moving pixels are outside\nindividual2 top is missing in 9 frames"),
    ]
    rows = [{"dataset": "d", "recording": name, "status": "ok", "warnings": text} for name, text in lines]
    pd.DataFrame(rows).to_csv(tmp_path / "quality.csv", index=False)
    pd.DataFrame(columns=["dataset", "method", "split", "note"]).to_csv(tmp_path / "notes.csv", index=False)
    assert [(notice.where, notice.text) for notice in notices(tmp_path)] == [
        ("d · a, b, c", "8–43.5% of the moving pixels are outside"),
        ("d · a", "individual1 top is missing in 9 frames"),
        ("d · c", "individual2 top is missing in 9 frames"),
    ]
