from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workflow_scripts.core.errors import InputError
from workflow_scripts.formats.tables import COLUMNS
from workflow_scripts.provenance.environment import timings, versions
from workflow_scripts.report import tables
from workflow_scripts.report.assemble import confusions, example_predictions, five_line_summary
from workflow_scripts.report.data import ReportData
from workflow_scripts.report.summary import failures, five_lines, headline, sentence, undefined, verdicts

BENCHMARK = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def table(*rows: tuple, metric: str = "macro_f1") -> pd.DataFrame:
    names = ["method", "seed", "value", "low", "high", "readout"]
    made = pd.DataFrame(rows, columns=names)
    fixed = {"dataset": "d", "task": "t", "metric": metric, "split": "official", "n": 90, "n_groups": 3}
    return made.assign(**fixed).reindex(columns=COLUMNS)


CHANCE = ("prior", 0, 0.25, 0.2, 0.3, "chance")


def test_five_lines_are_five(report_data: ReportData) -> None:
    text = five_lines(report_data.comparison, "results/x/report/index.html", experiment="x", warnings=2, quarantined=1)
    lines = text.splitlines()
    assert len(lines) == 5
    assert lines[0].startswith("Experiment x: 7 methods on 2 datasets, 3 tasks")
    best = report_data.comparison.query(
        "dataset == 'rats_pairs' and task == 'S1' and metric == 'macro_f1' and split == 'fold' and readout != 'chance'"
    ).sort_values("value")
    last = best.dropna(subset=["value"]).iloc[-1]
    shown = tables.with_interval(last["value"], last["low"], last["high"])
    assert f"rats_pairs/S1 {last['method']} macro F1 {shown} (chance " in lines[1]
    assert lines[2].endswith("; 2 warnings, 1 recording left out, 1 row of failed runs.")
    assert lines[3] == "Report: results/x/report/index.html"
    assert lines[4].startswith("Next: ")


def test_five_lines_of_nothing() -> None:
    lines = five_lines(pd.DataFrame(columns=COLUMNS), Path("r.html")).splitlines()
    assert lines[0] == "0 methods on 0 datasets, 0 tasks, 0 result rows."
    assert lines[1] == "Best: no method has a value."
    assert len(lines) == 5


def test_what_is_made_without_labels_is_said(tmp_path: Path) -> None:
    results = tmp_path / "results" / "x"
    pd.DataFrame(columns=COLUMNS).to_csv(_parent(results / "comparison.csv"), index=False)
    settings = [("d", "pca", "default", "{}"), ("d", "raw", "default", "{}")]
    columns = ["dataset", "method", "setting", "options"]
    pd.DataFrame(settings, columns=columns).to_csv(results / "settings.csv", index=False)
    tables = results / "tables"
    quality = [("d", "a", "ok", "is short"), ("d", "b", "ok", ""), ("d", "c", "quarantined", "has not one point")]
    pd.DataFrame(quality, columns=["dataset", "recording", "status", "warnings"]).to_csv(
        _parent(tables / "quality.csv"), index=False
    )
    pd.DataFrame(columns=["dataset", "recording", "task"]).to_csv(tables / "labels.csv", index=False)
    notes = [("d", "pca", "fold0", "penalty 100 chosen")]  # no warning
    pd.DataFrame(notes, columns=["dataset", "method", "split", "note"]).to_csv(tables / "notes.csv", index=False)
    for method in ("pca", "raw"):
        _parent(results / "runs" / "d" / method / "sound/default/official/seed0/embeddings.h5").touch()
    _parent(results / "runs" / "d" / "pca" / "sound/default/official/seed0/motifs/bouts.csv").touch()
    lines = five_line_summary(results).splitlines()
    assert lines[0] == "Experiment x: 2 methods on 1 dataset of 2 recordings without labels, so nothing is scored."
    assert lines[1].startswith("Made: embeddings of pca, raw (embeddings.h5); motifs of pca (motifs/bouts.csv")
    assert "column labels" in lines[2]
    assert lines[3] == "1 warning, 1 recording left out."
    assert lines[4] == f"Report: {results / 'report' / 'index.html'}"


