from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from workflow_scripts.cards.card import load_card
from workflow_scripts.cards.page import markdown_card
from workflow_scripts.cards.published import load_published, with_published
from workflow_scripts.core.errors import ConfigError
from workflow_scripts.evaluation.comparison.compare import compare
from workflow_scripts.experiment.experiment import load_experiment
from workflow_scripts.formats.tables import COLUMNS, write_table
from workflow_scripts.methods import names

ROOT = Path(__file__).parents[2]
TABLE = """
tables:
  paper:
    dataset: toy
    source: A paper
    place: Table 2
    url: https://example.org
    verified: false
    protocol: Frames instead of bouts.
    methods: [Old, New]
    ours: {New: pca}
    lines:
      - {task: state, metric: macro_f1, values: [50.5, 61.25], scale: 0.01}
      - {task: speed, metric: mse, values: [null, 0.09]}
"""


def write(tmp_path: Path, text: str) -> Path:
    (tmp_path / "config").mkdir(exist_ok=True)
    (tmp_path / "config" / "published.yaml").write_text(text)
    return tmp_path


def test_a_printed_table_becomes_numbers(tmp_path):
    found = load_published(write(tmp_path, TABLE))["toy"]
    assert [(n.method, n.ours, n.task, n.value) for n in found] == [
        ("Old", "", "state", 0.505),
        ("New", "pca", "state", 0.6125),
        ("New", "pca", "speed", 0.09),
    ]
    assert load_published(tmp_path / "nowhere") == {}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[50.5, 61.25]", "[50.5]", "1 values for 2 methods"),
        ("{New: pca}", "{Newer: pca}", "'Newer', which is not among"),
        ("place:", "page:", "unknown key 'tables.paper.page'"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(tmp_path, old, new, words):
    with pytest.raises(ConfigError, match=words):
        load_published(write(tmp_path, TABLE.replace(old, new)))


def test_the_number_stands_beside_the_method_it_speaks_of(tmp_path):
    rows = [
        dict.fromkeys(COLUMNS) | {"dataset": "toy", "method": method, "task": task, "metric": metric, "value": 0.5}
        for method in ("pca", "raw")
        for task, metric in (("state", "macro_f1"), ("state", "f1/run"), ("speed", "mse"))
    ]
    write_table(tmp_path / "probe.csv", pd.DataFrame(rows).assign(setting="default", split="fold", seed=0))
    table = compare([tmp_path / "probe.csv"], load_published(write(tmp_path, TABLE)))
    beside = table[table["published"].notna()]
    assert set(zip(beside["method"], beside["metric"], beside["published"], strict=True)) == {
        ("pca", "macro_f1", 0.6125),
        ("pca", "mse", 0.09),
    }
    assert beside["verified"].tolist() == [False, False]


def test_the_committed_numbers():
    """As the table of the project page has them; methods that are set beside them exist."""
    published = load_published(ROOT)
    value = {(n.method, n.task): n.value for n in published["mabe22_mouse"]}
    assert value["BAMS", "strain"] == 0.8823 and value["T-PointNet", "chases"] == 0.0457
    assert value["PCA", "experiment_day"] == 0.09416 and len(value) == 13 * 8
    assert {n.ours for numbers in published.values() for n in numbers if n.ours} <= {*names(), "mvd"}
    card = load_card(ROOT / "config" / "datasets" / "mabe22_mouse.yaml")
    assert set(card.tasks) == {task for _, task in value}
    assert "0.8823" in markdown_card(with_published(card, published))
    experiment = load_experiment(ROOT, {"experiment": "paper_bams_mouse"})
    assert len(experiment.cards["mabe22_mouse"].published) == 104