def _parent(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def test_a_method_does_not_win_by_its_luckiest_seed() -> None:
    rows = [("steady", s, v, v - 0.1, v + 0.1, "probe") for s, v in enumerate([0.6, 0.62, 0.61])]
    rows += [("lucky", s, v, v - 0.1, v + 0.1, "probe") for s, v in enumerate([0.9, 0.2, 0.3])]
    (verdict,) = verdicts(table(*rows, CHANCE))
    assert verdict.best is not None and verdict.best.label == "steady"
    assert verdict.seeds == 3 and verdict.methods == 2
    assert verdict.best.value == pytest.approx(0.61)
    assert (verdict.best.low, verdict.best.high) == pytest.approx((0.5, 0.72))
    assert "mean of 3 seeds" in sentence(verdict)


@pytest.mark.parametrize(
    ("row", "clear", "words"),
    [
        (("pca", 0, 0.5, 0.4, 0.6, "probe"), True, "do not overlap"),
        (("pca", 0, 0.35, 0.28, 0.5, "probe"), False, "the intervals overlap"),
        (("pca", 0, 0.25, 0.2, 0.6, "probe"), False, "no better than that"),
        (("pca", 0, 0.1, 0.05, 0.15, "probe"), False, "no better than that"),
        (("pca", 0, 0.5, np.nan, np.nan, "probe"), None, "cannot be judged"),
    ],
)
def test_what_may_be_said_against_chance(row: tuple, clear: bool | None, words: str) -> None:
    (verdict,) = verdicts(table(row, CHANCE))
    assert verdict.clear is clear
    assert words in sentence(verdict)
    assert "90 labelled samples in 3 held-out groups" in sentence(verdict)


def test_errors_are_better_when_small() -> None:
    (verdict,) = verdicts(table(("a", 0, 2.0, 1.5, 2.5, "probe"), ("b", 0, 1.0, 0.5, 1.4, "probe"), metric="mse"))
    assert verdict.best is not None and verdict.best.label == "b"
    chance = ("prior", 0, 3.0, 2.6, 3.4, "chance")
    (verdict,) = verdicts(table(("a", 0, 2.0, 1.5, 2.5, "probe"), chance, metric="mse"))
    assert verdict.clear is True
    (verdict,) = verdicts(table(("a", 0, 4.0, 3.5, 4.5, "probe"), chance, metric="mse"))
    assert verdict.clear is False and "no better" in sentence(verdict)


def test_an_undefined_metric_is_no_failed_run() -> None:
    rows = table(("pca", 0, 0.5, 0.4, 0.6, "probe"), ("pca", 1, np.nan, np.nan, np.nan, "probe"), CHANCE)
    rows["note"] = pd.Series([None, None, None], dtype=object)
    assert (failures(rows), undefined(rows)) == (0, 1)
    rows.loc[1, "note"] = "failed: the loss became NaN."
    assert (failures(rows), undefined(rows)) == (1, 0)


def test_the_headline_says_how_many_tasks_have_intervals() -> None:
    sure = table(("pca", 0, 0.5, 0.4, 0.6, "probe"), CHANCE)
    unsure = table(("pca", 0, 0.5, np.nan, np.nan, "probe"), CHANCE).assign(task="u")
    assert headline(verdicts(sure)).endswith("with intervals that do not overlap, on 1 task.")
    both = headline(verdicts(pd.concat([sure, unsure], ignore_index=True)))
    assert both.startswith("pca is best on 2 of 2 tasks") and both.endswith("on 1 of the 1 task that has intervals.")


def test_single_folds_do_not_compete_with_all_folds_together() -> None:
    one = table(("pca", 0, 0.5, 0.4, 0.6, "probe"))
    both = pd.concat([one.assign(split="fold"), one.assign(split="fold0", value=0.9)], ignore_index=True)
    (verdict,) = verdicts(both)
    assert verdict.best is not None and verdict.best.value == 0.5 and verdict.best.label == "pca"
    alone = one.assign(split="fold0")
    assert len(tables.without_folds(alone)) == 1  # no pooled row: the fold is all there is


def test_variants_of_a_method_have_names_of_their_own() -> None:
    rows = table(("lisbet", 0, 0.5, 0.4, 0.6, "probe"), ("lisbet", 0, 0.6, 0.5, 0.7, "native"), CHANCE)
    rows["mode"], rows["setting"] = ["sound", "faithful", None], "default"
    assert [score.label for score in tables.scores(rows)] == [
        "lisbet · sound · probe",
        "lisbet · faithful · native",
        "prior",
    ]


def test_numbers_read_well() -> None:
    assert tables.with_interval(0.6195, 0.55, 0.688) == "0.62 [0.55, 0.69]"
    assert tables.with_interval(0.5, float("nan"), float("nan")) == "0.50"
    assert tables.with_interval(0.00294, 0.0, 0.0071) == "0.003 [0.000, 0.007]"  # as many decimals in all three
    assert tables.with_interval(0.0101, 0.00143, 0.02) == "0.01 [0.00, 0.02]"
    assert tables.number(float("nan")) == "–"
    assert tables.number(-0.001) == "-0.001" and tables.number(0.0) == "0.00" and tables.number(12345.6) == "1.23e+04"
    assert tables.percent(0.0004) == "< 0.1 %" and tables.percent(0) == "0.0 %"
    assert tables.duration(59.96) == "60.0 s" and tables.duration(3599.9) == "1 h 00 min"
    assert tables.duration(185) == "3 min 05 s"
    assert tables.count(1234567) == "1\u202f234\u202f567"


def test_benchmarks_are_summed_by_rule(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text(BENCHMARK + "2.5\t0:00:02\t100.5\t1\t1\t1\t0\t0\t90\t2\n")
    (tmp_path / "b.tsv").write_text(BENCHMARK + "1.5\t0:00:01\t-\t-\t-\t-\t-\t-\t-\t-\n")
    found = timings({"train": [tmp_path / "a.tsv", tmp_path / "b.tsv", tmp_path / "none.tsv"], "idle": []})
    assert found.to_dict("records") == [{"rule": "train", "jobs": 2, "seconds": 4.0, "max_rss_mb": 100.5}]
    (tmp_path / "c.tsv").write_text("nonsense\n")
    with pytest.raises(InputError, match="no Snakemake benchmark"):
        timings({"train": [tmp_path / "c.tsv"]})
    assert timings({}).empty


def test_versions_name_the_libraries() -> None:
    found = versions()
    assert found["numpy"] == np.__version__
    assert {"python", "torch", "snakemake"} <= set(found)


def test_a_class_may_be_called_none(tmp_path: Path) -> None:
    lines = ["dataset,method,mode,point,split,seed,task,truth,prediction,n"]
    lines += [f"d,pca,sound,default,fold{f},0,t,{a},{b},{n}" for f in (0, 1) for a, b, n in _counts()]
    (tmp_path / "confusions.csv").write_text("\n".join(lines) + "\n")
    (made,) = confusions(tmp_path)
    assert made.vocabulary == ("None", "NA")
    assert made.matrix.tolist() == [[10, 2], [4, 6]]


def _counts() -> list[tuple[str, str, int]]:
    return [("None", "None", 5), ("None", "NA", 1), ("NA", "None", 2), ("NA", "NA", 3)]


def test_ethograms_are_rebuilt_from_bouts(tmp_path: Path) -> None:
    from workflow_scripts.cards.card import Card

    lines = ["dataset,task,recording,row,start,stop,label", "d,t,1,truth,0,3,None", "d,t,1,truth,5,6,b"]
    lines += ["d,t,1,pca,0,6,b"]
    (tmp_path / "ethograms.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "quality.csv").write_text("dataset,recording,status,group,frames,fps\nd,1,ok,g,6,25\n")
    card = Card.model_validate(
        {
            "name": "d",
            "title": "d",
            "description": "d",
            "licence": "CC0-1.0",
            "citation": ["x"],
            "source": "deeplabcut",
            "files": [{"path": "a.csv", "urls": ["https://example.org/a.csv"]}],
            "shards": [{"id": "1", "tracks": "a.csv"}],
            "tasks": {"t": {"vocabulary": ["None", "b"]}},
        }
    )
    (made,) = example_predictions({"d": card}, tmp_path)
    assert made.truth.tolist() == [0, 0, 0, -1, -1, 1]
    assert made.predictions["pca"].tolist() == [1] * 6
    assert made.fps == 25 and made.recording == "1"
